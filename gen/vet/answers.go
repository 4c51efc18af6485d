package vet

import (
	"encoding/json"
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"slices"
)

// An answer is the part of a server's answer that a function or a variable of another package has: a fact
// of the analyzer.
type answer struct {
	Results []guardFact   // of a function: each result that is true or false, nil or not nil, and the returns
	Path    int           // 1 + the parameter with the path that the results are about, 0 for none
	Lacks   []guardFact   // the results if the server lacks the path; Results are those if it has it
	Tries   map[int]trial // parameters whose errors the function compares with those of commands that are missing
	Exits   bool          // the function may end the program or panic
	Forward *forward      // parameters that become a qmp.Raw
	Asks    bool          // an answer that is not true or false
}

// guardFact is a guard that gob can encode.
type guardFact struct{ Yes, No, Maybe, MaybeNot state }

// AFact makes answer a fact.
func (*answer) AFact() {}

// GobEncode encodes the fact so that the same one always has the same bytes, as Bindings does.
func (a *answer) GobEncode() ([]byte, error) {
	type plain answer
	return json.Marshal((*plain)(a))
}

// GobDecode decodes what GobEncode made.
func (a *answer) GobDecode(text []byte) error {
	type plain answer
	return json.Unmarshal(text, (*plain)(a))
}

// mentions reports whether an expression has something that the server says.
func (c *checker) mentions(e ast.Node) (found bool) {
	if e == nil {
		return false
	}
	ast.Inspect(e, func(n ast.Node) bool {
		if found {
			return false
		}
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CompositeLit:
			t := c.pass.TypesInfo.TypeOf(n)
			if t != nil && elemOf(t) == nil && !c.isVersion(n) {
				return false // the fields have the answers
			}
		case *ast.Ident:
			found = c.isAnswer(n, c.pass.TypesInfo.Uses[n])
		case *ast.SelectorExpr:
			switch {
			case c.isVersion(n.X) || isNamed(c.pass.TypesInfo.TypeOf(n.X), qmpPath, "Error"):
				found = true
			case c.isAnswer(n, c.variable(n)):
				found = true
			}
		case *ast.IndexExpr:
			found = isMap(c.pass.TypesInfo.TypeOf(n.X)) && c.isKnownPath(n.Index) // enabled["guest-get-load"]
		case *ast.BinaryExpr:
			g, ok := c.compareSent(n.X, n.Y)
			found = ok && g.asks()
		case *ast.CallExpr:
			found = c.isQuestion(n)
		}
		return !found
	})
	return found
}

// isAnswer reports whether a variable has what the server says, or a method value is a question.
func (c *checker) isAnswer(e ast.Expr, obj types.Object) bool {
	switch obj := obj.(type) {
	case *types.Var:
		switch {
		case c.isVersion(e):
			return true
		case c.asking[obj]:
			return true
		case isBool(obj.Type()) && obj.IsField() && !c.isConstant(c.defined(obj)):
			return true
		case obj.Pkg() != nil && obj.Pkg() != c.pass.Pkg:
			a := c.fact(obj)
			return a != nil && a.Asks
		}
	case *types.Func:
		return c.asking[obj.Origin()]
	}
	return false
}

// isQuestion reports whether a call asks the server.
func (c *checker) isQuestion(call *ast.CallExpr) bool {
	if c.isHas(call) || c.isCall(call, schemaPath, "Missing", "MissingIn") || c.isCall(call, qmpPath, "Compare") {
		return true
	}
	t := c.pass.TypesInfo.TypeOf(call)
	if tuple, ok := t.(*types.Tuple); ok && tuple.Len() > 0 {
		t = tuple.At(0).Type()
	}
	if t == nil || !isScalar(t) {
		return false
	}
	if fn := c.function(call); fn != nil {
		if isBool(t) {
			return fn.results[0].asks()
		}
		return c.asking[fn.obj]
	}
	if f := c.callee(call); f != nil {
		if a := c.fact(f); a != nil && (a.Asks || len(a.Results) > 0 && a.Results[0].guard().asks()) {
			return true
		}
		if c.asking[f.Origin()] || types.IsInterface(recvType(f)) && c.askingNames[f.Name()] {
			return true
		}
	}
	if c.pass.TypesInfo.Types[call.Fun].IsType() || c.isBuiltin(call, "len", "append", "cap", "min", "max") {
		return false
	}
	if sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok && c.isSource(c.pass.TypesInfo.TypeOf(sel.X)) {
		return true
	}
	for _, a := range call.Args {
		if isBool(t) && c.mentionsInside(a) { // slices.ContainsFunc(list, func…)
			return true
		}
		if c.isSource(c.pass.TypesInfo.TypeOf(a)) || isBool(t) && c.isKnownPath(a) {
			return true
		}
	}
	return false
}

