package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/qmpkit/qmpkit/gen/vet"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

// isVetTool reports whether go vet calls qapigen as its tool: go vet -vettool=qapigen.
func isVetTool(args []string) bool {
	return len(args) > 0 && (args[0] == "-V=full" || args[0] == "-flags" || strings.HasSuffix(args[len(args)-1], ".cfg"))
}

// vetTool answers go vet, and ends the process.
func vetTool() {
	for _, name := range []string{"qemu", "deprecated", "tests"} {
		f := vet.Analyzer.Flags.Lookup(name)
		flag.Var(f.Value, name, f.Usage)
	}
	unitchecker.Main(vet.Analyzer)
}

// newVet makes the subcommand that reports things that a program uses and a QEMU in a range lacks.
func newVet() *cobra.Command {
	var versions, tags string
	var asJSON, tests bool
	deprecated := true
	cmd := &cobra.Command{
		Use:   "vet [-json] [-deprecated=false] [-tests=false] [-tags LIST] -qemu FIRST..LAST [PACKAGE]...",
		Short: "report things that a Go program uses and a QEMU in a range lacks",
		Long: `Vet reports things that a Go program uses and a QEMU in the range lacks: commands, members, values
and branches that the program sends, and events that it subscribes to. If the program reads a member
of a result and an older QEMU in the range does not send it, vet reports the member. It also reports
things that are deprecated or removed in LAST.

Vet does not report code that runs only after a check: Has of a server's schema, Missing, a
comparison of the version, or an error that matches errors.ErrUnsupported. If vet does not
understand such a check, it does not report the code that depends on it. The comment

  //qmp:allow PATH reason

silences a report on its line or on the next one.

PACKAGE is a package or a pattern of the go command (default ./...). Vet runs go vet,
which also takes qapigen as its tool: go vet -vettool=$(go tool -n qapigen) -qemu=7.2..11.1 ./...

The exit status is 0 if nothing is reported, 1 if something is, and 2 if a package does not build
or the command line cannot be understood. go vet -vettool exits with 1 in both cases.`,
		Example: `  qapigen vet -qemu 7.2..11.1 ./...
  qapigen vet -qemu 5.2..11.1 -deprecated=false -json ./internal/vm`,
		RunE: func(cmd *cobra.Command, args []string) error {
			first, last, err := parseRange(versions)
			if err != nil {
				return err
			}
			if err := vet.CheckRange(versions); err != nil {
				return &usageError{err.Error()}
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{"./..."}
			}
			flags := []string{"vet", "-vettool=" + self, "-json", "-qemu=" + first + ".." + last, fmt.Sprintf("-deprecated=%t", deprecated)}
			if !tests {
				flags = append(flags, "-tests=false")
			}
			if tags != "" {
				flags = append(flags, "-tags="+tags)
			}
			return runVet(cmd, append(append(flags, "--"), args...), asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&versions, "qemu", "", "the range of `VERSIONS`, such as 7.2..11.1")
	flags.BoolVar(&deprecated, "deprecated", true, "also report what is deprecated in LAST")
	flags.BoolVar(&tests, "tests", true, "also check tests")
	flags.StringVar(&tags, "tags", "", "the `LIST` of build tags, with commas")
	flags.BoolVar(&asJSON, "json", false, "print an array of objects")
	cobra.CheckErr(cmd.MarkFlagRequired("qemu"))
	return cmd
}

// runVet runs go vet and prints what it found. Go vet itself ends with 1 for a mistake as for a package that it
// cannot check, so runVet takes what it found as JSON.
func runVet(cmd *cobra.Command, args []string, asJSON bool) error {
	var stdout, stderr bytes.Buffer
	run := exec.CommandContext(cmd.Context(), "go", args...)
	run.Stdout, run.Stderr = &stdout, &stderr
	failed := run.Run()
	if _, ok := errors.AsType[*exec.ExitError](failed); failed != nil && !ok {
		return &failure{fmt.Errorf("vet: %w", failed), exitFailed}
	}
	found, rest, err := readFindings(io.MultiReader(&stdout, &stderr))
	if err != nil {
		return &failure{fmt.Errorf("vet: %w", err), exitFailed}
	}
	io.WriteString(cmd.ErrOrStderr(), rest)
	if asJSON {
		if err := writeJSON(cmd.OutOrStdout(), found); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", f.Position, f.Message)
		}
	}
	switch {
	case failed != nil:
		return &failure{nil, exitFailed}
	case len(found) > 0:
		return &failure{nil, exitFailure}
	}
	return nil
}

// A vetFinding is an object that vet -json prints.
type vetFinding struct {
	Position   string `json:"position"`
	Path       string `json:"path,omitempty"`
	Kind       string `json:"kind"`
	Since      string `json:"since,omitempty"`
	Removed    string `json:"removed,omitempty"`
	Deprecated string `json:"deprecated,omitempty"`
	Use        string `json:"use,omitempty"`
	Message    string `json:"message"`
}

var (
	positionPattern = regexp.MustCompile(`^(.*):([0-9]+):([0-9]+)$`)
	pathPattern     = regexp.MustCompile(`^.*? \(([^()"]+)\): `)
)

// readFindings reads what go vet -json prints: an object for each package, between lines of comment. What is
// neither is the rest.
func readFindings(r io.Reader) (found []vetFinding, rest string, err error) {
	var objects, other strings.Builder
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<24)
	inside := false
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "{" || inside || line == "{}":
			objects.WriteString(line + "\n")
			inside = line != "}" && line != "{}"
		case !strings.HasPrefix(line, "# "):
			other.WriteString(line + "\n")
		}
	}
	if err := lines.Err(); err != nil {
		return nil, "", err
	}
	found = []vetFinding{}
	told := map[vetFinding]bool{}
	for d := json.NewDecoder(strings.NewReader(objects.String())); ; {
		var packages map[string]map[string]json.RawMessage
		if err := d.Decode(&packages); err == io.EOF {
			break
		} else if err != nil {
			return nil, "", err
		}
		for _, analyzers := range packages {
			for _, text := range analyzers {
				var diagnostics []struct{ Category, Posn, Message string }
				if err := json.Unmarshal(text, &diagnostics); err != nil {
					other.Write(text)
					continue
				}
				for _, d := range diagnostics {
					f := vetFinding{Position: relative(d.Posn), Kind: d.Category, Message: d.Message}
					f.facts()
					if !told[f] {
						told[f] = true
						found = append(found, f)
					}
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b vetFinding) int {
		return cmp.Or(comparePositions(a.Position, b.Position), strings.Compare(a.Message, b.Message))
	})
	return found, other.String(), nil
}

// comparePositions compares file:line:column.
func comparePositions(a, b string) int {
	x, y := positionPattern.FindStringSubmatch(a), positionPattern.FindStringSubmatch(b)
	if x == nil || y == nil {
		return strings.Compare(a, b)
	}
	number := func(text string) int { n, _ := strconv.Atoi(text); return n }
	return cmp.Or(strings.Compare(x[1], y[1]), cmp.Compare(number(x[2]), number(y[2])), cmp.Compare(number(x[3]), number(y[3])))
}

// relative is a position as go vet prints it without -json: a file below the working directory is relative to it.
func relative(position string) string {
	dir, err := os.Getwd()
	if err != nil {
		return position
	}
	if below, ok := strings.CutPrefix(position, dir+string(os.PathSeparator)); ok {
		return below
	}
	return position
}

// facts fills in what is known of the path.
func (f *vetFinding) facts() {
	m := pathPattern.FindStringSubmatch(f.Message)
	if m == nil {
		return
	}
	f.Path = m[1]
	for _, t := range []*facts.Table{facts.QEMU(), facts.Storage(), facts.Guest()} {
		if fact, err := t.Fact(f.Path); err == nil && fact != nil {
			f.Since, f.Removed, f.Use = fact.Since.Release, fact.Removed.Release, fact.Use
			if fact.Deprecated != nil {
				f.Deprecated = fact.Deprecated.Release
			}
			return
		}
	}
}
