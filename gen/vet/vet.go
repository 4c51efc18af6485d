// Package vet finds things that a program uses and a QEMU in a range of versions lacks: commands, members, values, branches
// and events. It also finds things that the newest QEMU of the range has deprecated or removed.
//
//	qapigen vet -qemu 7.2..11.1 ./...
//
// Analyzer is a [golang.org/x/tools/go/analysis.Analyzer], for go vet -vettool and other checkers.
//
// # How it works
//
// [Bindings] map the Go types of a generated package to the names in the schema. Package facts says which
// release has which thing. The analyzer walks the control flow graph of each function (flow.go). At each
// place it knows two things: the releases of QEMU that the program can be connected to there, and the
// possible values of each local variable (values.go). A condition that asks the server makes the set of
// releases smaller (guard.go): introspect.Schema.Has, qmpschema.Missing, a comparison of qmp.Version, the
// error of a command (errors.go), the version that an entry of a table needs (needs.go). The analyzer
// reports a use if a release of the set lacks the thing (expr.go, members.go, raw.go).
//
// A program can keep the answer of a server in fields, maps and results of functions (answers.go). The analyzer's facts
// carry these answers to other packages. If a condition depends on an answer and the analyzer does not understand the
// condition, it does not report the code that depends on it.
//
// The analyzer does not report that a thing depends on a condition of the build (CONFIG_LINUX), or that it is unstable.
package vet

import (
	"fmt"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/ctrlflow"
)

// Analyzer reports things that a QEMU in a range lacks. Its flag qemu is the range, such as 7.2..11.1.
var Analyzer = &analysis.Analyzer{
	Name: "qmpvet",
	Doc: `report things that a QEMU in a range of versions lacks

The analyzer reports commands, members, values, branches and events that a QEMU in the range lacks, or that the newest
QEMU of the range has deprecated or removed. It does not report code that asks the server first. The comment

	//qmp:allow PATH reason

silences a report on its line or on the next one.`,
	URL:       "https://pkg.go.dev/github.com/qmpkit/qmpkit/gen/vet",
	Requires:  []*analysis.Analyzer{ctrlflow.Analyzer},
	FactTypes: []analysis.Fact{(*Bindings)(nil), (*answer)(nil)},
	Run:       run,
}

var options struct {
	versions   string
	deprecated bool
	tests      bool
}

func init() {
	Analyzer.Flags.StringVar(&options.versions, "qemu", "", "the `range` of versions, such as 7.2..11.1; if empty, all that are known")
	Analyzer.Flags.BoolVar(&options.deprecated, "deprecated", true, "report what is deprecated in the newest version")
	Analyzer.Flags.BoolVar(&options.tests, "tests", true, "look at tests too")
}

func run(pass *analysis.Pass) (any, error) {
	if b := readBindings(pass); b != nil {
		pass.ExportPackageFact(b)
	}
	c := newChecker(pass)
	servers := map[string]bool{}
	for _, f := range pass.AllPackageFacts() {
		if b, ok := f.Fact.(*Bindings); ok {
			c.bindings[f.Package] = b
			servers[b.Server] = true
		}
	}
	if len(c.bindings) == 0 && !importsQMP(pass.Pkg) {
		return nil, nil
	}
	for _, server := range []string{"qemu", "storage", "guest"} {
		if servers[server] || len(servers) == 0 {
			c.servers = append(c.servers, server)
		}
	}
	var err error
	if c.r, err = parseRange(options.versions); err != nil {
		return nil, err
	}
	for _, f := range pass.Files {
		isTest := strings.HasSuffix(pass.Fset.Position(f.Package).Filename, "_test.go")
		if !isGenerated(f) && (options.tests || !isTest) {
			c.files = append(c.files, f)
		}
	}
	c.collect()
	c.solve()
	c.exports()
	c.reportAll()
	return nil, nil
}

const (
	module     = "github.com/qmpkit/qmpkit/"
	qmpPath    = module + "qmp"
	schemaPath = module + "qmp/qmpschema"
	hasMethods = module + "qmp/introspect"

	testifyPath = "github.com/stretchr/testify/"
)

func importsQMP(pkg *types.Package) bool {
	return slices.ContainsFunc(pkg.Imports(), func(p *types.Package) bool { return p.Path() == qmpPath })
}

// A finding is something to report.
type finding struct {
	pos                 token.Pos
	kind, path, message string
}

// use is called for what the program uses where the releases of s can come.
func (c *checker) use(pos token.Pos, what, server, path string, s state) {
	k := c.r.of(server, path)
	if k == nil {
		return
	}
	if c.asked != nil {
		c.asked.has &= k.has
		c.asked.known = true
		return
	}
	if c.quiet > 0 {
		return
	}
	kind, message := c.r.judge(k, s)
	if kind == "" || kind == Deprecated && (c.reading || !options.deprecated) {
		return
	}
	f := finding{pos, kind, path, fmt.Sprintf("%s (%s): %s", what, path, message)}
	c.found[fmt.Sprint(pos, path)] = f
}

// An allowance is a comment //qmp:allow.
type allowance struct {
	pos          token.Pos
	file         string
	line, column int
	last         int // the line that it reaches: the first one below that has no such comment in the same column
	path, reason string
	used         bool
}

const allowMark = "//qmp:allow"

func (c *checker) allowances() (all []*allowance) {
	for _, f := range c.files {
		for _, g := range f.Comments {
			for _, comment := range g.List {
				text, ok := strings.CutPrefix(comment.Text, allowMark)
				if !ok || text != "" && text[0] != ' ' && text[0] != '\t' {
					continue
				}
				fields := strings.Fields(text)
				at := c.pass.Fset.Position(comment.Pos())
				a := &allowance{pos: comment.Pos(), file: at.Filename, line: at.Line, column: at.Column}
				if len(fields) > 0 {
					a.path, a.reason = fields[0], strings.Join(fields[1:], " ")
				}
				all = append(all, a)
			}
		}
	}
	for i, a := range slices.Backward(all) {
		a.last = a.line + 1
		if i+1 < len(all) && all[i+1].file == a.file && all[i+1].line == a.last && all[i+1].column == a.column {
			a.last = all[i+1].last
		}
	}
	return all
}

// reportAll reports what was found and is not allowed, and allowances that are wrong.
func (c *checker) reportAll() {
	allowed := c.allowances()
	var out []finding
	for _, f := range c.found {
		at := c.pass.Fset.Position(f.pos)
		silent := false
		for _, a := range allowed {
			if a.path == f.path && a.file == at.Filename && a.line <= at.Line && at.Line <= a.last {
				a.used = true
				silent = silent || a.reason != ""
			}
		}
		if !silent {
			out = append(out, f)
		}
	}
	for _, a := range allowed {
		switch {
		case a.path == "" || a.reason == "":
			out = append(out, finding{a.pos, Allow, a.path, allowMark + " wants a path and a reason"})
		case !a.used:
			out = append(out, finding{a.pos, Allow, a.path, fmt.Sprintf("%s %s silences nothing", allowMark, a.path)})
		}
	}
	slices.SortFunc(out, func(a, b finding) int {
		if a.pos != b.pos {
			return int(a.pos - b.pos)
		}
		return strings.Compare(a.path, b.path)
	})
	for _, f := range out {
		c.pass.Report(analysis.Diagnostic{Pos: f.pos, Category: f.kind, Message: f.message})
	}
}