func recvType(f *types.Func) types.Type {
	if r := f.Signature().Recv(); r != nil {
		return r.Type()
	}
	return types.Typ[types.Invalid]
}

// isSource reports whether a value of the type answers questions.
func (c *checker) isSource(t types.Type) bool {
	return isNamed(t, hasMethods, "Schema") || isNamed(t, qmpPath, "Version", "Error") || isNamed(t, schemaPath, "MissingError")
}

// isKnownPath reports whether an expression is a path of a schema, as a question has one.
func (c *checker) isKnownPath(e ast.Expr) bool {
	path := constantString(c.pass.TypesInfo, e)
	if path == "" {
		return false
	}
	for _, server := range c.servers {
		if c.r.of(server, path) != nil {
			return true
		}
	}
	return false
}

// isScalar reports whether a value of the type can be an answer itself: that of a struct are its fields.
func isScalar(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Basic, *types.Slice, *types.Map, *types.Signature:
		return true
	case *types.Pointer:
		_, ok := u.Elem().Underlying().(*types.Basic)
		return ok
	}
	return false
}

// findAnswers finds the variables and functions that have what the server says.
func (c *checker) findAnswers() {
	for changed := true; changed; {
		changed = false
		mark := func(obj types.Object) {
			if obj != nil && !c.asking[obj] {
				c.asking[obj], changed = true, true
			}
		}
		for v, defs := range c.defs {
			if c.asking[v] || !isScalar(v.Type()) {
				continue
			}
			if slices.ContainsFunc(defs, func(d *def) bool {
				return d.e != nil && d.index == 0 && (c.mentions(d.e) || isFunc(v.Type()) && c.mentionsInside(d.e))
			}) {
				mark(v)
			}
		}
		for _, i := range c.indexed {
			if !c.asking[i.root] && c.mentions(i.value) {
				mark(i.root)
			}
			if i.pointer && c.asking[i.root] { // *p, err = s.Has(path)
				for v := range c.pointed {
					mark(v)
				}
			}
		}
		for _, f := range c.order {
			if f.obj != nil && !c.asking[f.obj] && c.returnsAnswer(f) {
				mark(f.obj)
				c.askingNames[f.obj.Name()] = true
			}
		}
	}
}

func isMap(t types.Type) bool {
	_, ok := t.Underlying().(*types.Map)
	return ok
}

func isFunc(t types.Type) bool {
	_, ok := t.Underlying().(*types.Signature)
	return ok
}

// mentionsInside reports whether a function literal in an expression has something that the server says.
func (c *checker) mentionsInside(e ast.Expr) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if lit, ok := n.(*ast.FuncLit); ok && c.mentions(lit.Body) {
			found = true
		}
		return !found
	})
	return found
}

// hasAnswers reports whether a type is a struct with a field that has an answer.
func (c *checker) hasAnswers(t types.Type) bool {
	if t == nil {
		return false
	}
	st, ok := t.Underlying().(*types.Struct)
	if !ok {
		return false
	}
	for f := range st.Fields() {
		if f = f.Origin(); c.asking[f] || isBool(f.Type()) && !c.isConstant(c.defined(f)) {
			return true
		}
	}
	return false
}

