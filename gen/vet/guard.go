package vet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
)

// A guard is what a condition says about the server.
//
// The condition can be true for the releases of yes, and false for those of no. The analyzer knows these two for sure.
// If a part of the condition asks the server in a way that the analyzer does not understand, the guard has a
// doubt: then the condition may also be true for the releases of maybe, and false for those of maybeNot. The
// analyzer reports no use for a release that passes only by a doubt.
type guard struct {
	yes, no         state
	maybe, maybeNot state
}

func (g guard) not() guard {
	return guard{g.no, g.yes, g.maybeNot, g.maybe}
}

// or returns the guard of a value that is either of two.
func (g guard) or(o guard) guard {
	return guard{g.yes | o.yes, g.no | o.no, g.maybe | o.maybe, g.maybeNot | o.maybeNot}
}

// within returns the guard at a place that only some releases reach.
func (g guard) within(s state) guard {
	return guard{g.yes & s, g.no & s, g.maybe & s, g.maybeNot & s}
}

// asks reports whether the condition depends on the server.
func (g guard) asks() bool { return g.yes != g.no || g.doubtful() }

// doubtful reports whether the guard has a doubt.
func (g guard) doubtful() bool { return g.yes != g.maybe || g.no != g.maybeNot }

// doubt is the guard of a condition that asks the server and that the analyzer does not understand.
func (c *checker) doubt() guard { return guard{maybe: c.r.all, maybeNot: c.r.all} }

// nothing is the guard of a condition that does not ask the server.
func (c *checker) nothing() guard { return guard{c.r.all, c.r.all, c.r.all, c.r.all} }

// always is the guard of a constant.
func (c *checker) always(truth bool) guard {
	if truth {
		return guard{yes: c.r.all, maybe: c.r.all}
	}
	return guard{no: c.r.all, maybeNot: c.r.all}
}

// has is the guard of the condition that the server is one of these releases.
func (c *checker) has(s state) guard {
	no := c.r.all &^ s
	return guard{s, no, s, no}
}

// atMost is the guard of a condition that can be true for these releases only, and false for all.
func (c *checker) atMost(s state) guard { return guard{s, c.r.all, s, c.r.all} }

// isConstant reports whether a guard is the same for all releases.
func (c *checker) isConstant(g guard) bool {
	return !g.doubtful() && (g.yes == 0 || g.yes == c.r.all) && (g.no == 0 || g.no == c.r.all)
}

// cond returns the guard of a condition.
func (c *checker) cond(e ast.Expr) guard {
	if v := c.pass.TypesInfo.Types[e].Value; v != nil && v.Kind() == constant.Bool {
		return c.always(constant.BoolVal(v))
	}
	if c.visiting[e] {
		return c.nothing()
	}
	c.visiting[e] = true
	defer delete(c.visiting, e)
	switch e := e.(type) {
	case *ast.ParenExpr:
		return c.cond(e.X)
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			return c.cond(e.X).not()
		}
	case *ast.BinaryExpr:
		switch e.Op {
		case token.LAND:
			return c.and(c.cond(e.X), c.cond(e.Y))
		case token.LOR:
			return c.and(c.cond(e.X).not(), c.cond(e.Y).not()).not()
		case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
			return c.comparison(e.X, e.Op, e.Y)
		}
	case *ast.Ident, *ast.SelectorExpr:
		if obj := c.variable(e); obj != nil {
			g := c.defined(obj)
			if sel, ok := e.(*ast.SelectorExpr); ok && !g.asks() && c.mentions(sel.X) {
				return c.doubt()
			}
			return g
		}
	case *ast.CallExpr:
		return c.condCall(e)
	}
	return c.unread(e)
}

func (c *checker) and(a, b guard) guard {
	return guard{a.yes & b.yes, a.no | a.yes&b.no, a.maybe & b.maybe, a.maybeNot | a.maybe&b.maybeNot}
}

// unread returns the guard of an expression that the analyzer does not understand.
func (c *checker) unread(e ast.Expr) guard {
	if c.mentions(e) {
		return c.doubt()
	}
	return c.nothing()
}

// condCall returns the guard of a condition that is a call.
func (c *checker) condCall(call *ast.CallExpr) guard {
	switch {
	case c.isCall(call, "errors", "Is", "As", "AsType"):
		return c.matches(call, call.Args)
	case c.isTestify(call, "ErrorIs", "ErrorIsf", "ErrorAs", "ErrorAsf"):
		return c.matches(call, call.Args[1:])
	case c.isCall(call, "slices", "Contains") && len(call.Args) == 2:
		if _, ok := c.missing(call.Args[0]); ok {
			if path := c.text(call.Args[1]); path != "" {
				return c.hasPath(path).not()
			}
			return c.doubt()
		}
	case c.pass.TypesInfo.Types[call.Fun].IsType() && len(call.Args) == 1:
		return c.cond(call.Args[0])
	}
	return c.result(call, 0)
}

// matches returns the guard of errors.Is, errors.As or errors.AsType with these arguments.
func (c *checker) matches(call *ast.CallExpr, args []ast.Expr) guard {
	target := c.pass.TypesInfo.TypeOf(call)
	if len(args) == 2 {
		if t := c.missingError(args[1]); t != 0 {
			return c.try(args[0], t)
		}
		target = elem(c.pass.TypesInfo.TypeOf(args[1]))
	} else if tuple, ok := target.(*types.Tuple); ok && tuple.Len() > 0 {
		target = tuple.At(0).Type()
	}
	if len(args) > 0 && isNamed(target, schemaPath, "MissingError") {
		return c.try(args[0], requestTried)
	}
	return c.nothing()
}
