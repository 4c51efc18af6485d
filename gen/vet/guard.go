package vet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"

	"github.com/qmpkit/qmpkit/qapi/facts"
)

// A guard is what a condition says: the releases for which it can be true, and those for which it can be false.
// If the condition asks the server in a way that cannot be understood, it is a doubt: both are empty, so that
// nothing is reported behind it.
type guard struct {
	yes, no state
	asks    bool // it says something
	doubt   bool
}

func (g guard) not() guard { g.yes, g.no = g.no, g.yes; return g }

func (c *checker) nothing() guard { return guard{yes: c.r.all, no: c.r.all} }
func (c *checker) has(s state) guard {
	return guard{yes: s, no: c.r.all &^ s, asks: true}
}

var doubtful = guard{asks: true, doubt: true}

// cond reads a condition.
func (c *checker) cond(e ast.Expr) guard {
	if v := c.pass.TypesInfo.Types[e].Value; v != nil && v.Kind() == constant.Bool {
		if constant.BoolVal(v) {
			return guard{yes: c.r.all}
		}
		return guard{no: c.r.all}
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
			a, b := c.cond(e.X), c.cond(e.Y)
			return guard{a.yes & b.yes, a.no | a.yes&b.no, a.asks || b.asks, a.doubt || b.doubt}
		case token.LOR:
			a, b := c.cond(e.X), c.cond(e.Y)
			return guard{a.yes | a.no&b.yes, a.no & b.no, a.asks || b.asks, a.doubt || b.doubt}
		case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
			return c.comparison(e.X, e.Op, e.Y)
		}
	case *ast.Ident, *ast.SelectorExpr:
		if obj := c.variable(e); obj != nil {
			return c.defined(obj, e.Pos())
		}
	case *ast.CallExpr:
		return c.condCall(e)
	}
	return c.mentioned(e)
}

// variable is the variable or field that an expression names, nil if it is another expression.
func (c *checker) variable(e ast.Expr) types.Object {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		v, ok := c.pass.TypesInfo.ObjectOf(e).(*types.Var)
		if ok {
			return v
		}
	case *ast.SelectorExpr:
		if v, ok := c.pass.TypesInfo.ObjectOf(e.Sel).(*types.Var); ok {
			return v.Origin()
		}
	}
	return nil
}

// defined reads the assignments to a variable, as a condition.
func (c *checker) defined(obj types.Object, at token.Pos) guard {
	var asks []guard
	alwaysNo, alwaysYes := true, true // what the assignments say that do not ask
	for _, d := range c.reaching(obj, at) {
		g := c.assigned(d)
		switch {
		case g.asks:
			asks = append(asks, g)
		case g.yes != 0:
			alwaysNo = false
			fallthrough
		default:
			if g.no != 0 {
				alwaysYes = false
			}
			asks = append(asks, guard{yes: g.yes, no: g.no})
		}
	}
	var one *guard
	for i := range asks {
		if !asks[i].asks {
			continue
		}
		if one != nil && *one != asks[i] {
			return doubtful
		}
		one = &asks[i]
	}
	switch {
	case one == nil:
		return c.nothing()
	case len(asks) == 1:
		return *one
	case alwaysNo:
		return guard{one.yes, c.r.all, true, one.doubt}
	case alwaysYes:
		return guard{c.r.all, one.no, true, one.doubt}
	}
	return doubtful
}

// assigned is what an assignment gives a variable, as a condition.
func (c *checker) assigned(d def) guard {
	if d.e == nil {
		return guard{no: c.r.all} // var x bool
	}
	call, ok := ast.Unparen(d.e).(*ast.CallExpr)
	if !ok || d.of == 1 {
		return c.cond(d.e)
	}
	if f := c.function(call); f != nil {
		return f.result(d.index)
	}
	if path, ok := c.hasCall(call); ok {
		if d.index != 0 {
			return c.nothing()
		}
		if path == "" {
			return doubtful
		}
		return c.hasPath(path)
	}
	return c.mentioned(call)
}