// returnsAnswer reports whether a function returns what the server says: as a value, or by which constant.
func (c *checker) returnsAnswer(f *function) (found bool) {
	if f.typ.Results().Len() == 0 || !isScalar(f.typ.Results().At(0).Type()) {
		return false
	}
	asks := false
	constants := map[string]bool{}
	if name := f.typ.Results().At(0); name.Name() != "" && c.asking[name] {
		return true
	}
	ast.Inspect(f.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.IfStmt:
			asks = asks || c.mentions(n.Cond)
		case *ast.CaseClause:
			for _, e := range n.List {
				asks = asks || c.mentions(e)
			}
		case *ast.AssignStmt:
			for i, l := range n.Lhs {
				if c.variable(l) == f.typ.Results().At(0) && c.mentions(n.Rhs[min(i, len(n.Rhs)-1)]) {
					found = true
				}
			}
		case *ast.ReturnStmt:
			if len(n.Results) > 0 {
				if v := c.pass.TypesInfo.Types[n.Results[0]].Value; v != nil {
					constants[v.ExactString()] = true
				}
				found = found || c.mentions(n.Results[0])
			}
		}
		return true
	})
	return found || asks && len(constants) > 1
}

// isHas reports whether a call is Schema.Has.
func (c *checker) isHas(call *ast.CallExpr) bool { return c.isCall(call, hasMethods, "Has") }

// probePath stands for the path that a parameter has.
const probePath = "\x00"

// hasPath is what it says that a server has a path.
func (c *checker) hasPath(path string) guard {
	if path == probePath && c.probing {
		return c.has(c.probed)
	}
	for _, server := range c.servers {
		if k := c.r.of(server, path); k != nil {
			return c.has(k.has)
		}
	}
	return c.doubt() // something of a distribution, for instance
}

// result is what the result of a call says as a condition.
func (c *checker) result(call *ast.CallExpr, index int) guard {
	if c.isHas(call) && len(call.Args) > 0 {
		switch path := c.text(call.Args[0]); {
		case index != 0:
			return c.noAnswer()
		case path == "":
			return c.doubt()
		default:
			return c.hasPath(path)
		}
	}
	if c.isCall(call, schemaPath, "Missing", "MissingIn") {
		if g, ok := c.missing(call); ok && index == 0 {
			return g.not()
		}
		return c.noAnswer()
	}
	if c.isCall(call, "errors", "AsType") && index == 1 {
		return c.matches(call, call.Args)
	}
	if c.isCall(call, schemaPath, "Query") && index == 1 {
		return c.noAnswer()
	}
	if cmd, server := c.commandOf(call); cmd != "" {
		if k := c.r.of(server, cmd); k != nil && (index > 0 || isErrorType(c.pass.TypesInfo.TypeOf(call))) {
			failed := c.r.all
			if c.tried[call] != 0 {
				failed = c.r.all &^ k.has
			}
			return guard{failed, k.has, c.r.all, k.has} // without an error the server has it
		}
		return c.nothing()
	}
	if c.isCall(call, "strings", "Contains", "HasPrefix", "HasSuffix", "EqualFold") && len(call.Args) == 2 {
		if notFound.MatchString(constantString(c.pass.TypesInfo, call.Args[1])) {
			if text, ok := ast.Unparen(call.Args[0]).(*ast.CallExpr); ok {
				if sel, ok := text.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Error" {
					return c.try(sel.X, requestTried)
				}
			} else if sel, ok := ast.Unparen(call.Args[0]).(*ast.SelectorExpr); ok && sel.Sel.Name == "Desc" {
				return c.try(sel.X, requestTried)
			}
		}
	}
	if fn := c.function(call); fn != nil {
		if index >= len(fn.results) {
			return c.nothing()
		}
		if fn.result(index).doubtful() || len(fn.tries) > 0 {
			if r := c.inline(fn, call); r != nil {
				return r[index]
			}
		}
		return fn.result(index)
	}
	if f := c.callee(call); f != nil {
		if a := c.fact(f); a != nil && index < len(a.Results) {
			return c.answered(a, call, index)
		}
	}
	if sig, ok := c.pass.TypesInfo.TypeOf(call.Fun).(*types.Signature); ok && index < sig.Results().Len() {
		t := sig.Results().At(index).Type()
		if isBool(t) && c.mentions(call) || isErrorType(t) && types.IsInterface(interfaceOf(c.callee(call))) && slices.ContainsFunc(call.Args, c.isKnownPath) {
			return c.doubt()
		}
	}
	return c.nothing()
}

func interfaceOf(f *types.Func) types.Type {
	if f == nil {
		return types.Typ[types.Invalid]
	}
	return recvType(f)
}

