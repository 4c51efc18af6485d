// Package vet finds things that a program uses and a QEMU in a range of versions lacks: commands, members, values,
// branches and events. It also finds things that the newest QEMU of the range has deprecated or removed.
//
//	qapigen vet -qemu 7.2..11.1 ./...
//
// Analyzer is a [golang.org/x/tools/go/analysis.Analyzer], for go vet -vettool and other checkers.
//
// # How it works
//
// [Bindings] map the Go types of a generated package to the names in the schema. Package facts says which
// release has which thing (releases.go). The analyzer collects the functions and assignments of the package
// (checker.go, function.go, assignment.go) and then follows the control flow of each function (graph.go, run.go). At
// each place it knows two things (flow.go): the releases of QEMU that the program can be connected to there, and
// the possible values of each local variable (value.go, text.go, number.go).
//
// A condition that asks the server makes the set of releases smaller. Such a condition is a guard (guard.go):
// introspect.Schema.Has, qmpschema.Missing (missing.go), a comparison of qmp.Version (version.go), the error of a
// command (error.go), the version that an entry of a table needs (need.go). A use is a place where the program
// needs a thing (statement.go, expr.go, call.go, member.go, event.go, raw.go), or relies on a member that the server
// sends (received.go) without comparing it with nil (look.go). The analyzer reports a use if a release of the
// set lacks the thing (report.go).
//
// A program can keep the answer of a server in fields, maps and results of functions (question.go, result.go). The
// analyzer's facts carry these answers to other packages (answer.go). If a condition depends on an answer and the
// analyzer does not understand the condition, that is a doubt: the analyzer does not report the code that depends
// on it.
//
// The analyzer does not report that a thing depends on a condition of the build (CONFIG_LINUX), or that it is unstable.
package vet

import (
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