// hasCall returns the path of a call of Schema.Has, "" if it is not constant.
func (c *checker) hasCall(call *ast.CallExpr) (path string, ok bool) {
	f := c.callee(call)
	if f == nil || f.Pkg() == nil || f.Pkg().Path() != hasMethods || f.Name() != "Has" {
		return "", false
	}
	return constantString(c.pass.TypesInfo, call.Args[0]), true
}

// hasPath is what it says that a server has a path.
func (c *checker) hasPath(path string) guard {
	for _, server := range c.servers {
		if k := c.r.of(server, path); k != nil {
			return c.has(k.has)
		}
	}
	return doubtful // something of a distribution, for instance
}

func (c *checker) isCall(call *ast.CallExpr, pkg string, names ...string) bool {
	f := c.callee(call)
	if f == nil || f.Pkg() == nil || f.Pkg().Path() != pkg {
		return false
	}
	for _, name := range names {
		if f.Name() == name {
			return true
		}
	}
	return false
}

// callee is the function that a call names, nil if it is a value.
func (c *checker) callee(call *ast.CallExpr) *types.Func {
	f := ast.Unparen(call.Fun)
	switch g := f.(type) {
	case *ast.IndexExpr:
		f = g.X
	case *ast.IndexListExpr:
		f = g.X
	}
	switch f := f.(type) {
	case *ast.Ident:
		fn, _ := c.pass.TypesInfo.Uses[f].(*types.Func)
		return fn
	case *ast.SelectorExpr:
		fn, _ := c.pass.TypesInfo.Uses[f.Sel].(*types.Func)
		return fn
	}
	return nil
}

// condCall reads a condition that is a call.
func (c *checker) condCall(call *ast.CallExpr) guard {
	if f := c.function(call); f != nil {
		return f.result(0)
	}
	switch {
	case c.isCall(call, "errors", "Is") && len(call.Args) == 2:
		// Without the error the server has the command.
		for _, d := range c.sources(call.Args[0]) {
			if cmd, server := c.commandOf(d); cmd != "" && c.isMissingError(call.Args[1]) {
				if k := c.r.of(server, cmd); k != nil {
					return guard{yes: c.r.all, no: k.has, asks: true}
				}
			}
		}
		return c.nothing()
	case c.isCall(call, "slices", "Contains") && len(call.Args) == 2:
		if _, ok := c.missing(call.Args[0]); ok {
			if path := constantString(c.pass.TypesInfo, call.Args[1]); path != "" {
				return c.hasPath(path).not()
			}
			return doubtful
		}
	}
	return c.mentioned(call)
}

// commandOf returns the command that a call of Do executes.
func (c *checker) commandOf(e ast.Expr) (command, server string) {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return "", ""
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Do" {
		return "", ""
	}
	if b, t := c.binding(c.pass.TypesInfo.TypeOf(sel.X)); b != nil {
		return b.Commands[t.Obj().Name()], b.Server
	}
	return "", ""
}

// isMissingError reports whether an expression is an error of commands that a server lacks.
func (c *checker) isMissingError(e ast.Expr) bool {
	sel, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok {
		return false
	}
	obj := c.pass.TypesInfo.Uses[sel.Sel]
	if obj == nil || obj.Pkg() == nil {
		return false
	}
	return obj.Pkg().Path() == "errors" && obj.Name() == "ErrUnsupported" || obj.Pkg().Path() == qmpPath && obj.Name() == "ErrCommandNotFound"
}

// mentioned is the guard of an expression that is not understood: a doubt if it asks the server.
func (c *checker) mentioned(e ast.Expr) guard {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			if _, ok := c.hasCall(n); ok || c.isCall(n, schemaPath, "Missing", "MissingIn") || c.isCall(n, qmpPath, "Version", "Compare") {
				found = true
			}
		}
		return !found
	})
	if found {
		return doubtful
	}
	return c.nothing()
}

// missing returns what the result of qmpschema.Missing says if it is empty.
func (c *checker) missing(e ast.Expr) (g guard, ok bool) {
	if obj := c.variable(e); obj != nil && !isList(obj.Type()) {
		return g, false // the error
	}
	for _, d := range c.sources(e) {
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
		if ok {
			return doubtful, true
		}
		g, ok = c.ask(call.Args[min(first, len(call.Args)):]), true
	}
	return g, ok
}

