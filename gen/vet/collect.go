package vet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/ctrlflow"
)

// A checker analyzes a package.
type checker struct {
	pass     *analysis.Pass
	r        *releases
	files    []*ast.File
	bindings map[*types.Package]*Bindings
	servers  []string                         // of the packages that are known
	derived  map[*types.TypeName]*types.Named // types that are made of generated ones
	facts    map[types.Object]*answer         // of other packages' objects

	// What the package has, which does not change.
	order    []*function
	funcs    map[types.Object]*function // functions, and variables that have a literal
	lits     map[*ast.FuncLit]*function
	defs     map[*types.Var][]*def
	defAt    map[ast.Expr]*def   // by the expression that is assigned to
	shared   map[*types.Var]bool // variables whose value the control flow does not say
	pointed  map[*types.Var]bool // bool variables to which pointers lead
	indexed  []indexed
	switches map[*ast.CaseClause]*ast.SwitchStmt
	cases    map[ast.Expr]*ast.BinaryExpr // tag == value, by the value
	implicit map[types.Object]bool        // variables of type switches
	aliases  map[*types.Var]*types.Var    // of qe, err: errors.As(err, &qe)
	cleared  map[clearing]state
	needs    map[*types.Var][]*ast.IfStmt      // fields with which conditions ask
	argsOf   map[types.Object]map[rawPath]bool // the commands that have a map as arguments

	// What the walks find out.
	asking      map[types.Object]bool // variables and functions that have what the server says
	askingNames map[string]bool       // of methods that do
	tried       map[ast.Node]trial
	raws        map[*ast.CompositeLit]rawPath
	found       map[string]finding
	changed     bool

	// The place of a walk.
	current     *function
	cur         *flow
	here        state // the releases that come to what is walked
	bound       map[*types.Var]*def
	probing     bool
	probed      state
	inlining    int
	numbering   *function    // the function whose numbers are wanted
	settling    bool         // the walk finds out which loops ask
	target      types.Object // the variable that targetLit becomes
	targetLit   *ast.CompositeLit
	visiting    map[ast.Expr]bool
	visitingVar map[*types.Var]bool
	asked       *asked
	reading     bool // a member that a server sends, which no request asks for
	quiet       int  // >0: a request is tried, or a round is not the last one
}

func newChecker(pass *analysis.Pass) *checker {
	return &checker{
		pass: pass, bindings: map[*types.Package]*Bindings{}, derived: map[*types.TypeName]*types.Named{}, facts: map[types.Object]*answer{},
		funcs: map[types.Object]*function{}, lits: map[*ast.FuncLit]*function{}, defs: map[*types.Var][]*def{}, defAt: map[ast.Expr]*def{},
		shared: map[*types.Var]bool{}, pointed: map[*types.Var]bool{}, switches: map[*ast.CaseClause]*ast.SwitchStmt{}, cases: map[ast.Expr]*ast.BinaryExpr{},
		implicit: map[types.Object]bool{}, aliases: map[*types.Var]*types.Var{}, cleared: map[clearing]state{}, needs: map[*types.Var][]*ast.IfStmt{},
		argsOf: map[types.Object]map[rawPath]bool{}, asking: map[types.Object]bool{}, askingNames: map[string]bool{},
		tried: map[ast.Node]trial{}, raws: map[*ast.CompositeLit]rawPath{}, found: map[string]finding{},
		visiting: map[ast.Expr]bool{}, visitingVar: map[*types.Var]bool{},
	}
}

// A function is a function of the package.
type function struct {
	obj     types.Object // nil for a literal
	body    *ast.BlockStmt
	typ     *types.Signature
	graph   *graph
	exits   bool // it may panic or end the program
	free    bool // it has callers that are not seen
	calls   int  // places that call it
	callees []*function

	entry, mayEntry state         // the releases that can come to it; see flow
	tried           int           // calls whose error is looked at
	results         []guard       // what each says as a condition, and, as the last one, where the function returns
	refuses         bool          // it makes an error where a condition is not understood
	tries           map[int]trial // parameters that are errors it looks at
	inlined         bool
	numbers         map[int]state // the constants that it returns, and where
	numbered        bool          // it returns nothing else, and asks exactly
	forwards        *forward      // the parameters that become a qmp.Raw
}

