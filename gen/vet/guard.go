package vet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strconv"

	"github.com/qmpkit/qmpkit/qapi/facts"
)

// A guard is what a condition says of the server.
//
// yes and no are the releases for which it can be true and false, as far as vet understands the condition.
// maybe and maybeNot are the same if what vet does not understand says nothing. They are more than yes and no
// if a part of the condition asks in a way that vet does not understand: a doubt, behind which nothing is reported.
type guard struct {
	yes, no         state
	maybe, maybeNot state
}

func (g guard) not() guard {
	return guard{g.no, g.yes, g.maybeNot, g.maybe}
}

// or is a condition that is one of two.
func (g guard) or(o guard) guard {
	return guard{g.yes | o.yes, g.no | o.no, g.maybe | o.maybe, g.maybeNot | o.maybeNot}
}

// within is the condition where only some releases come.
func (g guard) within(s state) guard {
	return guard{g.yes & s, g.no & s, g.maybe & s, g.maybeNot & s}
}

// asks reports whether a condition says something of the server.
func (g guard) asks() bool { return g.yes != g.no || g.doubtful() }

// doubtful reports whether a part of a condition is not understood.
func (g guard) doubtful() bool { return g.yes != g.maybe || g.no != g.maybeNot }

// doubtful is a condition that asks the server and is not understood.
func doubtful(all state) guard { return guard{maybe: all, maybeNot: all} }

func (c *checker) doubt() guard { return doubtful(c.r.all) }

// nothing is a condition that does not ask the server.
func (c *checker) nothing() guard { return guard{c.r.all, c.r.all, c.r.all, c.r.all} }

// always is a condition that is true, or false.
func (c *checker) always(truth bool) guard {
	if truth {
		return guard{yes: c.r.all, maybe: c.r.all}
	}
	return guard{no: c.r.all, maybeNot: c.r.all}
}

// has is the condition that the server is of some releases.
func (c *checker) has(s state) guard {
	no := c.r.all &^ s
	return guard{s, no, s, no}
}

// atMost is a condition that can be true for some releases only, and false for all.
func (c *checker) atMost(s state) guard { return guard{s, c.r.all, s, c.r.all} }

// cond reads a condition.
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

// unread is the guard of an expression that is not understood.
func (c *checker) unread(e ast.Expr) guard {
	if c.mentions(e) {
		return c.doubt()
	}
	return c.nothing()
}

// condCall reads a condition that is a call.
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

// matches reads errors.Is, errors.As and errors.AsType with these arguments.
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
	if g, ok := c.compareNumbers(x, op, y); ok {
		return g
	}
	if c.mentions(x) || c.mentions(y) || c.hasAnswers(c.pass.TypesInfo.TypeOf(x)) {
		return c.doubt()
	}
	return c.nothing()
}

// compared reads a comparison of something that is known.
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
		return c.nothing(), true // another class, or another text
	case equality && c.isVersion(x):
		v, ok := c.version(y, 0)
		if !ok || !c.isServers(x, 0) {
			return guard{}, false
		}
		return is(c.atMost(c.compareVersions(v, token.EQL))) // another micro version, or a package
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
			return c.nothing(), true // micro versions change nothing
		}
	case *ast.CallExpr:
		if c.isBuiltin(x, "len") {
			return c.comparedLen(x.Args[0], op, n)
		}
		return c.comparedVersions(x, op, n)
	case *ast.Ident: // cmp := v.Compare(…)
		if defs := c.defsOf(c.variable(x)); len(defs) == 1 && defs[0].e != nil && defs[0].of == 1 && !defs[0].elem && !defs[0].unknown {
			if call, ok := ast.Unparen(defs[0].e).(*ast.CallExpr); ok && !c.visiting[call] {
				c.visiting[call] = true
				defer delete(c.visiting, call)
				return c.compared(call, op, y)
			}
		}
	}
	return guard{}, false
}

func isTruth(t types.Type) bool { return t != nil && isBool(t) }

// comparedLen reads len(missing) == 0.
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

// comparedVersions reads v.Compare(w) >= 0.
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
	if !c.isServers(of, 0) {
		of, with, sign = with, of, -1
	}
	v, ok := c.version(with, 0)
	if !ok || !c.isServers(of, 0) {
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

// compareNumbers reads a comparison of numbers that are known for each release.
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

// compareConstants reads the comparison of a variable that has constants, by where it has which.
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

// compareTexts reads the comparison of strings, by where a variable has which.
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
	if g.yes|g.no != c.r.all { // what comes by a way that is not understood
		g.maybe, g.maybeNot = c.r.all, c.r.all
	}
	return g, true
}

