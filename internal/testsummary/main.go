// Testsummary runs go test with its arguments and adds a summary: the tests that were skipped, with their
// reasons, the tests that failed, and the number of each.
//
//	go run ./internal/testsummary -count=1 ./...
//
//	ok  	github.com/qmpkit/qmpkit/qmp	1.021s
//	…
//	254 passed, 0 failed, 1 skipped
//
// With "-table FILE" before the arguments it also fills in the tables of that document (table.go), unless a test
// failed. Rows with tests that did not run stay as they are.
//
// Subtests count like tests. A package that fails without a failed test, for example because it does not compile,
// counts like a test. The exit status is go test's.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
		os.Exit(1)
	}
}

// run returns an [exec.ExitError] if go test failed.
func run(args []string, stdout, stderr io.Writer) error {
	table := ""
	if len(args) > 1 && args[0] == "-table" {
		table, args = args[1], args[2:]
	}
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s := &summary{w: stdout, output: map[string][]byte{}, proofs: proofs{}}
	readErr := s.read(events)
	err = cmd.Wait()
	s.print()
	if err := errors.Join(readErr, err); err != nil || table == "" {
		return err
	}
	return s.proofs.update(table)
}

// event is a line of go test -json. "go doc test2json" has more.
type event struct {
	Action  string
	Package string
	Test    string // "" for what is said of the package
	Output  string
}

// summary counts the tests of a run. While the run goes on, it prints what go test would print.
type summary struct {
	w       io.Writer
	output  map[string][]byte // of tests that have not ended; tests are named "PACKAGE TEST"
	passed  int
	failed  []string
	skipped []string
	proofs  proofs
}

// read reads events until the end of r. It prints lines that are not events as they are.
func (s *summary) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Action != "" {
			s.add(e)
		} else {
			fmt.Fprintf(s.w, "%s\n", lines.Bytes())
		}
	}
	return lines.Err()
}

func (s *summary) add(e event) {
	test := e.Package + " " + e.Test
	switch {
	case e.Action == "build-output":
		fmt.Fprint(s.w, e.Output)
	case e.Test == "":
		s.addPackage(e)
	case e.Action == "output":
		s.output[test] = append(s.output[test], e.Output...)
	case e.Action == "pass":
		s.passed++
		s.proofs.add(e.Test, "")
		delete(s.output, test)
	case e.Action == "skip":
		why := reason(s.output[test])
		s.skipped = append(s.skipped, test+": "+why)
		s.proofs.add(e.Test, why)
		delete(s.output, test)
	case e.Action == "fail":
		s.fail(test)
	}
}

func (s *summary) addPackage(e event) {
	switch e.Action {
	case "output":
		if e.Output != "PASS\n" && !strings.HasSuffix(e.Output, "[no test files]\n") {
			fmt.Fprint(s.w, e.Output)
		}
	case "fail":
		of := func(test string) bool { return strings.HasPrefix(test, e.Package+" ") }
		for _, test := range slices.Sorted(maps.Keys(s.output)) {
			if of(test) { // it has not ended: a timeout, os.Exit
				s.fail(test)
			}
		}
		if !slices.ContainsFunc(s.failed, of) {
			s.failed = append(s.failed, e.Package)
		}
	}
}

func (s *summary) fail(test string) {
	fmt.Fprintf(s.w, "%s", s.output[test])
	s.failed = append(s.failed, test)
	delete(s.output, test)
}

var logged = regexp.MustCompile(`(?m)^\s+\S+\.go:\d+: (.*)$`)

// reason returns the last thing that a skipped test logged.
func reason(output []byte) string {
	lines := logged.FindAllSubmatch(output, -1)
	if len(lines) == 0 {
		return "no reason given"
	}
	return string(lines[len(lines)-1][1])
}

func (s *summary) print() {
	for _, list := range []struct {
		title string
		tests []string
	}{{"Skipped", s.skipped}, {"Failed", s.failed}} {
		if len(list.tests) > 0 {
			fmt.Fprintf(s.w, "\n%s:\n  %s\n", list.title, strings.Join(list.tests, "\n  "))
		}
	}
	fmt.Fprintf(s.w, "\n%d passed, %d failed, %d skipped\n", s.passed, len(s.failed), len(s.skipped))
}