var notFound = regexp.MustCompile(`(?i)not( been)? found|NotFound|unsupported|unknown command`)

// noAnswer is the condition that a question has an error: the program knows nothing then.
func (c *checker) noAnswer() guard {
	return guard{no: c.r.all, maybe: c.r.all, maybeNot: c.r.all}
}

// answered is what the fact of another package's function says.
func (c *checker) answered(a *answer, call *ast.CallExpr, index int) guard {
	g := a.Results[index].guard()
	for i, t := range a.Tries {
		if i < len(call.Args) {
			if tried := c.try(call.Args[i], t); g.doubtful() && index == 0 && !c.isConstant(tried) {
				g = tried
			}
		}
	}
	if a.Path == 0 || a.Path > len(call.Args) {
		return g
	}
	path := c.text(call.Args[a.Path-1])
	if path == "" || len(call.Args) > c.callee(call).Signature().Params().Len() {
		return c.doubt()
	}
	has := c.hasPath(path)
	if has.doubtful() {
		return has
	}
	return g.within(has.yes).or(a.Lacks[index].guard().within(has.no))
}

func (g guardFact) guard() guard { return guard{g.Yes, g.No, g.Maybe, g.MaybeNot} }

func factOf(g guard) guardFact { return guardFact{g.yes, g.no, g.maybe, g.maybeNot} }

// fact returns what is known of an object of another package.
func (c *checker) fact(obj types.Object) *answer {
	if f, ok := obj.(*types.Func); ok {
		obj = f.Origin()
	}
	if obj.Pkg() == nil || obj.Pkg() == c.pass.Pkg {
		return nil
	}
	if a, ok := c.facts[obj]; ok {
		return a
	}
	a := new(answer)
	if !c.pass.ImportObjectFact(obj, a) {
		a = nil
	}
	c.facts[obj] = a
	return a
}

// imported is what a variable or a field of another package says as a condition.
func (c *checker) imported(v *types.Var) guard {
	if a := c.fact(v); a != nil && len(a.Results) > 0 {
		return a.Results[0].guard()
	}
	if len(c.defs[v]) > 0 && !c.visitingVar[v] {
		c.visitingVar[v] = true
		defer delete(c.visitingVar, v)
		return c.stored(v)
	}
	return c.nothing()
}

// inline finds the results of a function for the arguments of a call. It returns nil if these say nothing more.
func (c *checker) inline(fn *function, call *ast.CallExpr) []guard {
	params := fn.typ.Params()
	if c.inlining > 3 || fn.inlined || fn.graph == nil || params.Len() != len(call.Args) {
		return nil
	}
	bound := map[*types.Var]*def{}
	for i, arg := range call.Args {
		p := params.At(i)
		d := &def{e: arg, of: 1}
		switch t := p.Type(); {
		case c.isVersionType(t):
		case isErrorType(t):
			d.calls = c.origins(arg)
		case isBool(t):
			g := c.cond(arg)
			if !g.asks() {
				continue
			}
			d.is = &g
		case isBasic(t), isList(t) && isBasic(elemOf(t)):
			texts, all := c.texts(arg, 0)
			_, isNumber := c.number(arg, "0.0", 0)
			switch {
			case all && len(texts) == 1 && texts[0].e != nil:
				d.e = texts[0].e
			case !isNumber:
				continue
			}
		default:
			continue
		}
		bound[p] = d
	}
	if len(bound) == 0 {
		return nil
	}
	return c.evaluate(fn, bound)
}

func isBasic(t types.Type) bool {
	_, ok := t.Underlying().(*types.Basic)
	return ok
}

func (c *checker) isVersionType(t types.Type) bool { return isNamed(t, qmpPath, "Version") }

// evaluate finds the results of a function if some parameters have these values.
func (c *checker) evaluate(fn *function, bound map[*types.Var]*def) []guard {
	outer, asked, results, target := c.bound, c.asked, fn.results, c.target
	here := c.here
	c.bound = bound
	for p, d := range outer {
		if bound[p] == nil {
			bound[p] = d
		}
	}
	c.asked, c.target = nil, nil
	fn.results = make([]guard, len(results))
	fn.inlined = true
	c.inlining++
	c.quiet++
	c.run(fn, newFlow(c.r.all, c.r.all))
	c.quiet--
	c.inlining--
	fn.inlined = false
	found := fn.results
	c.bound, c.asked, fn.results, c.target = outer, asked, results, target
	c.here = here
	return found
}

