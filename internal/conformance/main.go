// Conformance judges the schemas of QEMU's own test suite and counts how often the verdict, and
// the line of the first diagnostic, are QEMU's:
//
//	go run ./internal/conformance DIR
//
// DIR is a QEMU source tree, or what scripts/get-source.sh takes out of one. Its
// tests/qapi-schema has a schema for each case, and what QEMU's front end says of it; its file
// VERSION says which dialect is spoken there. The cases on which the two disagree are listed
// first. The exit status is 0 whatever the counts are.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: conformance DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(source string, out io.Writer) error {
	dir := filepath.Join(source, "tests", "qapi-schema")
	names, err := caseNames(dir)
	if err != nil {
		return err
	}
	dialect, err := dialectOf(source)
	if err != nil {
		return err
	}
	var verdicts, lines int
	for _, name := range names {
		want, err := expected(dir, name)
		if err != nil {
			return err
		}
		got, err := found(dir, name, dialect)
		if err != nil {
			return err
		}
		sameVerdict := (want == "") == (got == "")
		if sameVerdict {
			verdicts++
		}
		if want == got {
			lines++
		} else {
			fmt.Fprintf(out, "%s: QEMU %s, qapi %s\n", name, orFine(want), orFine(got))
		}
	}
	fmt.Fprintf(out, "dialect: %s\nverdict: agree %d of %d\nline: agree %d of %d\n",
		dialect, verdicts, len(names), lines, len(names))
	return nil
}

func orFine(place string) string {
	if place == "" {
		return "accepts it"
	}
	return "refuses " + place
}

// dialectOf returns the dialect of a source tree: that of its version or, between two of them, of
// the older one. A tree that does not tell its version is judged by what all of them have in
// common.
func dialectOf(source string) (qapi.Dialect, error) {
	path := filepath.Join(source, "VERSION")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return qapi.Any, nil
	} else if err != nil {
		return 0, err
	}
	version, err := number(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s does not begin with a version: %w", path, err)
	}
	found := qapi.QEMU5_2
	for _, d := range qapi.Dialects() {
		if v, err := number(d.String()); err == nil && v <= version {
			found = d
		}
	}
	return found, nil
}

// number returns a version such as "7.2.50" as a number in which versions compare: 7002.
func number(version string) (int, error) {
	var major, minor int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return 1000*major + minor, err
}

var (
	caseList = regexp.MustCompile(`(?s)schemas = \[(.*?)\]`)
	caseName = regexp.MustCompile(`'([^']+)\.json'`)
)

// caseNames returns the cases that the suite's meson.build lists.
func caseNames(dir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "meson.build"))
	if err != nil {
		return nil, err
	}
	list := caseList.FindSubmatch(text)
	if list == nil {
		return nil, errors.New(dir + "/meson.build lists no schemas")
	}
	var names []string
	for _, m := range caseName.FindAllSubmatch(list[1], -1) {
		names = append(names, string(m[1]))
	}
	return names, nil
}

// message is a line of what QEMU says that tells what is wrong: others tell in what.
var message = regexp.MustCompile(`^(\S+\.json:\d+)(:\d+)?: (.*)`)

// expected returns the place, "file:line", of what QEMU says first; "" when it accepts the case.
// The file is given by its base name, since the two know it by different paths.
func expected(dir, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, name+".err"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		m := message.FindStringSubmatch(line)
		if m != nil && !strings.HasPrefix(m[3], "In ") {
			return filepath.Base(m[1]), nil
		}
	}
	return strings.TrimSpace(string(text)), nil
}

// found returns the place of our first diagnostic.
func found(dir, name string, dialect qapi.Dialect) (string, error) {
	_, err := qapi.Load(filepath.Join(dir, name+".json"), &qapi.Options{Dialect: dialect})
	if err == nil {
		return "", nil
	}
	diagnostics, ok := errors.AsType[qapi.Diagnostics](err)
	if !ok {
		return err.Error(), nil
	}
	pos := diagnostics[0].Pos
	return fmt.Sprintf("%s:%d", filepath.Base(pos.File), pos.Line), nil
}
