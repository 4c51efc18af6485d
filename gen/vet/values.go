package vet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// A def is an assignment to a variable: the result index of the of results of e. If e is nil, the value is
// the zero value, or is not known.
type def struct {
	e         ast.Expr
	index, of int
	unknown   bool
	elem      bool                   // an element of e
	stmt      bool                   // a statement of a function
	in, mayIn state                  // the releases that come to the statement
	is        *guard                 // what it says, if that is known
	calls     map[*ast.CallExpr]bool // the calls whose error it can be
}

// variable is the variable or field that an expression names, nil if it is another expression.
func (c *checker) variable(e ast.Expr) types.Object {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		if v, ok := c.pass.TypesInfo.ObjectOf(e).(*types.Var); ok {
			return v
		}
	case *ast.SelectorExpr:
		if v, ok := c.pass.TypesInfo.ObjectOf(e.Sel).(*types.Var); ok {
			return v.Origin()
		}
	}
	return nil
}

// tracked reports whether the control flow says which value a variable has: it is local, no function literal
// sets it, and no pointer leads to it.
func (c *checker) tracked(v *types.Var) bool {
	return !v.IsField() && !c.shared[v] && v.Pkg() != nil && v.Parent() != v.Pkg().Scope()
}

// defsOf returns the assignments from which a variable can have its value here.
func (c *checker) defsOf(obj types.Object) (out []*def) {
	v, ok := obj.(*types.Var)
	if !ok {
		return nil
	}
	if bound := c.bound[v]; bound != nil {
		return []*def{bound}
	}
	if c.cur != nil {
		if a := c.cur.vars[v]; a != nil {
			return slices.SortedFunc(maps.Keys(a), func(a, b *def) int { return a.order() - b.order() })
		}
	}
	return c.defs[v]
}

func (d *def) order() int {
	if d.e == nil {
		return d.index
	}
	return int(d.e.Pos())
}

// defined is what a variable says as a condition: that it is true, or that it is not nil.
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

