package vet

import (
	"go/ast"
	"go/types"
)

// defined returns the guard of a variable: that it is true, or that it is not nil.
func (c *checker) defined(obj types.Object) guard {
	v, ok := obj.(*types.Var)
	if !ok || !isBool(v.Type()) && !isNilable(v.Type()) {
		return c.nothing()
	}
	if bound := c.bound[v]; bound != nil {
		return c.valueOf(bound, v.Type())
	}
	if c.cur != nil {
		if a := c.cur.vars[v]; len(a) > 0 {
			var g guard
			for _, is := range a {
				g = g.or(is)
			}
			return g
		}
	}
	if v.Pkg() != c.pass.Pkg {
		return c.imported(v)
	}
	if c.visitingVar[v] {
		return c.nothing()
	}
	c.visitingVar[v] = true
	defer delete(c.visitingVar, v)
	return c.stored(v)
}

// stored returns the guard of a variable that is not tracked, from all assignments to it.
func (c *checker) stored(v *types.Var) guard {
	asks, exact := map[guard]bool{}, true
	for _, d := range c.defs[v] {
		g := c.valueOf(d, v.Type())
		in := c.r.all
		if d.stmt {
			if in = d.in; d.in != d.mayIn {
				return c.doubt()
			}
		}
		switch constant := g.maybe == 0 || g.maybeNot == 0; {
		case in == 0: // no release reaches it
		case in != c.r.all:
			exact = false
			asks[g.within(in)] = true
		case constant:
			exact = false // a default, or a reset
		case g.asks():
			asks[g] = true
		default:
			return c.unknownValue(v, len(asks) > 0)
		}
	}
	if len(asks) != 1 {
		return c.unknownValue(v, len(asks) > 0)
	}
	var g guard
	for g = range asks {
	}
	if !exact {
		g.no, g.maybeNot = c.r.all&^g.maybe, c.r.all
	}
	return g
}

// unknownValue returns a doubt if the value can depend on the server.
func (c *checker) unknownValue(v *types.Var, asks bool) guard {
	if !isMap(v.Type()) && (asks || c.asking[v]) {
		return c.doubt()
	}
	return c.nothing()
}

// valueOf returns the guard of the value that an assignment assigns.
func (c *checker) valueOf(d *def, t types.Type) guard {
	switch {
	case d.is != nil:
		return *d.is
	case !isBool(t) && !isNilable(t), d.unknown, d.elem:
		if d.e != nil && isBool(t) && c.mentions(d.e) {
			return c.doubt()
		}
		return c.nothing()
	case d.e == nil:
		return c.always(false)
	case d.of == 1 && isBool(t):
		return c.cond(d.e)
	case d.of == 1:
		return c.nonNil(d.e)
	}
	if call, ok := ast.Unparen(d.e).(*ast.CallExpr); ok {
		return c.result(call, d.index)
	}
	if isBool(t) && c.mentions(d.e) {
		return c.doubt()
	}
	return c.nothing()
}

// nonNil returns the guard of the condition that an expression is not nil.
func (c *checker) nonNil(e ast.Expr) guard {
	e = ast.Unparen(e)
	if c.isNil(e) {
		return c.always(false)
	}
	if g, ok := c.missing(e); ok {
		return g.not()
	}
	switch n := e.(type) {
	case *ast.UnaryExpr, *ast.CompositeLit, *ast.FuncLit:
		return c.always(true)
	case *ast.CallExpr:
		if c.makesError(n) || c.isBuiltin(n, "new", "make") {
			return c.always(true)
		}
		if c.pass.TypesInfo.Types[n.Fun].IsType() {
			return c.nonNil(n.Args[0])
		}
		return c.result(n, 0)
	case *ast.Ident:
		if obj := c.variable(n); obj != nil {
			if _, local := obj.(*types.Var); local && obj.Parent() == c.pass.Pkg.Scope() && isErrorType(obj.Type()) {
				return c.always(true) // var errTooOld = errors.New(…)
			}
			return c.defined(obj)
		}
	case *ast.SelectorExpr:
		if k := c.optionalMember(n); k != nil {
			g := c.nothing()
			g.yes, g.maybe = k.has, k.has
			return g
		}
		if obj := c.variable(n); obj != nil {
			return c.defined(obj)
		}
	}
	if t := c.pass.TypesInfo.TypeOf(e); t != nil && !isErrorType(t) && c.mentions(e) {
		return c.doubt()
	}
	return c.nothing()
}

// makesError reports whether an expression is a call of errors.New or fmt.Errorf.
func (c *checker) makesError(e ast.Expr) bool {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	return ok && (c.isCall(call, "errors", "New") || c.isCall(call, "fmt", "Errorf"))
}

func (c *checker) isNil(e ast.Expr) bool { return c.pass.TypesInfo.Types[ast.Unparen(e)].IsNil() }

// some returns the releases for which an expression can be other than nil. A program may set a variable only after it
// has asked the server.
func (c *checker) some(e ast.Expr) state {
	if t := c.pass.TypesInfo.TypeOf(e); t == nil || !isNilable(t) {
		return c.r.all
	}
	return c.nonNil(e).yes
}
