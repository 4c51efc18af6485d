package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// schemas is the folder of the schemas, from the module's root, and up the way there from a
// package.
const (
	schemas = "testdata/schema"
	up      = "../../../" + schemas
)

// A recipe holds the inputs of a committed package: the source of a QEMU, and the answers of newer servers
// that are joined with it. The go:generate lines of the package have the recipe. They also have all other
// captured answers: members that those servers do not send are optional.
type recipe struct {
	pkg     string // "qemu"
	main    string // the schema's main file in the folder of a version
	source  string // the version: "10.2"
	answers []string
}

// packages are the committed packages, with the main files of their schemas.
var packages = []recipe{
	{pkg: "qemu", main: "qapi/qapi-schema.json"},
	{pkg: "storage", main: "storage-daemon/qapi/qapi-schema.json"},
	{pkg: "guest", main: "qga/qapi-schema.json"},
}

var (
	sourceInLine = regexp.MustCompile(`-schema ` + regexp.QuoteMeta(up) + `/([0-9.]+)/`)
	answerInLine = regexp.MustCompile(` ` + regexp.QuoteMeta(up) + `/captured/([0-9.]+)/[a-z]+\.json\n`)
)

// readRecipes reads the go:generate lines.
func (u *update) readRecipes() error {
	for _, r := range packages {
		text, err := os.ReadFile(u.path("qmp/generated", r.pkg, "generate.go"))
		if err != nil {
			return err
		}
		source := sourceInLine.FindSubmatch(text)
		if source == nil {
			return fmt.Errorf("qmp/generated/%s/generate.go has no go:generate line with -schema %s/VERSION", r.pkg, up)
		}
		r.source = string(source[1])
		for _, answer := range answerInLine.FindAllSubmatch(text, -1) {
			r.answers = append(r.answers, string(answer[1]))
		}
		u.recipes = append(u.recipes, &r)
	}
	return nil
}

// newest returns the version of the newest schema in the package.
func (r *recipe) newest() string {
	if n := len(r.answers); n > 0 {
		return r.answers[n-1]
	}
	return r.source
}

// answer adds the answer of a version. Answers are joined in the order of their versions.
func (r *recipe) answer(version string) {
	if !slices.Contains(r.answers, version) {
		r.answers = append(r.answers, version)
		slices.SortFunc(r.answers, compareVersions)
	}
}

// lines returns qapigen's arguments, a line each.
func (u *update) lines(r *recipe) (lines [][]string) {
	from := r.source
	for _, version := range r.answers {
		args := []string{"join", "-schema", path.Join(up, from, r.main)}
		overrides := path.Join("captured", version, r.pkg+".overrides")
		if _, err := os.Stat(u.path(schemas, overrides)); err == nil {
			args = append(args, "-overrides", path.Join(up, overrides))
		}
		lines = append(lines, append(args, "-out", path.Join(up, version), path.Join(up, "captured", version, r.pkg+".json")))
		from = version
	}
	args := []string{"generate", "-schema", path.Join(up, from, r.main)}
	for _, version := range u.captured(r) {
		if !slices.Contains(r.answers, version) {
			args = append(args, "-also", path.Join(up, "captured", version, r.pkg+".json"))
		}
	}
	return append(lines, append(args, "-package", r.pkg, "-out", "."))
}

// captured returns the versions with a captured answer for a package, the oldest first.
func (u *update) captured(r *recipe) (versions []string) {
	answers, _ := filepath.Glob(u.path(schemas, "captured", "*", r.pkg+".json"))
	for _, answer := range answers {
		versions = append(versions, filepath.Base(filepath.Dir(answer)))
	}
	slices.SortFunc(versions, compareVersions)
	return versions
}

// writeRecipes writes the go:generate lines, and what other packages know of them.
func (u *update) writeRecipes() error {
	var newest strings.Builder
	for _, r := range u.recipes {
		text := "package " + r.pkg + "\n\n"
		for _, args := range u.lines(r) {
			text += "//go:generate go tool qapigen " + strings.Join(args, " ") + "\n"
		}
		if err := writeFile(u.path("qmp/generated", r.pkg, "generate.go"), []byte(text)); err != nil {
			return err
		}
		name := map[string]string{"qemu": "QEMU", "storage": "Storage", "guest": "Guest"}[r.pkg]
		fmt.Fprintf(&newest, "\tNewest%-7s = %q + %s\n", name, r.newest()+"/", name)
	}
	text := fmt.Sprintf(newestFile, u.recipes[0].newest(), newest.String())
	return writeFile(u.path(schemas, "newest.go"), []byte(text))
}

// newestFile is the text of testdata/schema/newest.go without the versions.
const newestFile = `package schema

// Newest is the version of QEMU that the committed packages are up to.
const Newest = %q

// The main files, in FS, of the schemas that the committed packages are generated from. make update
// writes these lines.
const (
%s)
`

// regenerate runs the go:generate lines. The error about a conflict has the file for the rows.
func (u *update) regenerate() error {
	for _, r := range u.recipes {
		for _, args := range u.lines(r) {
			if _, _, err := u.run(u.path("qmp/generated", r.pkg), args...); err != nil {
				return withFile(err, r.pkg, args)
			}
		}
	}
	return nil
}

// withFile adds to the error of a join the file that the rows belong in.
func withFile(err error, pkg string, args []string) error {
	if args[0] != "join" || !strings.Contains(err.Error(), "overrides") {
		return err
	}
	answer := path.Clean(strings.TrimPrefix(args[len(args)-1], "../../../"))
	return fmt.Errorf("%w\nThe rows for package %s are in %s.overrides: change them there, and run this again. Nothing was written",
		err, pkg, strings.TrimSuffix(answer, ".json"))
}

// facts adds to the tables of facts the source of each package, and all captured answers of versions
// without a source. It leaves other sources in the tables as they are.
func (u *update) facts() error {
	for _, r := range u.recipes {
		table := u.path("qapi/facts/data", r.pkg+".facts")
		args := []string{"facts", "-from", table, "-out", table, u.path(schemas, r.source, r.main)}
		for _, version := range u.captured(r) {
			known, err := u.hasSource(table, version)
			if err != nil {
				return err
			}
			if !known && version != r.source {
				args = append(args, u.path(schemas, "captured", version, r.pkg+".json"))
			}
		}
		if _, _, err := u.run(u.root, args...); err != nil {
			return err
		}
	}
	return nil
}

// hasSource reports whether a table has the source of a version, which has more facts than an answer.
func (u *update) hasSource(table, version string) (bool, error) {
	text, err := os.ReadFile(table)
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(text)) {
		if sources, ok := strings.CutPrefix(line, "sources "); ok {
			return slices.Contains(strings.Fields(sources), version), nil
		}
	}
	return false, nil
}