// exports makes facts of what other packages can use.
func (c *checker) exports() {
	for _, f := range c.order {
		if f.obj == nil || !f.obj.Exported() {
			continue
		}
		a := &answer{Asks: c.asking[f.obj], Tries: f.tries, Exits: f.exits, Forward: f.forwards}
		asks := a.Asks || a.Exits && takesCondition(f.typ) || len(a.Tries) > 0 || a.Forward != nil
		doubtful := false
		for i := range f.results {
			g := f.result(i)
			a.Results = append(a.Results, factOf(g))
			asks, doubtful = asks || !c.isConstant(g), doubtful || g.doubtful()
		}
		if doubtful {
			c.probe(f, a)
		}
		if asks {
			c.pass.ExportObjectFact(f.obj, a)
		}
	}
	for v := range c.defs {
		if v.Pkg() != c.pass.Pkg || !v.Exported() || !v.IsField() && v.Parent() != c.pass.Pkg.Scope() {
			continue
		}
		g := c.nothing()
		if isBool(v.Type()) || isNilable(v.Type()) && !isErrorType(v.Type()) {
			g = c.stored(v)
		}
		if !c.isConstant(g) || c.asking[v] {
			c.pass.ExportObjectFact(v, &answer{Results: []guardFact{factOf(g)}, Asks: c.asking[v]})
		}
	}
}

// isConstant reports whether a condition is the same for all releases.
func (c *checker) isConstant(g guard) bool {
	return !g.doubtful() && (g.yes == 0 || g.yes == c.r.all) && (g.no == 0 || g.no == c.r.all)
}

func takesCondition(sig *types.Signature) bool {
	for p := range sig.Params().Variables() {
		if isBool(p.Type()) || isErrorType(p.Type()) {
			return true
		}
	}
	return false
}

// probe finds out whether the results of a function say that the server has the path that a parameter is.
func (c *checker) probe(f *function, a *answer) {
	for i := range f.typ.Params().Len() {
		p := f.typ.Params().At(i)
		if b, ok := elem(p.Type()).Underlying().(*types.Basic); !ok || b.Kind() != types.String {
			continue // a path, or a list that has one
		}
		ask := func(s state) (out []guardFact, exact bool) {
			c.probing, c.probed = true, s
			exact = true
			for i, g := range c.evaluate(f, map[*types.Var]*def{p: {e: probeLiteral, of: 1}}) {
				returns := i == f.typ.Results().Len()
				out, exact = append(out, factOf(g)), exact && (g.yes|g.no == c.r.all || returns && !g.doubtful())
			}
			c.probing = false
			return out, exact
		}
		has, ok := ask(c.r.all)
		lacks, ok2 := ask(0)
		if ok && ok2 {
			a.Path, a.Results, a.Lacks = i+1, has, lacks
			return
		}
	}
}

// probeLiteral is the value of a parameter that stands for any path.
var probeLiteral = &ast.BasicLit{Kind: token.STRING, Value: `"\x00"`}

// exits reports whether a function may panic or end the program.
func (c *checker) exits(f *types.Func) bool {
	if fn := c.funcs[f.Origin()]; fn != nil {
		return fn.exits
	}
	a := c.fact(f)
	return a != nil && a.Exits
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

// isTestify reports whether a call is one of package assert or package require.
func (c *checker) isTestify(call *ast.CallExpr, names ...string) bool {
	return len(call.Args) > 0 && (c.isCall(call, testifyPath+"require", names...) || c.isCall(call, testifyPath+"assert", names...))
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

// missing returns what the result of qmpschema.Missing says if it is empty.
func (c *checker) missing(e ast.Expr) (g guard, ok bool) {
	calls := []ast.Expr{ast.Unparen(e)}
	if obj := c.variable(e); obj != nil {
		if !isList(obj.Type()) {
			return g, false // the error
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
			return c.doubt()
		}
	}
	if !c.asked.known {
		return c.doubt()
	}
	return c.has(c.asked.has)
}

// need adds what a need asks for; it reports whether it is understood.
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
