package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
)

// original is a file that mutants are made of.
type original struct {
	path string
	main string // of the schema that it belongs to
	text string
}

// runMutants judges mutants.
func runMutants(ctx context.Context, source string, n int, seed uint64, out io.Writer) (err error) {
	dialect, err := dialectOf(source)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	small, large, err := copyOriginals(source, dir)
	if err != nil {
		return err
	}
	qemu, err := startFrontend(ctx, source, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, qemu.close()) }()

	sound, wrong, err := qemu.sort(small)
	if err != nil {
		return err
	}
	if sound == nil || wrong == nil {
		return errors.New("mutants need schemas that QEMU accepts and schemas that it refuses; " + source + " does not have both")
	}
	j := &judges{dir: dir, dialect: dialect, qemu: qemu, out: out}
	m := mutator{rand.New(rand.NewPCG(seed, 0))}
	for range n {
		from := sound
		switch m.IntN(20) {
		case 0:
			from = large // they take their time
		case 1, 2, 3, 4, 5:
			from = wrong
		}
		o := from[m.IntN(len(from))]
		if err := j.judge(o, m.mutate(o.text)); err != nil {
			return err
		}
	}
	j.report()
	return nil
}

// copyOriginals copies the schemas of a source tree to dir: the cases of the suite and the guest
// agent's schema, which are small, and QEMU's.
func copyOriginals(source, dir string) (small, large []original, err error) {
	for _, folder := range []string{filepath.Join("tests", "qapi-schema"), "qga", "qapi"} {
		files, err := copySchemas(source, dir, folder)
		if err != nil {
			return nil, nil, err
		}
		for _, o := range files {
			if folder == "qapi" {
				o.main = filepath.Join(folder, "qapi-schema.json")
				large = append(large, o)
			} else {
				small = append(small, o)
			}
		}
	}
	return small, large, nil
}

// copySchemas copies the schema files of a folder.
func copySchemas(source, dir, folder string) (files []original, err error) {
	err = filepath.WalkDir(filepath.Join(source, folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		files = append(files, original{path: name, main: name, text: string(text)})
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o600)
	})
	if err == nil && len(files) == 0 {
		err = errors.New(filepath.Join(source, folder) + " has no schemas")
	}
	return files, err
}

// judges lets QEMU and us judge, and counts.
type judges struct {
	dir     string // where relative paths are seen from
	dialect qapi.Dialect
	qemu    *frontend
	out     io.Writer

	judged, accepted, broken int
	verdicts, lines, columns int
}

// judge judges a file with another text in its place.
func (j *judges) judge(o original, text string) error {
	path := filepath.Join(j.dir, o.path)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	want, ok, err := j.qemu.judge(o.main)
	if err != nil {
		return err
	}
	got := j.ours(o.main)
	if err := os.WriteFile(path, []byte(o.text), 0o600); err != nil {
		return err
	}
	switch {
	case ok:
		j.count(want, got)
	case got == "":
		fmt.Fprintf(j.out, "%s: QEMU breaks down (%s), qapi accepts it\n", o.path, want)
	default:
		j.broken++
	}
	if ok && want != got {
		fmt.Fprintf(j.out, "%s: QEMU %s, qapi %s:\n%s\n", o.path, orFine(want), orFine(got), diffLine(o.text, text))
	}
	return nil
}

// ours returns the place of our first diagnostic.
func (j *judges) ours(main string) string {
	_, err := qapi.LoadFS(os.DirFS(j.dir), filepath.ToSlash(main), &qapi.Options{Dialect: j.dialect})
	if err == nil {
		return ""
	}
	if diagnostics, ok := errors.AsType[qapi.Diagnostics](err); ok {
		return diagnostics[0].Pos.String()
	}
	return err.Error()
}

func (j *judges) count(want, got string) {
	j.judged++
	if want == "" {
		j.accepted++
	}
	if (want == "") == (got == "") {
		j.verdicts++
	}
	if lineOf(want) == lineOf(got) {
		j.lines++
	}
	if want == got {
		j.columns++
	}
}

func (j *judges) report() {
	fmt.Fprintf(j.out, "dialect: %s\nQEMU accepts %d of %d mutants and breaks down on %d others, which qapi refuses\n",
		j.dialect, j.accepted, j.judged, j.broken)
	fmt.Fprintf(j.out, "verdict: agree %d of %d\nline: agree %d of %d\ncolumn: agree %d of %d\n",
		j.verdicts, j.judged, j.lines, j.judged, j.columns, j.judged)
}

// lineOf returns a place without its column.
func lineOf(place string) string {
	parts := strings.SplitN(place, ":", 3)
	return strings.Join(parts[:min(len(parts), 2)], ":")
}

// diffLine returns the first line in which two texts differ, of both.
func diffLine(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	i := 0
	for i < len(as)-1 && i < len(bs)-1 && as[i] == bs[i] {
		i++
	}
	return fmt.Sprintf("  line %d was:    %q\n          is now: %q", i+1, as[i], bs[i])
}
