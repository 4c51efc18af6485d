package vet

import (
	"go/ast"
	"go/token"
	"go/types"
)

// missing returns the guard of the condition that the result of qmpschema.Missing is empty.
func (c *checker) missing(e ast.Expr) (g guard, ok bool) {
	calls := []ast.Expr{ast.Unparen(e)}
	if obj := c.variable(e); obj != nil {
		if !isList(obj.Type()) {
			return g, false // it is the error
		}
		calls = nil
		for _, d := range c.defsOf(obj) {
			if d.e == nil || d.elem || d.index != 0 {
				continue
			}
			calls = append(calls, ast.Unparen(d.e))
		}
	}
	for _, d := range calls {
		call, isCall := d.(*ast.CallExpr)
		if !isCall {
			continue
		}
		first := 2
		switch {
		case c.isCall(call, schemaPath, "MissingIn"):
			first = 1
		case !c.isCall(call, schemaPath, "Missing"):
			continue
		}
		if ok || len(calls) > 1 {
			return c.doubt(), true
		}
		g, ok = c.ask(call.Args[min(first, len(call.Args)):]), true
	}
	return g, ok
}

// asked collects the releases that have everything that a question asks for.
type asked struct {
	has   state
	known bool
}

// ask returns the guard of the condition that the server has all needs.
func (c *checker) ask(needs []ast.Expr) guard {
	outer := c.asked
	c.asked = &asked{has: c.r.all}
	defer func() { c.asked = outer }()
	for _, n := range needs {
		if !c.need(n, 0) {
			return c.doubt()
		}
	}
	if !c.asked.known {
		return c.doubt()
	}
	return c.has(c.asked.has)
}

// need adds what a need asks for. It reports whether the analyzer understands the need.
func (c *checker) need(e ast.Expr, depth int) bool {
	e = ast.Unparen(e)
	if path := c.text(e); path != "" {
		g := c.hasPath(path)
		if g.doubtful() {
			return false
		}
		c.asked.has &= g.yes
		c.asked.known = true
		return true
	}
	if u, ok := e.(*ast.UnaryExpr); ok && u.Op == token.AND {
		e = u.X
	}
	if obj := c.variable(e); obj != nil && depth < 4 {
		defs := c.defsOf(obj)
		for _, d := range defs {
			if d.e == nil || d.of != 1 || d.elem || !c.need(d.e, depth+1) {
				return false
			}
		}
		return len(defs) > 0
	}
	lit, isLit := e.(*ast.CompositeLit)
	if isLit {
		if _, ok := c.pass.TypesInfo.TypeOf(lit).Underlying().(*types.Slice); ok {
			for _, elt := range lit.Elts {
				if !c.need(elt, depth+1) {
					return false
				}
			}
			return true
		}
	}
	if b, _, command := c.requestOf(c.pass.TypesInfo.TypeOf(e)); command != "" {
		c.use(e.Pos(), "", b.Server, command, c.r.all)
		c.expr(e, c.r.all, "")
		return true
	}
	if isLit && isRaw(c.pass.TypesInfo.TypeOf(lit)) {
		c.expr(e, c.r.all, "")
		return true
	}
	return false
}
