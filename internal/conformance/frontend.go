package main

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed frontend.py
var frontendScript string

// frontend is QEMU's own front end, running.
type frontend struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startFrontend starts the front end of a source tree. Relative paths are seen from dir.
func startFrontend(ctx context.Context, source, dir string) (*frontend, error) {
	scripts, err := filepath.Abs(filepath.Join(source, "scripts"))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "python3", "-c", frontendScript, scripts)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("QEMU's front end needs python3: %w", err)
	}
	return &frontend{cmd, in, bufio.NewReader(out)}, nil
}

// judge returns the place of the first error in the schema whose main file is path, "" if there is
// none. It is not ok if the front end breaks down on it.
func (f *frontend) judge(path string) (place string, ok bool, err error) {
	if _, err := fmt.Fprintln(f.in, path); err != nil {
		return "", false, fmt.Errorf("QEMU's front end has ended: %w", err)
	}
	line, err := f.out.ReadString('\n')
	if err != nil {
		return "", false, fmt.Errorf("QEMU's front end has ended: %w", err)
	}
	place = strings.TrimSuffix(line, "\n")
	return place, !strings.HasPrefix(place, "!"), nil
}

// sort separates the files that QEMU accepts from those that it refuses.
func (f *frontend) sort(files []original) (sound, wrong []original, err error) {
	for _, o := range files {
		place, _, err := f.judge(o.main)
		if err != nil {
			return nil, nil, err
		}
		if place == "" {
			sound = append(sound, o)
		} else {
			wrong = append(wrong, o)
		}
	}
	return sound, wrong, nil
}

func (f *frontend) close() error {
	f.in.Close()
	return f.cmd.Wait()
}
