package vet

import (
	"fmt"
	"go/token"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// A finding is something to report.
type finding struct {
	pos                 token.Pos
	kind, path, message string
}

// use reports a use that the releases of s reach. If a question is being read, it adds to that instead.
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
	last         int // the last line for which it holds: the first one below that has no such comment in the same column
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

// reportAll reports the findings without an allowance, and the allowances that are wrong.
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
