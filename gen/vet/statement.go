package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"
)

// comes sets the releases that reach the current place, and returns a function that restores them. A release that
// lacks a member still reaches the calls in the member's value.
func (c *checker) comes(s state) func() {
	outer := c.here
	c.here = s
	return func() { c.here = outer }
}

// node walks a statement, or an expression of the control flow graph.
func (c *checker) node(n ast.Node) {
	f := c.cur
	s := f.s
	switch n := n.(type) {
	case ast.Expr:
		if !c.isTarget(n) {
			c.expr(n, s, "")
		}
	case *ast.ExprStmt:
		c.expr(n.X, s, "")
		if call, ok := ast.Unparen(n.X).(*ast.CallExpr); ok {
			c.require(call)
		}
	case *ast.AssignStmt:
		c.assign(n, s)
	case *ast.ValueSpec:
		c.declare(n, s)
	case *ast.ReturnStmt:
		c.ret(n, s)
	case *ast.GoStmt:
		c.expr(n.Call, s, "")
	case *ast.DeferStmt:
		c.expr(n.Call, s, "")
	case *ast.SendStmt:
		c.expr(n.Chan, s, "")
		if ch, ok := c.pass.TypesInfo.TypeOf(n.Chan).Underlying().(*types.Chan); ok {
			c.flow(n.Value, ch.Elem(), s, "")
		}
	case *ast.IncDecStmt:
		c.expr(n.X, s, "")
		c.set(n.X, c.defAt[n.X])
	}
}

// isTarget reports whether an expression is a variable to which a loop or a select assigns.
func (c *checker) isTarget(e ast.Expr) bool { return c.defAt[e] != nil }

// rangeVars assigns to the variables of a range loop.
func (c *checker) rangeVars(n *ast.RangeStmt) {
	for _, v := range []ast.Expr{n.Key, n.Value} {
		if v != nil {
			c.set(v, c.defAt[v])
		}
	}
}

// set gives a variable the value of an assignment.
func (c *checker) set(target ast.Expr, d *def) {
	obj, ok := c.variable(target).(*types.Var)
	if !ok || d == nil {
		return
	}
	f := c.cur
	maps.DeleteFunc(f.looks, func(l look, _ bool) bool { return l.root == obj })
	c.originsOf(d)
	if c.learns() {
		c.grow(&d.in, f.s)
		c.grow(&d.mayIn, f.may)
	}
	if !c.tracked(obj) {
		if !isBool(obj.Type()) && isScalar(obj.Type()) {
			c.depends(obj, d.e)
		}
		return
	}
	g := c.valueOf(d, obj.Type()).within(f.may)
	g.yes, g.no = g.yes&f.s, g.no&f.s
	f.vars[obj] = assigned{d: g}
}

// depends notes that a variable depends on the server if only some releases reach an assignment of a constant to it.
func (c *checker) depends(obj types.Object, value ast.Expr) {
	f := c.cur
	if obj == nil || value == nil || !c.learns() || c.current == nil || c.asking[obj] || !c.isFixed(value) {
		return
	}
	if f.s != c.current.entry || f.may != c.current.mayEntry {
		c.asking[obj], c.changed = true, true
	}
}

// isFixed reports whether a value is a constant, struct{}{}, or an append of constants.
func (c *checker) isFixed(e ast.Expr) bool {
	switch n := ast.Unparen(e).(type) {
	case *ast.CompositeLit:
		return len(n.Elts) == 0
	case *ast.CallExpr:
		return c.isBuiltin(n, "append") && slices.ContainsFunc(n.Args[1:], c.isFixed)
	}
	return c.pass.TypesInfo.Types[e].Value != nil
}

func (c *checker) assign(n *ast.AssignStmt, s state) {
	if len(n.Rhs) == len(n.Lhs) {
		for i, l := range n.Lhs {
			in, path := s, ""
			switch l := ast.Unparen(l).(type) {
			case *ast.SelectorExpr:
				c.expr(l.X, s, "")
				if c.isNil(n.Rhs[i]) {
					c.clear(c.variable(l.X), l.Sel.Name)
				} else if n.Tok == token.ASSIGN {
					in, path = c.setMember(l, s&c.some(n.Rhs[i]))
				}
				if l.Sel.Name == "Command" && isRaw(c.pass.TypesInfo.TypeOf(l.X)) {
					c.rawCommand(n.Rhs[i], s)
				}
			case *ast.Ident:
			case *ast.IndexExpr:
				c.expr(l, s, "")
				c.rawArgument(l, n.Rhs[i], s)
				c.depends(c.rootOf(l), n.Rhs[i])
			case *ast.StarExpr:
				c.setPointed(l, s)
			default:
				c.expr(l, s, "")
			}
			c.into(c.variable(l), n.Rhs[i])
			c.flow(n.Rhs[i], c.pass.TypesInfo.TypeOf(l), in, path)
			c.into(nil, nil)
		}
	} else {
		for _, l := range n.Lhs {
			if sel, ok := ast.Unparen(l).(*ast.SelectorExpr); ok {
				c.expr(sel.X, s, "")
				if n.Tok == token.ASSIGN {
					c.setMember(sel, s)
				}
			} else if _, ok := ast.Unparen(l).(*ast.Ident); !ok {
				c.expr(l, s, "")
			}
		}
		c.expr(n.Rhs[0], s, "")
	}
	for _, l := range n.Lhs {
		c.set(l, c.defAt[l])
	}
}

