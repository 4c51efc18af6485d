package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// event is what a line of go test -json says, as far as it matters here. See "go doc test2json".
type event struct {
	Action  string
	Package string
	Test    string // "" for what is said of the package
	Output  string
}

// summary counts the tests of a run, and prints while it goes on.
type summary struct {
	w        io.Writer
	output   map[test]*strings.Builder // of tests that have not ended
	passed   int
	failed   []string
	skipped  []string
	failures map[string]int // tests that failed, by package
	proofs   proofs
}

type test struct{ pkg, name string }

func (t test) String() string { return t.pkg + " " + t.name }

func newSummary(w io.Writer) *summary {
	return &summary{w: w, output: map[test]*strings.Builder{}, failures: map[string]int{}, proofs: proofs{}}
}

// read reads events until the end of r. Lines that are no events are printed as they are.
func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				s.add(e)
			} else {
				s.w.Write(line)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) add(e event) {
	switch {
	case e.Action == "build-output":
		fmt.Fprint(s.w, e.Output)
	case e.Test == "":
		s.addPackage(e)
	default:
		s.addTest(test{e.Package, e.Test}, e)
	}
}

func (s *summary) addPackage(e event) {
	switch e.Action {
	case "output":
		if e.Output != "PASS\n" && !strings.HasSuffix(e.Output, "[no test files]\n") {
			fmt.Fprint(s.w, e.Output)
		}
	case "fail":
		s.endUnfinished(e.Package)
		if s.failures[e.Package] == 0 {
			s.failed = append(s.failed, e.Package)
		}
	}
}

func (s *summary) addTest(t test, e event) {
	switch e.Action {
	case "output":
		if s.output[t] == nil {
			s.output[t] = new(strings.Builder)
		}
		s.output[t].WriteString(e.Output)
	case "pass":
		s.passed++
		s.proofs.add(t.name, "")
		s.end(t)
	case "skip":
		why := reason(s.end(t))
		s.proofs.add(t.name, why)
		s.skipped = append(s.skipped, t.String()+": "+why)
	case "fail":
		s.fail(t)
	}
}

// end returns what a test wrote.
func (s *summary) end(t test) string {
	output := s.output[t]
	delete(s.output, t)
	if output == nil {
		return ""
	}
	return output.String()
}

func (s *summary) fail(t test) {
	fmt.Fprint(s.w, s.end(t))
	s.failed = append(s.failed, t.String())
	s.failures[t.pkg]++
}

// endUnfinished ends the tests that a package was in when it failed: by a timeout or os.Exit.
func (s *summary) endUnfinished(pkg string) {
	var unfinished []test
	for t := range s.output {
		if t.pkg == pkg {
			unfinished = append(unfinished, t)
		}
	}
	slices.SortFunc(unfinished, func(a, b test) int { return strings.Compare(a.name, b.name) })
	for _, t := range unfinished {
		s.fail(t)
	}
}

var logged = regexp.MustCompile(`(?m)^\s+\S+\.go:\d+: (.*)$`)

// reason is the last thing that a skipped test logged.
func reason(output string) string {
	lines := logged.FindAllStringSubmatch(output, -1)
	if len(lines) == 0 {
		return "no reason given"
	}
	return lines[len(lines)-1][1]
}

func (s *summary) print() {
	s.list("Skipped", s.skipped)
	s.list("Failed", s.failed)
	fmt.Fprintf(s.w, "\n%d passed, %d failed, %d skipped\n", s.passed, len(s.failed), len(s.skipped))
}

func (s *summary) list(title string, items []string) {
	if len(items) > 0 {
		fmt.Fprintf(s.w, "\n%s:\n  %s\n", title, strings.Join(items, "\n  "))
	}
}