// result is what a result says as a condition. An error that the function only passes on says nothing of what it asked.
func (f *function) result(i int) guard {
	g := f.results[i]
	if i < f.typ.Results().Len() && isErrorType(f.typ.Results().At(i).Type()) && !f.refuses {
		g.yes, g.no = g.maybe, g.maybeNot
	}
	return g
}

// An indexed is an assignment to an element of a variable.
type indexed struct {
	root    types.Object
	value   ast.Expr
	pointer bool // it is what the variable points to
}

// A clearing is a member or a key that the program takes away from a variable.
type clearing struct {
	root types.Object
	name string
}

// collect finds the functions of the package and the assignments.
func (c *checker) collect() {
	graphs := c.pass.ResultOf[ctrlflow.Analyzer].(*ctrlflow.CFGs)
	for _, f := range c.files {
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Body != nil {
				obj := c.pass.TypesInfo.Defs[d.Name].(*types.Func)
				fn := &function{obj: obj, body: d.Body, typ: obj.Signature(), graph: newGraph(graphs.FuncDecl(d))}
				switch name := d.Name.Name; {
				case d.Recv == nil && (name == "main" || name == "init"), name == "_", d.Name.IsExported() && (d.Recv != nil || c.pass.Pkg.Name() != "main"):
					fn.free = true
				}
				c.add(fn)
				c.funcs[obj] = fn
				c.order = append(c.order, fn)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.FuncLit); ok {
				fn := &function{body: lit.Body, typ: c.pass.TypesInfo.TypeOf(lit).(*types.Signature), graph: newGraph(graphs.FuncLit(lit))}
				c.add(fn)
				c.lits[lit] = fn
			}
			return true
		})
	}
	for _, f := range c.files {
		c.types(f)
		c.assignments(f)
	}
	for v, defs := range c.defs {
		if !v.IsField() && len(defs) == 1 && defs[0].e != nil && v.Parent() != c.pass.Pkg.Scope() {
			if lit, ok := ast.Unparen(defs[0].e).(*ast.FuncLit); ok {
				c.funcs[v] = c.lits[lit]
				c.order = append(c.order, c.lits[lit])
			}
		}
	}
	for _, f := range c.files {
		c.parameters(f)
		c.uses(f)
	}
	c.roots()
	c.findAnswers()
	for _, f := range c.files {
		c.findNeeds(f)
	}
	for _, f := range c.order {
		c.findProbes(f.body)
	}
}

func (c *checker) add(fn *function) {
	fn.results = make([]guard, fn.typ.Results().Len()+1)
	for _, b := range fn.graph.blocks {
		if b.Live && len(b.Succs) == 0 && b.Return() == nil {
			fn.exits = true
		}
	}
}

// types finds the types that are made of generated ones, and the variables of type switches.
func (c *checker) types(f *ast.File) {
	info := c.pass.TypesInfo
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.TypeSpec:
			if name, ok := info.Defs[n.Name].(*types.TypeName); ok && !name.IsAlias() {
				if of, ok := types.Unalias(info.TypeOf(n.Type)).(*types.Named); ok && of.Obj().Pkg() != nil && c.bindings[of.Obj().Pkg()] != nil {
					c.derived[name] = of
				}
			}
		case *ast.CaseClause:
			if obj := info.Implicits[n]; obj != nil {
				c.implicit[obj] = true
			}
		case *ast.SwitchStmt:
			for _, clause := range n.Body.List {
				c.switches[clause.(*ast.CaseClause)] = n
			}
		}
		return true
	})
}

// root is the variable that has what an expression is a part of.
func (c *checker) rootOf(e ast.Expr) types.Object {
	switch n := ast.Unparen(e).(type) {
	case *ast.IndexExpr:
		return c.rootOf(n.X)
	case *ast.StarExpr:
		return c.rootOf(n.X)
	case *ast.UnaryExpr:
		return c.rootOf(n.X)
	}
	return c.variable(e)
}

