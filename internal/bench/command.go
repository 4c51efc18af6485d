package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// goTool returns a go command that runs in a folder.
func goTool(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return cmd
}

// output runs a command and returns what it prints, without blanks around it.
func output(cmd *exec.Cmd) (string, error) {
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	err := execute(cmd)
	return strings.TrimSpace(stdout.String()), err
}

// execute runs a command; the error has what it printed as the reason.
func execute(cmd *exec.Cmd) error {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, &stderr)
	}
	return nil
}

// userTime runs a command and returns the CPU time that it, and the processes it waited for,
// spent in user mode.
func userTime(cmd *exec.Cmd) (time.Duration, error) {
	err := execute(cmd)
	return cmd.ProcessState.UserTime(), err
}

// cpuTime is userTime with the time spent in the system added.
func cpuTime(cmd *exec.Cmd) (time.Duration, error) {
	err := execute(cmd)
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
}