// compareSent reads the comparison of what the server sent with a constant: a server that sends a value, or the name of
// a command, has it.
func (c *checker) compareSent(x, y ast.Expr) (g guard, ok bool) {
	value := constantString(c.pass.TypesInfo, y)
	if value == "" || c.pass.TypesInfo.Types[x].Value != nil {
		return g, false
	}
	command, server, sent := c.sentBy(x, 0)
	if !sent {
		return g, false
	}
	path := value
	if b, t := c.binding(c.pass.TypesInfo.TypeOf(x)); b != nil {
		server, path = b.Server, b.Types[t.Obj().Name()]+"/^"+value
	}
	if k := c.r.of(server, path); k != nil {
		return c.atMost(k.has), true
	}
	if slices.Contains(lists, command) {
		return c.doubt(), true
	}
	return g, false
}

// lists are the commands that say what a server has, and what no schema says.
var lists = []string{"qom-list-types", "device-list-properties", "qom-list-properties"}

// sentBy reports whether a server sent what an expression has, and for which command.
func (c *checker) sentBy(e ast.Expr, depth int) (command, server string, sent bool) {
	if depth > 8 {
		return "", "", false
	}
	switch n := ast.Unparen(e).(type) {
	case *ast.SelectorExpr:
		if isNamed(c.pass.TypesInfo.TypeOf(n.X), qmpPath, "RawEvent") {
			return "", c.servers[0], true
		}
		if command, server, sent = c.sentBy(n.X, depth+1); sent {
			return command, server, sent
		}
		if b, t := c.binding(c.pass.TypesInfo.TypeOf(n.X)); b != nil && isReceived(t) {
			return "", b.Server, true
		}
	case *ast.IndexExpr:
		return c.sentBy(n.X, depth+1)
	case *ast.StarExpr:
		return c.sentBy(n.X, depth+1)
	case *ast.CallExpr:
		if c.isCall(n, qmpPath, "Value") {
			return c.sentBy(n.Args[0], depth+1)
		}
		if command, server = c.commandIn(n); command != "" && !c.isCall(n, schemaPath, "Missing", "MissingIn") {
			return command, server, true
		}
	case *ast.UnaryExpr:
		return c.sentBy(n.X, depth+1)
	case *ast.Ident:
		for _, d := range c.defsOf(c.variable(n)) {
			if d.e != nil && d.index == 0 {
				return c.sentBy(d.e, depth+1)
			}
		}
	}
	return "", "", false
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

// compareVersions returns the releases of which some version compares so with v.
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

// version reads qmp.Version{Major: 7, Minor: 2}.
func (c *checker) version(e ast.Expr, depth int) (string, bool) {
	e = ast.Unparen(e)
	if lit, ok := e.(*ast.CompositeLit); ok && c.isVersion(lit) {
		n := []string{"0", "0", "0"}
		for i, elt := range lit.Elts {
			value := elt
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				at, ok := numberOf[kv.Key.(*ast.Ident).Name]
				if !ok {
					continue
				}
				i, value = at, kv.Value
			}
			v, ok := c.number(value, "0.0", 0)
			if !ok || i > 2 || v != must(c.number(value, "1.1", 0)) {
				return "", false
			}
			n[i] = strconv.Itoa(v)
		}
		return n[0] + "." + n[1] + "." + n[2], true
	}
	if obj := c.variable(e); obj != nil && depth < 4 {
		if defs := c.defsOf(obj); len(defs) == 1 && defs[0].e != nil && defs[0].of == 1 && !defs[0].elem {
			return c.version(defs[0].e, depth+1)
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

func must(n int, ok bool) int { return n }

// onlyResult returns what a call of a function of the package returns that does nothing else, and what the call gives
// its parameters; nil for another call.
func (c *checker) onlyResult(call *ast.CallExpr) (ast.Expr, map[*types.Var]*def) {
	fn := c.function(call)
	if fn == nil || len(fn.body.List) != 1 || fn.typ.Params().Len() != len(call.Args) {
		return nil, nil
	}
	ret, ok := fn.body.List[0].(*ast.ReturnStmt)
	if !ok || len(ret.Results) != 1 {
		return nil, nil
	}
	bound := maps.Clone(c.bound)
	if bound == nil {
		bound = map[*types.Var]*def{}
	}
	for i, arg := range call.Args {
		bound[fn.typ.Params().At(i)] = &def{e: arg, of: 1}
	}
	return ret.Results[0], bound
}

// isServers reports whether a version can be that of the server: it is none that the program gives.
func (c *checker) isServers(e ast.Expr, depth int) bool {
	_, own := c.version(e, depth)
	return !own
}

func (c *checker) isVersion(e ast.Expr) bool {
	return isNamed(c.pass.TypesInfo.TypeOf(e), qmpPath, "Version")
}

// isNamed reports whether a type, or what it points to, has a name of a package.
func isNamed(t types.Type, pkg string, names ...string) bool {
	n := namedOf(t)
	return n != nil && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == pkg && slices.Contains(names, n.Obj().Name())
}