// assignments collects what variables and fields have their values from.
func (c *checker) assignments(f *ast.File) {
	depth := map[types.Object]ast.Node{} // the function that declares a variable
	var funcs []ast.Node
	add := func(name ast.Expr, d *def) {
		v, ok := c.variable(name).(*types.Var)
		if !ok {
			e := ast.Unparen(name)
			root := c.rootOf(e)
			if d.e == nil || root == nil {
				return
			}
			_, pointer := e.(*ast.StarExpr)
			c.indexed = append(c.indexed, indexed{root, d.e, pointer})
			if i, ok := e.(*ast.IndexExpr); ok {
				c.indexed = append(c.indexed, indexed{root, i.Index, false})
			}
			return
		}
		d.stmt = d.stmt && len(funcs) > 0
		c.defs[v] = append(c.defs[v], d)
		c.defAt[name] = d
		if len(funcs) > 0 {
			inside := funcs[len(funcs)-1]
			if id, ok := name.(*ast.Ident); ok && c.pass.TypesInfo.Defs[id] != nil {
				depth[v] = inside
			} else if of := depth[v]; of != nil && of != inside {
				c.shared[v] = true
			} else if of == nil && !v.IsField() && !contains(inside, v) {
				c.shared[v] = true // a parameter of an outer function
			}
		}
	}
	pairs := func(names []ast.Expr, values []ast.Expr) {
		for i, n := range names {
			switch {
			case len(values) == len(names):
				add(n, &def{e: values[i], of: 1, stmt: true})
			case len(values) == 1:
				add(n, &def{e: values[0], index: i, of: len(names), stmt: true})
			case len(values) == 0:
				add(n, &def{of: 1, stmt: true})
			}
		}
	}
	var stack []ast.Node
	ast.Inspect(f, func(n ast.Node) bool {
		if n == nil {
			switch stack[len(stack)-1].(type) {
			case *ast.FuncDecl, *ast.FuncLit:
				funcs = funcs[:len(funcs)-1]
			}
			stack = stack[:len(stack)-1]
			return true
		}
		stack = append(stack, n)
		switch n := n.(type) {
		case *ast.FuncDecl, *ast.FuncLit:
			funcs = append(funcs, n)
		case *ast.AssignStmt:
			if n.Tok == token.ASSIGN || n.Tok == token.DEFINE {
				pairs(n.Lhs, n.Rhs)
			} else {
				add(n.Lhs[0], &def{unknown: true, e: n.Rhs[0], of: 1, stmt: true})
			}
		case *ast.IncDecStmt:
			add(n.X, &def{unknown: true, of: 1, stmt: true})
		case *ast.RangeStmt:
			if n.Key != nil {
				add(n.Key, &def{unknown: true, of: 1, stmt: true})
			}
			if n.Value != nil {
				add(n.Value, &def{e: n.X, elem: true, of: 1, stmt: true})
			}
		case *ast.ValueSpec:
			names := make([]ast.Expr, len(n.Names))
			for i, name := range n.Names {
				names[i] = name
			}
			pairs(names, n.Values)
		case *ast.CompositeLit:
			c.fieldValues(n)
		case *ast.UnaryExpr:
			if v, ok := c.variable(n.X).(*types.Var); ok && n.Op == token.AND && !isStruct(v.Type()) {
				c.shared[v] = true
			}
			if v, ok := c.variable(n.X).(*types.Var); ok && n.Op == token.AND && isBool(v.Type()) {
				c.pointed[v] = true
			}
		case *ast.SendStmt:
			if root := c.rootOf(n.Chan); root != nil {
				c.indexed = append(c.indexed, indexed{root, n.Value, false})
			}
		case *ast.CallExpr:
			c.special(n)
		}
		return true
	})
}

func contains(n ast.Node, v *types.Var) bool { return n.Pos() <= v.Pos() && v.Pos() < n.End() }

func isStruct(t types.Type) bool {
	_, ok := t.Underlying().(*types.Struct)
	return ok
}

