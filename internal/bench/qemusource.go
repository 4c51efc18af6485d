package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// sourceVariable names a QEMU source tree.
const sourceVariable = "QEMU_SRC"

// qemuSource is a QEMU source tree whose own generator can be run.
type qemuSource struct {
	folder  string
	version string
	python  string
	cache   string // for what python compiles: the tree stays as it is
}

// findSource returns the tree that QEMU_SRC names, nil when it is not set.
func findSource(ctx context.Context, b *bench) (*qemuSource, error) {
	folder := os.Getenv(sourceVariable)
	if folder == "" {
		return nil, nil
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	s := &qemuSource{folder: folder, version: "of an unknown version"}
	for _, path := range []string{s.generator(), s.schema()} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%s is no QEMU source tree: %w", sourceVariable, err)
		}
	}
	if version, err := os.ReadFile(filepath.Join(folder, "VERSION")); err == nil {
		s.version = strings.TrimSpace(string(version))
	}
	if s.cache, err = b.folder("python"); err != nil {
		return nil, err
	}
	// The python behind a wrapper in the PATH, whose own time is not to count.
	s.python, err = output(exec.CommandContext(ctx, "python3", "-c", "import sys; print(sys.executable)"))
	if err != nil {
		return nil, fmt.Errorf("%s is set, which needs python3: %w", sourceVariable, err)
	}
	return s, nil
}

func (s *qemuSource) generator() string { return filepath.Join(s.folder, "scripts", "qapi-gen.py") }
func (s *qemuSource) schema() string    { return filepath.Join(s.folder, "qapi", "qapi-schema.json") }

// command returns a command that python runs.
func (s *qemuSource) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.python, args...)
	cmd.Env = append(os.Environ(), "PYTHONPYCACHEPREFIX="+s.cache)
	return cmd
}
