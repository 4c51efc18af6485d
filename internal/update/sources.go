package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// fromSource copies the schemas of a source tree, and puts them into the recipes of the packages.
func (u *update) fromSource(dir, version string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	printed := u.path("printed")
	args := []string{"print", "-out", printed}
	if version != "" {
		args = append(args, "-qemu-version", version)
	}
	for _, r := range u.recipes {
		main := filepath.Join(dir, filepath.FromSlash(r.main))
		if _, err := os.Stat(main); err != nil {
			return fmt.Errorf("%s is not a source tree of QEMU: it has no %s", dir, r.main)
		}
		args = append(args, main)
	}
	if _, _, err := u.run(u.root, args...); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(printed, "VERSION"))
	if err != nil {
		return fmt.Errorf("%s has no file VERSION: give its version with -qemu-version, or with VERSION=… for make", dir)
	}
	version = strings.TrimSpace(string(text))
	folder := facts.Release(version)
	if err := os.RemoveAll(u.path(schemas, folder)); err != nil { // one that was joined, or of the same source
		return err
	}
	if err := os.Rename(printed, u.path(schemas, folder)); err != nil {
		return err
	}
	u.say("the schemas of QEMU %s are in %s/%s", version, schemas, folder)
	for _, r := range u.recipes {
		u.takeSource(r, folder)
	}
	return nil
}

// takeSource makes a package one of a source: joined with answers that are newer, unless it goes
// back to an older one.
func (u *update) takeSource(r *recipe, version string) {
	var kept []string
	for _, answer := range r.answers {
		if compareVersions(version, r.source) >= 0 && compareVersions(answer, version) > 0 {
			kept = append(kept, answer)
		}
	}
	if compareVersions(version, r.newest()) < 0 && kept == nil {
		u.say("qmp/generated/%s goes back from %s to %s and loses what QEMU added since", r.pkg, r.newest(), version)
	}
	r.source, r.answers = version, kept
}

var capturedVersion = regexp.MustCompile(`^captured .* of QEMU (\S+)\n`)

// fromServer saves the answer of a server, and joins the source of its package with it. If the server has
// nothing new, only the members that it does not send become optional.
func (u *update) fromServer(address string) error {
	captured := u.path("captured.json")
	_, said, err := u.run(u.root, "capture", "-out", captured, address)
	if err != nil {
		return err
	}
	version := capturedVersion.FindStringSubmatch(said)
	if version == nil {
		return fmt.Errorf("qapigen capture does not say which version it is: %s", said)
	}
	text, err := os.ReadFile(captured)
	if err != nil {
		return err
	}
	return u.takeAnswer(text, version[1])
}

// fromCaptured does the same with a captured answer, whose version is in the file VERSION beside it.
func (u *update) fromCaptured(file, version string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if _, err := u.recipeFor(text); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if version == "" {
		beside, err := os.ReadFile(filepath.Join(filepath.Dir(file), "VERSION"))
		if err != nil {
			return fmt.Errorf("%s has no file VERSION beside it: give its version with -qemu-version, or with VERSION=… for make", file)
		}
		version = strings.TrimSpace(string(beside))
	}
	if !versionPattern.MatchString(version) {
		return fmt.Errorf("%s is an answer of QEMU %q: want a version such as 10.2.0 in the file VERSION beside it, with -qemu-version, or VERSION=… for make", file, version)
	}
	return u.takeAnswer(text, version)
}

var versionPattern = regexp.MustCompile(`^[0-9]+\.[0-9]+(\.[0-9]+)*$`)

// takeAnswer saves the answer of a version.
func (u *update) takeAnswer(text []byte, version string) error {
	r, err := u.recipeFor(text)
	if err != nil {
		return err
	}
	folder := filepath.Join("captured", facts.Release(version))
	if err := writeFile(u.path(schemas, folder, r.pkg+".json"), text); err != nil {
		return err
	}
	if err := writeFile(u.path(schemas, folder, "VERSION"), []byte(version+"\n")); err != nil {
		return err
	}
	u.say("the answer of QEMU %s is in %s/%s/%s.json", version, schemas, filepath.ToSlash(folder), r.pkg)
	if compareVersions(facts.Release(version), r.source) <= 0 {
		u.say("qmp/generated/%s now also serves QEMU %s: members that this QEMU does not send are optional", r.pkg, facts.Release(version))
		return nil
	}
	r.answer(facts.Release(version))
	return nil
}

// recipeFor returns the recipe of the package that a server's answer belongs to.
func (u *update) recipeFor(text []byte) (*recipe, error) {
	view, err := introspect.Read(text)
	if err != nil {
		return nil, err
	}
	want := "storage"
	switch {
	case view.Lookup("device_add") != nil: // of what has machines
		want = "qemu"
	case view.Lookup("blockdev-add") == nil:
		return nil, errors.New("this is an answer of neither QEMU nor qemu-storage-daemon")
	}
	for _, r := range u.recipes {
		if r.pkg == want {
			return r, nil
		}
	}
	return nil, fmt.Errorf("no package %s", want)
}

// compareVersions compares by numbers.
func compareVersions(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, _ := strconv.Atoi(x[i])
		n, _ := strconv.Atoi(y[i])
		if m != n {
			return m - n
		}
	}
	return len(x) - len(y)
}