func isList(t types.Type) bool {
	_, ok := t.Underlying().(*types.Slice)
	return ok
}

// asked collects what is asked for.
type asked struct {
	has   state
	known bool
}

// ask returns what it says that a server has all needs.
func (c *checker) ask(needs []ast.Expr) guard {
	outer := c.asked
	c.asked = &asked{has: c.r.all}
	defer func() { c.asked = outer }()
	for _, n := range needs {
		if !c.need(n, 0) {
			return doubtful
		}
	}
	if !c.asked.known {
		return doubtful
	}
	return c.has(c.asked.has)
}

// need adds what a need asks for; it reports whether it is understood.
func (c *checker) need(e ast.Expr, depth int) bool {
	e = ast.Unparen(e)
	if path := constantString(c.pass.TypesInfo, e); path != "" {
		g := c.hasPath(path)
		if g.doubt {
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
		defs := c.reaching(obj, e.Pos())
		for _, d := range defs {
			if d.e == nil || d.of != 1 || !c.need(d.e, depth+1) {
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
	b, t := c.binding(c.pass.TypesInfo.TypeOf(e))
	if b != nil && b.Commands[t.Obj().Name()] != "" {
		c.use(e.Pos(), "", b.Server, b.Commands[t.Obj().Name()], c.r.all)
		c.expr(e, c.r.all, "")
		return true
	}
	if isLit && isRaw(c.pass.TypesInfo.TypeOf(lit)) {
		c.expr(e, c.r.all, "")
		return true
	}
	return false
}

// sources are the expressions that a variable can have its value from; of another expression, itself.
func (c *checker) sources(e ast.Expr) (out []ast.Expr) {
	e = ast.Unparen(e)
	obj := c.variable(e)
	if obj == nil {
		return []ast.Expr{e}
	}
	for _, d := range c.reaching(obj, e.Pos()) {
		if d.e != nil {
			out = append(out, ast.Unparen(d.e))
		}
	}
	return out
}

// comparison reads a comparison as a condition.
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
	a, b := c.mentioned(x), c.mentioned(y)
	if a.doubt || b.doubt || c.isVersion(x) {
		return doubtful
	}
	return c.nothing()
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

func (c *checker) isVersion(e ast.Expr) bool {
	n := namedOf(c.pass.TypesInfo.TypeOf(e))
	return n != nil && n.Obj().Name() == "Version" && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == qmpPath
}

// compared reads a comparison of something that is known with a constant.
func (c *checker) compared(x ast.Expr, op token.Token, y ast.Expr) (guard, bool) {
	info := c.pass.TypesInfo
	if info.Types[y].IsNil() {
		return c.comparedNil(x, op)
	}
	if obj := c.variable(x); obj != nil { // cmp := v.Compare(…), major := v.Major
		if _, isIdent := x.(*ast.Ident); isIdent {
			if defs := c.reaching(obj, x.Pos()); len(defs) == 1 && defs[0].e != nil && defs[0].of == 1 && !c.isVersion(x) {
				switch ast.Unparen(defs[0].e).(type) {
				case *ast.CallExpr, *ast.SelectorExpr:
					if g, ok := c.compared(ast.Unparen(defs[0].e), op, y); ok {
						return g, true
					}
				}
			}
		}
	}
	if c.isVersion(x) && (op == token.EQL || op == token.NEQ) {
		v, ok := c.version(y, 0)
		if !ok {
			return guard{}, false
		}
		g := c.compareVersions(v, token.EQL)
		g.no = c.r.all // another micro version, or a package
		if op == token.NEQ {
			g = g.not()
		}
		return g, true
	}
	n, isInt := c.integer(y)
	switch x := x.(type) {
	case *ast.SelectorExpr:
		if !c.isVersion(x.X) || !isInt {
			return guard{}, false
		}
		return c.comparedNumber(x.Sel.Name, op, n)
	case *ast.CallExpr:
		if f, ok := x.Fun.(*ast.Ident); ok && f.Name == "len" && len(x.Args) == 1 && isInt {
			g, ok := c.missing(x.Args[0])
			if !ok {
				return guard{}, false
			}
			switch empty, some := holds(0, op, n), holds(1, op, n); {
			case empty && !some:
				return g, true
			case some && !empty:
				return g.not(), true
			}
			return c.nothing(), true
		}
		if c.isCall(x, qmpPath, "Compare") && isInt {
			sel := x.Fun.(*ast.SelectorExpr)
			v, ok := c.version(x.Args[0], 0)
			if !ok || !c.isVersion(sel.X) {
				return guard{}, false
			}
			var g guard
			g.asks = true
			for _, sign := range []int{-1, 0, 1} {
				possible := c.compareVersions(v, map[int]token.Token{-1: token.LSS, 0: token.EQL, 1: token.GTR}[sign]).yes
				if holds(sign, op, n) {
					g.yes |= possible
				} else {
					g.no |= possible
				}
			}
			return g, true
		}
	}
	return guard{}, false
}

// comparedNil reads err != nil of a function of the package, and missing != nil.
func (c *checker) comparedNil(x ast.Expr, op token.Token) (g guard, ok bool) {
	if g, ok = c.missing(x); !ok {
		obj := c.variable(x)
		if obj == nil {
			return g, false
		}
		defs := c.reaching(obj, x.Pos())
		if len(defs) != 1 || defs[0].e == nil {
			return g, false
		}
		call, isCall := ast.Unparen(defs[0].e).(*ast.CallExpr)
		if !isCall || defs[0].index != defs[0].of-1 {
			return g, false
		}
		f := c.function(call)
		if f == nil {
			return g, false
		}
		g = guard{yes: f.succeeds, no: f.fails, asks: f.succeeds != f.fails}
	}
	if op == token.NEQ {
		g = g.not()
	}
	return g, true
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

func (c *checker) integer(e ast.Expr) (int, bool) {
	v := c.pass.TypesInfo.Types[e].Value
	if v == nil || v.Kind() != constant.Int {
		return 0, false
	}
	n, ok := constant.Int64Val(v)
	return int(n), ok
}

// comparedNumber reads v.Major >= 7.
func (c *checker) comparedNumber(field string, op token.Token, n int) (guard, bool) {
	i := map[string]int{"Major": 0, "Minor": 1}
	at, ok := i[field]
	if !ok {
		return c.nothing(), true // micro versions change nothing
	}
	return c.has(c.r.where(func(release string) bool { return holds(numbers(release)[at], op, n) })), true
}

func numbers(release string) (n [2]int) {
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

// compareVersions returns the releases of which some version compares so with v.
func (c *checker) compareVersions(v string, op token.Token) guard {
	yes := c.r.where(func(release string) bool {
		for _, micro := range []string{".0", ".1", ".50", ".999"} {
			if holds(facts.Compare(release+micro, v), op, 0) {
				return true
			}
		}
		return op == token.EQL && facts.Release(v) == release
	})
	return guard{yes: yes, no: c.r.all, asks: true}
}

// version reads qmp.Version{Major: 7, Minor: 2}.
func (c *checker) version(e ast.Expr, depth int) (string, bool) {
	e = ast.Unparen(e)
	if lit, ok := e.(*ast.CompositeLit); ok && c.isVersion(lit) {
		n := []string{"0", "0", "0"}
		names := map[string]int{"Major": 0, "Minor": 1, "Micro": 2}
		for i, elt := range lit.Elts {
			value := elt
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				at, ok := names[kv.Key.(*ast.Ident).Name]
				if !ok {
					continue
				}
				i, value = at, kv.Value
			}
			v := c.pass.TypesInfo.Types[value].Value
			if v == nil || i > 2 {
				return "", false
			}
			n[i] = v.ExactString()
		}
		return n[0] + "." + n[1] + "." + n[2], true
	}
	if obj := c.variable(e); obj != nil && depth < 4 {
		if defs := c.reaching(obj, e.Pos()); len(defs) == 1 && defs[0].e != nil && defs[0].of == 1 {
			return c.version(defs[0].e, depth+1)
		}
	}
	return "", false
}
