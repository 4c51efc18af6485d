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

// runSuite judges all cases of the tree's test suite.
func runSuite(source string, out io.Writer) error {
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
// the older one. A tree without a version is checked by the rules that all dialects have in common.
func dialectOf(source string) (qapi.Dialect, error) {
	path := filepath.Join(source, "VERSION")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return qapi.DialectAny, nil
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

// message is a line of QEMU's output with an error. Other lines say in which definition it is.
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
