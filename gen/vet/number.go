package vet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// number returns the integer value of an expression if the server has this release (9.1) or version (9.1.0).
func (c *checker) number(e ast.Expr, release string, depth int) (int, bool) {
	e = ast.Unparen(e)
	if v := c.pass.TypesInfo.Types[e].Value; v != nil {
		if v.Kind() != constant.Int {
			return 0, false
		}
		n, ok := constant.Int64Val(v)
		return int(n), ok
	}
	if depth > 6 {
		return 0, false
	}
	switch n := e.(type) {
	case *ast.CallExpr:
		if c.pass.TypesInfo.Types[n.Fun].IsType() && len(n.Args) == 1 {
			return c.number(n.Args[0], release, depth+1)
		}
		return c.returned(n, release, depth)
	case *ast.BinaryExpr:
		x, ok := c.number(n.X, release, depth+1)
		y, ok2 := c.number(n.Y, release, depth+1)
		if !ok || !ok2 {
			return 0, false
		}
		switch n.Op {
		case token.ADD:
			return x + y, true
		case token.SUB:
			return x - y, true
		case token.MUL:
			return x * y, true
		case token.SHL:
			if y >= 0 && y < 32 {
				return x << y, true
			}
		case token.OR:
			return x | y, true
		}
	case *ast.SelectorExpr:
		if c.isVersion(n.X) {
			if v, ok := c.version(n.X, 0); ok {
				return numbers(v)[numberOf[n.Sel.Name]], n.Sel.Name != "Package"
			}
			if at, ok := numberOf[n.Sel.Name]; ok && at <= strings.Count(release, ".") && c.isServers(n.X) {
				return numbers(release)[at], true
			}
			return 0, false
		}
		return c.storedNumber(n, release, depth)
	case *ast.Ident:
		return c.storedNumber(n, release, depth)
	}
	return 0, false
}

// returned returns the only integer that a function of the package can return for a release.
func (c *checker) returned(call *ast.CallExpr, release string, depth int) (found int, ok bool) {
	if value, bound := c.onlyResult(call); value != nil {
		outer := c.bound
		c.bound = bound
		defer func() { c.bound = outer }()
		return c.number(value, release, depth+1)
	}
	fn := c.function(call)
	i := slices.IndexFunc(c.r.names, func(name string) bool { return strings.HasPrefix(release+".", name+".") })
	if fn == nil || i < 0 || fn.inlined || c.inlining > 3 {
		return 0, false
	}
	if fn.numbers == nil {
		outer := c.numbering
		c.numbering, fn.numbers, fn.numbered = fn, map[int]state{}, true
		c.evaluate(fn, map[*types.Var]*def{})
		c.numbering = outer
	}
	for value, s := range fn.numbers {
		if s>>i&1 != 0 {
			if ok {
				return 0, false
			}
			found, ok = value, true
		}
	}
	return found, ok && fn.numbered
}

// storedNumber returns the integer that the only assignment gives a variable.
func (c *checker) storedNumber(e ast.Expr, release string, depth int) (int, bool) {
	v, ok := c.variable(e).(*types.Var)
	if !ok || c.visitingVar[v] {
		return 0, false
	}
	c.visitingVar[v] = true
	defer delete(c.visitingVar, v)
	value := onlyValue(c.defsOf(v))
	if value == nil {
		return 0, false
	}
	return c.number(value, release, depth+1)
}
