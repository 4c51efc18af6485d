package vet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
)

// comparison returns the guard of a comparison.
func (c *checker) comparison(x ast.Expr, op token.Token, y ast.Expr) guard {
	for _, side := range []struct {
		x  ast.Expr
		op token.Token
		y  ast.Expr
	}{{x, op, y}, {y, swapped(op), x}} {
		if g, ok := c.compared(ast.Unparen(side.x), side.op, ast.Unparen(side.y)); ok {
			return g
		}
	}
	if g, ok := c.compareNumbers(x, op, y); ok {
		return g
	}
	if c.mentions(x) || c.mentions(y) || c.hasAnswers(c.pass.TypesInfo.TypeOf(x)) {
		return c.doubt()
	}
	return c.nothing()
}

// compared returns the guard of a comparison if the left side is something that the analyzer knows.
func (c *checker) compared(x ast.Expr, op token.Token, y ast.Expr) (guard, bool) {
	equality := op == token.EQL || op == token.NEQ
	is := func(g guard) (guard, bool) {
		if op == token.NEQ {
			g = g.not()
		}
		return g, true
	}
	switch {
	case equality && c.isNil(y):
		return is(c.nonNil(x).not())
	case equality && isTruth(c.pass.TypesInfo.TypeOf(x)):
		if v := c.pass.TypesInfo.Types[y].Value; v != nil { // has == true
			g := c.cond(x)
			if !constant.BoolVal(v) {
				g = g.not()
			}
			return is(g)
		}
	case equality && c.missingError(y) != 0:
		// err.Class == qmp.ErrCommandNotFound, err == qmp.ErrCommandNotFound
		if sel, ok := x.(*ast.SelectorExpr); ok && sel.Sel.Name == "Class" {
			x = sel.X
		}
		if calls := c.origins(x); len(calls) > 0 {
			return is(c.try(x, c.missingError(y)))
		}
		return c.doubt(), true
	case equality && c.isClass(y):
		return c.nothing(), true // another class says nothing
	case equality && c.isVersion(x):
		v, ok := c.version(y, 0)
		if !ok || !c.isServers(x) {
			return guard{}, false
		}
		return is(c.atMost(c.compareVersions(v, token.EQL))) // the micro version or the package may differ
	case equality:
		if g, ok := c.compareTexts(x, y); ok {
			return is(g)
		}
		if g, ok := c.compareSent(x, y); ok {
			return is(g)
		}
	}
	n, isInt := c.number(y, "0.0", 0)
	if !isInt {
		return guard{}, false
	}
	switch x := x.(type) {
	case *ast.SelectorExpr:
		if c.isVersion(x.X) && x.Sel.Name == "Micro" {
			return c.nothing(), true // a micro version says nothing
		}
	case *ast.CallExpr:
		if c.isBuiltin(x, "len") {
			return c.comparedLen(x.Args[0], op, n)
		}
		return c.comparedVersions(x, op, n)
	case *ast.Ident: // cmp := v.Compare(…)
		if call, ok := ast.Unparen(onlyValue(c.defsOf(c.variable(x)))).(*ast.CallExpr); ok && !c.visiting[call] {
			c.visiting[call] = true
			defer delete(c.visiting, call)
			return c.compared(call, op, y)
		}
	}
	return guard{}, false
}

// comparedLen returns the guard of len(missing) == 0.
func (c *checker) comparedLen(list ast.Expr, op token.Token, n int) (guard, bool) {
	g, ok := c.missing(list)
	if !ok {
		if obj := c.variable(list); obj == nil || !isList(obj.Type()) || c.isConstant(c.defined(obj)) {
			return guard{}, false
		}
		g = c.defined(c.variable(list)).not()
	}
	switch empty, some := holds(0, op, n), holds(1, op, n); {
	case empty && !some:
		return g, true
	case some && !empty:
		return g.not(), true
	}
	return c.doubt(), true
}

// compareNumbers returns the guard of a comparison of two integers that each release decides.
func (c *checker) compareNumbers(x ast.Expr, op token.Token, y ast.Expr) (g guard, ok bool) {
	ok = true
	compare := func(micro string, truth bool) state {
		return c.r.where(func(release string) bool {
			a, okA := c.number(x, release+micro, 0)
			b, okB := c.number(y, release+micro, 0)
			ok = ok && okA && okB
			return holds(a, op, b) == truth
		})
	}
	g.yes = compare(".0", true) | compare(".99", true)
	g.no = compare(".0", false) | compare(".99", false)
	if !ok || !c.mentions(x) && !c.mentions(y) && c.inlining == 0 {
		return c.compareConstants(x, op, y)
	}
	g.maybe, g.maybeNot = g.yes, g.no
	return g, true
}

// compareConstants returns the guard of a comparison with a variable that has constants: each release decides which one.
func (c *checker) compareConstants(x ast.Expr, op token.Token, y ast.Expr) (g guard, ok bool) {
	n, isInt := c.number(y, "0.0", 0)
	v, isVar := c.variable(x).(*types.Var)
	if !isInt || !isVar || c.cur == nil || len(c.cur.vars[v]) == 0 {
		return g, false
	}
	for d, is := range c.cur.vars[v] {
		value := 0
		if d.e != nil {
			known := false
			if value, known = c.number(d.e, "0.0", 0); !known || d.of != 1 || d.elem {
				return g, false
			}
		}
		if d.unknown {
			return g, false
		}
		sure, may := is.yes|is.no, is.maybe|is.maybeNot
		if holds(value, op, n) {
			g.yes, g.maybe = g.yes|sure, g.maybe|may
		} else {
			g.no, g.maybeNot = g.no|sure, g.maybeNot|may
		}
	}
	return g, true
}

// compareTexts returns the guard of a comparison with a variable that has constant strings: each release decides which
// one.
func (c *checker) compareTexts(x, y ast.Expr) (g guard, ok bool) {
	v := c.pass.TypesInfo.Types[y].Value
	if v == nil || v.Kind() != constant.String || c.pass.TypesInfo.Types[x].Value != nil {
		return g, false
	}
	obj, isVar := c.variable(x).(*types.Var)
	if !isVar || c.bound[obj] == nil && (c.cur == nil || len(c.cur.vars[obj]) == 0) {
		return g, false
	}
	texts, all := c.texts(x, 0)
	if !all || len(texts) == 0 || len(texts) < len(c.defsOf(obj)) {
		return g, false
	}
	for _, t := range texts {
		if t.value == constant.StringVal(v) {
			g.yes |= t.s
		} else {
			g.no |= t.s
		}
	}
	g.maybe, g.maybeNot = g.yes, g.no
	if g.yes|g.no != c.r.all { // a doubt decides about the other releases
		g.maybe, g.maybeNot = c.r.all, c.r.all
	}
	return g, true
}

func swapped(op token.Token) token.Token {
	switch op {
	case token.LSS:
		return token.GTR
	case token.LEQ:
		return token.GEQ
	case token.GTR:
		return token.LSS
	case token.GEQ:
		return token.LEQ
	}
	return op
}

func holds(a int, op token.Token, b int) bool {
	switch op {
	case token.EQL:
		return a == b
	case token.NEQ:
		return a != b
	case token.LSS:
		return a < b
	case token.LEQ:
		return a <= b
	case token.GTR:
		return a > b
	default:
		return a >= b
	}
}
