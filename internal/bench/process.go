package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
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

// execute runs a command. The error has what the command printed as the reason.
func execute(cmd *exec.Cmd) error {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, &stderr)
	}
	return nil
}

// A place is the process in which a measurement runs.
type place int

const (
	here   place = iota
	alone        // in a process that does nothing else
	oneCPU       // the same, on one CPU: changing threads costs least there, and figures vary least
)

// errNoPlace matches the error of a measurement that this system cannot run.
var errNoPlace = errors.New("cannot be measured here")

// measure runs a measurement there.
func (p place) measure(b *bench, m measurement) error {
	if p == here {
		return b.measure(m.run)
	}
	return b.measure(func(b *bench) {
		cmd := child(b.ctx, "-quick="+strconv.FormatBool(b.quick), m.name)
		if p == oneCPU {
			cmd.Args = confined(b.ctx, cmd.Args)
			cmd.Path = cmd.Args[0]
		}
		cmd.Env = append(cmd.Env, "TMPDIR="+b.temp) // its files go with b's
		fmt.Fprintln(b.out, must(output(cmd)))
	})
}

// confined returns a command that runs another one on the last CPU that this process may use: the first
// ones tend to have more of the system's own work.
func confined(ctx context.Context, args []string) []string {
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		check(fmt.Errorf("%w: cannot be confined to one CPU: %w", errNoPlace, err))
	}
	cpus := must(output(exec.CommandContext(ctx, taskset, "-cp", strconv.Itoa(os.Getpid()))))
	last := regexp.MustCompile(`\d+$`).FindString(cpus)
	return append([]string{taskset, "-c", last}, args...)
}

// childVariable is set for a child. A test's program needs it too, to see that it is one.
const childVariable = "QMPKIT_BENCH_CHILD"

func isChild() bool { return os.Getenv(childVariable) != "" }

// child returns a command that runs this program with other arguments. It ends when this process ends,
// because its standard input then ends.
func child(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, must(os.Executable()), args...)
	cmd.Env = append(os.Environ(), childVariable+"=1")
	must(cmd.StdinPipe())
	return cmd
}

func exitWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}