// stored is what all assignments to a variable say that vet does not track.
func (c *checker) stored(v *types.Var) guard {
	asks, exact := map[guard]bool{}, true
	for _, d := range c.defs[v] {
		g := c.valueOf(d, v.Type())
		in := c.r.all
		if d.stmt {
			if in = d.in; d.in != d.mayIn {
				return doubtful(c.r.all)
			}
		}
		switch constant := g.maybe == 0 || g.maybeNot == 0; {
		case in == 0: // nothing comes there
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

// unknownValue is a doubt if the value can be an answer.
func (c *checker) unknownValue(v *types.Var, asks bool) guard {
	if !isMap(v.Type()) && (asks || c.asking[v]) {
		return doubtful(c.r.all)
	}
	return c.nothing()
}

// valueOf is what an assignment gives a variable, as a condition.
func (c *checker) valueOf(d *def, t types.Type) guard {
	switch {
	case d.is != nil:
		return *d.is
	case !isBool(t) && !isNilable(t), d.unknown, d.elem:
		if d.e != nil && isBool(t) && c.mentions(d.e) {
			return doubtful(c.r.all)
		}
		return c.nothing()
	case d.e == nil:
		return guard{no: c.r.all, maybeNot: c.r.all}
	case d.of == 1 && isBool(t):
		return c.cond(d.e)
	case d.of == 1:
		return c.nonNil(d.e)
	}
	if call, ok := ast.Unparen(d.e).(*ast.CallExpr); ok {
		return c.result(call, d.index)
	}
	if isBool(t) && c.mentions(d.e) {
		return doubtful(c.r.all)
	}
	return c.nothing()
}

// nonNil is the condition that an expression is not nil.
func (c *checker) nonNil(e ast.Expr) guard {
	e = ast.Unparen(e)
	if c.isNil(e) {
		return guard{no: c.r.all, maybeNot: c.r.all}
	}
	if g, ok := c.missing(e); ok {
		return g.not()
	}
	switch n := e.(type) {
	case *ast.UnaryExpr, *ast.CompositeLit, *ast.FuncLit:
		return guard{yes: c.r.all, maybe: c.r.all}
	case *ast.CallExpr:
		if c.makesError(n) || c.isBuiltin(n, "new", "make") {
			return guard{yes: c.r.all, maybe: c.r.all}
		}
		if c.pass.TypesInfo.Types[n.Fun].IsType() {
			return c.nonNil(n.Args[0])
		}
		return c.result(n, 0)
	case *ast.Ident:
		if obj := c.variable(n); obj != nil {
			if _, local := obj.(*types.Var); local && obj.Parent() == c.pass.Pkg.Scope() && isErrorType(obj.Type()) {
				return guard{yes: c.r.all, maybe: c.r.all} // var errTooOld = errors.New(…)
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
		return doubtful(c.r.all)
	}
	return c.nothing()
}

// makesError reports whether an expression is a call that makes an error.
func (c *checker) makesError(e ast.Expr) bool {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	return ok && (c.isCall(call, "errors", "New") || c.isCall(call, "fmt", "Errorf"))
}

func (c *checker) isNil(e ast.Expr) bool { return c.pass.TypesInfo.Types[ast.Unparen(e)].IsNil() }

func (c *checker) isBuiltin(call *ast.CallExpr, names ...string) bool {
	id, ok := ast.Unparen(call.Fun).(*ast.Ident)
	if !ok {
		return false
	}
	_, builtin := c.pass.TypesInfo.Uses[id].(*types.Builtin)
	return builtin && slices.Contains(names, id.Name)
}

// some returns the releases for which an expression can be something else than nil: a variable may be set only
// where the server was asked.
func (c *checker) some(e ast.Expr) state {
	if t := c.pass.TypesInfo.TypeOf(e); t == nil || !isNilable(t) {
		return c.r.all
	}
	return c.nonNil(e).yes
}

func isBool(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

func isNilable(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Pointer, *types.Slice, *types.Map, *types.Interface, *types.Signature, *types.Chan:
		return true
	}
	return false
}

func isErrorType(t types.Type) bool { return types.Identical(t, types.Universe.Lookup("error").Type()) }

func isList(t types.Type) bool {
	_, ok := t.Underlying().(*types.Slice)
	return ok
}

// A text is a string that an expression can have.
type text struct {
	value string
	at    ast.Expr // where the program uses it: a variable, or a constant in a list
	e     ast.Expr // the constant
	s     state    // the releases for which it has it
}

// texts returns the strings that an expression can have, and whether these are all.
func (c *checker) texts(e ast.Expr, depth int) (out []text, all bool) {
	if e == nil || depth > 6 {
		return nil, false
	}
	e = ast.Unparen(e)
	if e == probeLiteral {
		return []text{{probePath, e, e, c.r.all}}, true
	}
	if v := c.pass.TypesInfo.Types[e].Value; v != nil {
		if v.Kind() != constant.String {
			return nil, false
		}
		return []text{{constant.StringVal(v), e, e, c.r.all}}, true
	}
	add := func(list []ast.Expr) {
		for _, elt := range list {
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				elt = kv.Value
			}
			more, complete := c.texts(elt, depth+1)
			out, all = append(out, more...), all && complete
		}
	}
	all = true
	switch n := e.(type) {
	case *ast.CompositeLit:
		if elemOf(c.pass.TypesInfo.TypeOf(n)) == nil {
			return nil, false
		}
		add(n.Elts)
		return out, all
	case *ast.CallExpr:
		switch {
		case c.pass.TypesInfo.Types[n.Fun].IsType() && len(n.Args) == 1, c.isCall(n, "slices", "Clone", "Sorted", "Values"):
			return c.texts(n.Args[0], depth+1)
		case c.isBuiltin(n, "append"):
			add(n.Args)
			return out, all
		}
		return nil, false
	case *ast.SliceExpr:
		return c.texts(n.X, depth+1)
	case *ast.IndexExpr:
		return c.texts(n.X, depth+1)
	case *ast.BinaryExpr:
		if n.Op != token.ADD {
			return nil, false
		}
		a, okA := c.texts(n.X, depth+1)
		b, okB := c.texts(n.Y, depth+1)
		if !okA || !okB || len(a)*len(b) > 100 {
			return nil, false
		}
		for _, x := range a {
			for _, y := range b {
				out = append(out, text{x.value + y.value, e, nil, x.s & y.s})
			}
		}
		return out, true
	case *ast.Ident, *ast.SelectorExpr:
		v, ok := c.variable(n).(*types.Var)
		if !ok || c.visitingVar[v] {
			return nil, false
		}
		c.visitingVar[v] = true
		defer delete(c.visitingVar, v)
		defs := c.defsOf(v)
		for _, d := range defs {
			if d.e == nil && !d.unknown {
				continue // the zero value
			}
			if d.e == nil || d.of != 1 || d.unknown {
				all = false
				continue
			}
			more, complete := c.texts(d.e, depth+1)
			for i := range more {
				if c.cur != nil && c.bound[v] == nil {
					if g, ok := c.cur.vars[v][d]; ok {
						more[i].s &= g.yes | g.no
					}
				}
				if !isList(v.Type()) {
					more[i].at = e
				}
			}
			out, all = append(out, more...), all && complete
		}
		return out, all && len(defs) > 0
	}
	return nil, false
}

// text is the string that an expression has, "" if it can have others.
func (c *checker) text(e ast.Expr) string {
	if out, all := c.texts(e, 0); all && len(out) == 1 {
		return out[0].value
	}
	return ""
}

// number returns the integer that an expression has if the server is of a release, or of a version: 9.1, 9.1.0.
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
			if at, ok := numberOf[n.Sel.Name]; ok && at <= strings.Count(release, ".") && c.isServers(n.X, 0) {
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

// returned is the number that a function of the package returns for a release: the only one that it can.
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

// storedNumber is the number that a variable has.
func (c *checker) storedNumber(e ast.Expr, release string, depth int) (int, bool) {
	v, ok := c.variable(e).(*types.Var)
	if !ok || c.visitingVar[v] {
		return 0, false
	}
	c.visitingVar[v] = true
	defer delete(c.visitingVar, v)
	defs := c.defsOf(v)
	if len(defs) != 1 || defs[0].unknown || defs[0].of != 1 || defs[0].elem || defs[0].e == nil {
		return 0, false
	}
	return c.number(defs[0].e, release, depth+1)
}