// into sets the variable to which the program assigns a literal.
func (c *checker) into(obj types.Object, value ast.Expr) {
	c.target, c.targetLit = obj, nil
	if obj == nil {
		return
	}
	value = ast.Unparen(value)
	if u, ok := value.(*ast.UnaryExpr); ok {
		value = u.X
	}
	c.targetLit, _ = value.(*ast.CompositeLit)
}

func (c *checker) declare(v *ast.ValueSpec, s state) {
	for i, value := range v.Values {
		if len(v.Values) == len(v.Names) {
			c.into(c.pass.TypesInfo.Defs[v.Names[i]], value)
			c.flow(value, c.pass.TypesInfo.TypeOf(v.Names[i]), s, "")
			c.into(nil, nil)
		} else {
			c.expr(value, s, "")
		}
	}
	for _, name := range v.Names {
		c.set(name, c.defAt[name])
	}
}

// ret walks a return statement, and adds the guards of its results to those of the function.
func (c *checker) ret(n *ast.ReturnStmt, s state) {
	f := c.current
	results := f.typ.Results()
	for i, e := range n.Results {
		if len(n.Results) == results.Len() {
			c.flow(e, results.At(i).Type(), s, "")
		} else {
			c.expr(e, s, "")
		}
	}
	c.returns(n)
	for i := range f.results {
		g := c.always(true)
		switch {
		case i == results.Len():
		case len(n.Results) == results.Len():
			e := n.Results[i]
			g = c.valueOf(&def{e: e, of: 1}, results.At(i).Type())
			if isErrorType(results.At(i).Type()) && c.cur.s != c.cur.may && c.learns() && c.isNewError(e) && !f.refuses {
				f.refuses, c.changed = true, true
			}
		case len(n.Results) == 1: // return f()
			g = c.valueOf(&def{e: n.Results[0], index: i, of: results.Len()}, results.At(i).Type())
		case results.At(i).Name() != "":
			g = c.defined(results.At(i))
		default:
			g = c.nothing()
		}
		r := &f.results[i]
		c.grow(&r.yes, g.yes&c.cur.s)
		c.grow(&r.no, g.no&c.cur.s)
		c.grow(&r.maybe, g.maybe&c.cur.may)
		c.grow(&r.maybeNot, g.maybeNot&c.cur.may)
	}
}

// returns notes for which releases the function returns an integer, if the walk collects these.
func (c *checker) returns(n *ast.ReturnStmt) {
	f := c.current
	if f != c.numbering || c.settling {
		return
	}
	if len(n.Results) != 1 || c.pass.TypesInfo.Types[n.Results[0]].Value == nil || c.cur.s != c.cur.may {
		f.numbered = false
		return
	}
	value, isInt := c.number(n.Results[0], "0.0", 0)
	f.numbers[value] |= c.cur.s
	f.numbered = f.numbered && isInt
}

// isNewError reports whether an expression makes an error instead of passing one on.
func (c *checker) isNewError(e ast.Expr) bool {
	switch n := ast.Unparen(e).(type) {
	case *ast.UnaryExpr, *ast.CompositeLit:
		return true
	case *ast.CallExpr:
		return c.makesError(n) && !slices.ContainsFunc(n.Args, func(a ast.Expr) bool {
			return isErrorType(c.pass.TypesInfo.TypeOf(a)) && !c.isNewError(a) // "%w" with an error of the package makes one
		})
	case *ast.Ident, *ast.SelectorExpr:
		obj := c.variable(n)
		return obj != nil && obj.Pkg() != nil && obj.Parent() == obj.Pkg().Scope()
	}
	return false
}

// setPointed reports the use of a member that is a pointer, if the program assigns through it.
func (c *checker) setPointed(l *ast.StarExpr, s state) {
	c.expr(l.X, s, "")
	sel, ok := ast.Unparen(l.X).(*ast.SelectorExpr)
	if ok && !c.looked(sel) {
		c.setMember(sel, s)
	}
}
