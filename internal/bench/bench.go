package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// bench is what measurements work with.
type bench struct {
	quick bool
	root  string // the module's folder
	temp  string // for files, gone after the run

	sockets int // that were made
}

func newBench(ctx context.Context, quick bool) (*bench, error) {
	mod, err := output(goTool(ctx, ".", "env", "GOMOD"))
	if err != nil {
		return nil, err
	}
	if filepath.Base(mod) != "go.mod" {
		return nil, errors.New("to be run inside of the module")
	}
	temp, err := os.MkdirTemp("", "qmpkit-bench")
	if err != nil {
		return nil, err
	}
	return &bench{quick: quick, root: filepath.Dir(mod), temp: temp}, nil
}

func (b *bench) close() { _ = os.RemoveAll(b.temp) }

// folder makes a folder for a measurement's files.
func (b *bench) folder(name string) (string, error) {
	path := filepath.Join(b.temp, name)
	return path, os.MkdirAll(path, 0o777)
}

// snapshot returns the path of a file of the committed schema.
func (b *bench) snapshot(name string) string {
	return filepath.Join(b.root, "testdata", "schema", "10.2", filepath.FromSlash(name))
}

// snapshotVersion is the QEMU version that the committed schema is of.
func (b *bench) snapshotVersion() (string, error) {
	version, err := os.ReadFile(b.snapshot("VERSION"))
	return strings.TrimSpace(string(version)), err
}

// rounds is how often something is measured that takes some seconds.
func (b *bench) rounds() int {
	if b.quick {
		return 1
	}
	return 7
}
