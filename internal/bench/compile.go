package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const compilationLimit = 5 // × bare structs

// generated is the package that is compiled, a path below the module's.
const generated = "qmp/generated/qemu"

// measureCompilation compares compiling the bindings with compiling their types as bare structs:
// CPU time of the compiler alone, without what the go command does before and after it, which is
// the same for both.
func measureCompilation(ctx context.Context, b *bench) ([]result, error) {
	files, err := filepath.Glob(filepath.Join(b.root, filepath.FromSlash(generated), "*_gen.go"))
	if err != nil {
		return nil, err
	}
	folder, err := b.folder("compile")
	if err != nil {
		return nil, err
	}
	bare, lines, err := writeBare(folder, files)
	if err != nil {
		return nil, err
	}
	c, err := newCompiler(ctx, b, folder)
	if err != nil {
		return nil, err
	}
	times, err := medians(b.rounds(), c.compiling(ctx, files), c.compiling(ctx, bare))
	if err != nil {
		return nil, err
	}
	row := result{
		What:   "compile the bindings, CPU time",
		Detail: fmt.Sprintf("bare structs: %s s, %d lines", number(times[1]), lines),
		Judged: &judged{Value: times[0] / times[1], Unit: "×", Of: "the same types as bare structs", Limit: compilationLimit},
	}
	row.Value, row.Unit = inUnit(times[0])
	return []result{row}, nil
}

// compiler runs Go's compiler as the go command does.
type compiler struct {
	path    string
	imports string // a file that tells where compiled packages are
	out     string
}

func newCompiler(ctx context.Context, b *bench, folder string) (*compiler, error) {
	tools, err := output(goTool(ctx, b.root, "env", "GOTOOLDIR"))
	if err != nil {
		return nil, err
	}
	// The go command compiles all that the bindings need on the way.
	exports, err := output(goTool(ctx, b.root, "list", "-deps", "-export",
		"-f", "{{with .Export}}packagefile {{$.ImportPath}}={{.}}{{end}}", "./"+generated))
	if err != nil {
		return nil, err
	}
	c := &compiler{
		path:    filepath.Join(tools, "compile"),
		imports: filepath.Join(folder, "imports"),
		out:     filepath.Join(folder, "out.a"),
	}
	return c, os.WriteFile(c.imports, []byte(exports+"\n"), 0o666)
}

func (c *compiler) compiling(ctx context.Context, files []string) sample {
	args := append([]string{"-p", "example.org/" + generated, "-lang=go1.26", "-complete", "-pack",
		"-importcfg", c.imports, "-o", c.out}, files...)
	return timed(func() (time.Duration, error) {
		d, err := cpuTime(exec.CommandContext(ctx, c.path, args...))
		if err != nil {
			err = fmt.Errorf("compiling %s: %w", strings.TrimSuffix(files[0], filepath.Base(files[0])), err)
		}
		return d, err
	})
}