// clear notes that the program takes something away again, if it does so where only some releases come:
// if !has { add.Active = nil }.
func (c *checker) clear(from types.Object, name string) {
	if c.cur == nil || from == nil || !c.learns() || c.cur.may == c.r.all && c.cur.s == c.r.all {
		return
	}
	s := c.cleared[clearing{from, name}]
	if c.grow(&s, c.cur.may); c.cur.s != c.cur.may {
		c.grow(&s, c.r.all)
	}
	c.cleared[clearing{from, name}] = s
}

// special collects the targets of errors.As.
func (c *checker) special(n *ast.CallExpr) {
	if c.isCall(n, "errors", "As") && len(n.Args) == 2 {
		if u, ok := ast.Unparen(n.Args[1]).(*ast.UnaryExpr); ok {
			if v, ok := c.variable(u.X).(*types.Var); ok {
				d := &def{e: n.Args[0], unknown: true, of: 1, stmt: true}
				c.defs[v] = append(c.defs[v], d)
				c.defAt[n.Args[1]] = d
				if of, ok := c.variable(n.Args[0]).(*types.Var); ok {
					c.aliases[v] = of
				}
			}
		}
	}
}

// errorAs gives the target of errors.As the error.
func (c *checker) errorAs(n *ast.CallExpr) {
	if c.isCall(n, "errors", "As") && len(n.Args) == 2 {
		if d := c.defAt[n.Args[1]]; d != nil {
			c.originsOf(d)
		}
	}
}

// fieldValues adds what a literal gives the fields of a struct of a program.
func (c *checker) fieldValues(lit *ast.CompositeLit) {
	t := c.pass.TypesInfo.TypeOf(lit)
	if t == nil {
		return
	}
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	st, ok := t.Underlying().(*types.Struct)
	if !ok {
		return
	}
	if b, _ := c.binding(t); b != nil || isRaw(t) {
		return
	}
	for i, elt := range lit.Elts {
		var v *types.Var
		value := elt
		if kv, ok := elt.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok {
				v, _ = c.pass.TypesInfo.Uses[key].(*types.Var)
			}
			value = kv.Value
		} else if i < st.NumFields() {
			v = st.Field(i)
		}
		if v == nil {
			continue
		}
		v = v.Origin()
		c.defs[v] = append(c.defs[v], &def{e: value, of: 1})
	}
}

// parameters adds what calls give the parameters of functions.
func (c *checker) parameters(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		fn := c.function(call)
		if fn == nil || fn.typ.Variadic() || len(call.Args) != fn.typ.Params().Len() {
			return true
		}
		for i, arg := range call.Args {
			p := fn.typ.Params().At(i)
			switch {
			case !fn.free:
				c.defs[p] = append(c.defs[p], &def{e: arg, of: 1})
			case isBool(p.Type()): // callers that are not seen may ask too
				c.defs[p] = append(c.defs[p], &def{e: arg, of: 1}, &def{unknown: true, of: 1})
			}
		}
		return true
	})
}

// uses finds the functions that are called only, and never used as a value.
func (c *checker) uses(f *ast.File) {
	called := map[*ast.Ident]bool{}
	var caller *function
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			caller = c.funcs[c.pass.TypesInfo.Defs[n.Name]]
		case *ast.GenDecl:
			if caller != nil && n.Pos() > caller.body.End() {
				caller = nil
			}
		case *ast.CallExpr:
			switch fun := ast.Unparen(n.Fun).(type) {
			case *ast.Ident:
				called[fun] = true
			case *ast.SelectorExpr:
				called[fun.Sel] = true
			case *ast.IndexExpr:
				if id, ok := fun.X.(*ast.Ident); ok {
					called[id] = true
				}
			}
		case *ast.Ident:
			obj := c.pass.TypesInfo.Uses[n]
			if f, ok := obj.(*types.Func); ok {
				obj = f.Origin()
			}
			fn := c.funcs[obj]
			if fn == nil {
				break
			}
			if called[n] {
				fn.calls++
			} else {
				fn.free = true
			}
			if caller != nil {
				caller.callees = append(caller.callees, fn)
			} else {
				fn.free = true // of a variable of the package
			}
		}
		return true
	})
}

