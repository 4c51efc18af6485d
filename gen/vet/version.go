package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"strconv"

	"github.com/qmpkit/qmpkit/qapi/facts"
)

// comparedVersions returns the guard of v.Compare(w) >= 0.
func (c *checker) comparedVersions(call *ast.CallExpr, op token.Token, n int) (guard, bool) {
	if !c.isCall(call, qmpPath, "Compare") || len(call.Args) != 1 {
		return guard{}, false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !c.isVersion(sel.X) {
		return guard{}, false
	}
	sign := 1
	of, with := sel.X, call.Args[0]
	if !c.isServers(of) {
		of, with, sign = with, of, -1
	}
	v, ok := c.version(with, 0)
	if !ok || !c.isServers(of) {
		return guard{}, false
	}
	var g guard
	for result, cmp := range map[int]token.Token{-1: token.LSS, 0: token.EQL, 1: token.GTR} {
		possible := c.compareVersions(v, cmp)
		if holds(result*sign, op, n) {
			g.yes |= possible
		} else {
			g.no |= possible
		}
	}
	g.maybe, g.maybeNot = g.yes, g.no
	return g, true
}

// compareVersions returns the releases with a version that compares so with v.
func (c *checker) compareVersions(v string, op token.Token) state {
	return c.r.where(func(release string) bool {
		for _, micro := range []string{".0", ".1", ".50", ".999"} {
			if holds(facts.Compare(release+micro, v), op, 0) {
				return true
			}
		}
		return op == token.EQL && facts.Release(v) == release
	})
}

// version returns the version that an expression has, such as qmp.Version{Major: 7, Minor: 2}, as "7.2.0".
func (c *checker) version(e ast.Expr, depth int) (string, bool) {
	e = ast.Unparen(e)
	if lit, ok := e.(*ast.CompositeLit); ok && c.isVersion(lit) {
		n := []string{"0", "0", "0"}
		for f := range fieldsOf(lit, structOf(c.pass.TypesInfo.TypeOf(lit))) {
			at, ok := numberOf[f.Name()]
			if !ok {
				continue
			}
			v, ok := c.number(f.value, "0.0", 0)
			if other, _ := c.number(f.value, "1.1", 0); !ok || v != other { // it depends on the server's version
				return "", false
			}
			n[at] = strconv.Itoa(v)
		}
		return n[0] + "." + n[1] + "." + n[2], true
	}
	if obj := c.variable(e); obj != nil && depth < 4 {
		if value := onlyValue(c.defsOf(obj)); value != nil {
			return c.version(value, depth+1)
		}
	}
	if call, ok := e.(*ast.CallExpr); ok && depth < 4 { // v(7, 2)
		if value, bound := c.onlyResult(call); value != nil {
			outer := c.bound
			c.bound = bound
			defer func() { c.bound = outer }()
			return c.version(value, depth+1)
		}
	}
	return "", false
}

// isServers reports whether a version can be that of the server: the program does not write it itself.
func (c *checker) isServers(e ast.Expr) bool {
	_, own := c.version(e, 0)
	return !own
}

func (c *checker) isVersion(e ast.Expr) bool {
	return isNamed(c.pass.TypesInfo.TypeOf(e), qmpPath, "Version")
}

func (c *checker) isVersionType(t types.Type) bool { return isNamed(t, qmpPath, "Version") }

var numberOf = map[string]int{"Major": 0, "Minor": 1, "Micro": 2}

func numbers(release string) (n [3]int) {
	at := 0
	for _, r := range release {
		if r == '.' {
			at++
			continue
		}
		n[at] = n[at]*10 + int(r-'0')
	}
	return n
}
