// Testsummary runs go test with its arguments and prints, of what the tests wrote, only what
// those that failed wrote; then which were skipped and why, which failed, and how many:
//
//	go run ./internal/testsummary -count=1 ./...
//
//	ok  	github.com/qmpkit/qmpkit/qmp	1.021s
//	…
//	254 passed, 0 failed, 1 skipped
//
// With "-table FILE" before the arguments it writes into the tables of that document on which
// QEMUs the tests passed that they name (table.go), unless a test failed.
//
// Subtests count like tests, and a package that fails by itself (it does not compile, say) like
// one. The exit status is go test's.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	table := ""
	if len(args) > 0 && args[0] == "-table" {
		if len(args) == 1 {
			return fail(stderr, errors.New("-table needs a file"))
		}
		table, args = args[1], args[2:]
	}
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return fail(stderr, err)
	}
	if err := cmd.Start(); err != nil {
		return fail(stderr, err)
	}
	s := newSummary(stdout)
	readErr := s.read(events)
	err = cmd.Wait()
	s.print()
	if readErr != nil {
		return fail(stderr, readErr)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return exit.ExitCode()
	}
	if err != nil {
		return fail(stderr, err)
	}
	if table != "" {
		if err := s.proofs.update(table); err != nil {
			return fail(stderr, err)
		}
	}
	return 0
}

func fail(stderr io.Writer, err error) int {
	fmt.Fprintln(stderr, "testsummary:", err)
	return 1
}