// roots makes functions free that nothing calls but functions that they call.
func (c *checker) roots() {
	reached := map[*function]bool{}
	var reach func(f *function)
	reach = func(f *function) {
		if !reached[f] {
			reached[f] = true
			for _, callee := range f.callees {
				reach(callee)
			}
		}
	}
	for _, f := range c.order {
		if f.free || f.calls == 0 {
			reach(f)
		}
	}
	for _, f := range c.order {
		if !reached[f] {
			f.free = true
			reach(f)
		}
	}
}

// function is the function of the package that a call calls, nil if it is another one's or not known.
func (c *checker) function(call *ast.CallExpr) *function {
	if f := c.callee(call); f != nil {
		return c.method(f)
	}
	fun := ast.Unparen(call.Fun)
	if lit, ok := fun.(*ast.FuncLit); ok {
		return c.lits[lit]
	}
	obj, ok := c.variable(fun).(*types.Var)
	if !ok {
		return nil
	}
	if fn := c.funcs[obj]; fn != nil {
		return fn
	}
	if defs := c.defs[obj]; len(defs) == 1 && defs[0].e != nil && defs[0].of == 1 && !defs[0].elem { // h := v.has
		switch e := ast.Unparen(defs[0].e).(type) {
		case *ast.FuncLit:
			return c.lits[e]
		case *ast.Ident:
			if f, ok := c.pass.TypesInfo.Uses[e].(*types.Func); ok {
				return c.funcs[f.Origin()]
			}
		case *ast.SelectorExpr:
			if f, ok := c.pass.TypesInfo.Uses[e.Sel].(*types.Func); ok && c.pass.TypesInfo.Selections[e] != nil && c.pass.TypesInfo.Selections[e].Kind() == types.MethodVal {
				return c.method(f)
			}
		}
	}
	return nil
}

// method is a function of the package. Of an interface's method it is the only one that implements it.
func (c *checker) method(f *types.Func) *function {
	f = f.Origin()
	i, ok := recvType(f).Underlying().(*types.Interface)
	if !ok {
		return c.funcs[f]
	}
	if f.Pkg() != c.pass.Pkg {
		return nil
	}
	var one *function
	for _, fn := range c.order {
		m, ok := fn.obj.(*types.Func)
		if !ok || m.Name() != f.Name() || m.Signature().Recv() == nil {
			continue
		}
		if types.Implements(m.Signature().Recv().Type(), i) || types.Implements(types.NewPointer(m.Signature().Recv().Type()), i) {
			if one != nil {
				return nil
			}
			one = fn
		}
	}
	return one
}

// solve walks all functions until it knows which releases can come to each. It then walks them once more and
// reports.
func (c *checker) solve() {
	for _, f := range c.order {
		if f.free || f.calls == 0 {
			f.entry, f.mayEntry = c.r.all, c.r.all
		}
	}
	c.quiet++
	for round := 0; round < 30; round++ {
		c.changed = false
		for _, f := range c.order {
			f.numbers = nil // what it calls may say more now
		}
		c.walkAll()
		if !c.changed {
			break
		}
	}
	c.quiet--
	c.walkAll()
}

func (c *checker) walkAll() {
	for _, f := range c.files {
		for _, d := range f.Decls {
			if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.VAR {
				for _, spec := range d.Specs {
					c.here, c.cur = c.r.all, newFlow(c.r.all, c.r.all)
					c.declare(spec.(*ast.ValueSpec), c.r.all)
				}
			}
		}
	}
	for _, f := range c.order {
		if f.mayEntry == 0 || f.obj == nil && (f.free || f.calls == 0) {
			continue
		}
		tried := f.calls > 0 && f.tried >= f.calls && !f.free
		if tried {
			c.quiet++
		}
		c.run(f, newFlow(f.entry, f.mayEntry))
		if tried {
			c.quiet--
		}
	}
	c.cur = nil
}

// grow adds releases to what is known of a function.
func (c *checker) grow(s *state, more state) {
	if more&^*s != 0 {
		*s |= more
		c.changed = c.changed || c.learns()
	}
}

// learns reports whether what a walk finds out of functions and variables counts: it is not one for the arguments of
// a call, nor one that finds out which loops ask.
func (c *checker) learns() bool { return c.inlining == 0 && !c.settling }
