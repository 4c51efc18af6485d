package vet

import (
	"go/ast"
	"go/token"
	"go/types"
)

// block walks statements. It returns the releases that come to its end, and whether control does.
func (c *checker) block(list []ast.Stmt, s state) (state, bool) {
	falls := true
	for _, stmt := range list {
		if !falls {
			s = 0
			if _, ok := stmt.(*ast.LabeledStmt); ok && c.current != nil {
				s, falls = c.current.entry, true
			}
		}
		var f bool
		s, f = c.stmt(stmt, s)
		falls = falls && f
	}
	return s, falls
}

// comes sets the releases that come to what is walked, until the function that it returns is called. A member that
// some of them lack does not make them fewer: what its value calls is called all the same.
func (c *checker) comes(s state) func() {
	outer := c.here
	c.here = s
	return func() { c.here = outer }
}

func (c *checker) stmt(stmt ast.Stmt, s state) (state, bool) {
	defer c.comes(s)()
	switch n := stmt.(type) {
	case nil:
	case *ast.BlockStmt:
		return c.block(n.List, s)
	case *ast.LabeledStmt:
		return c.stmt(n.Stmt, s)
	case *ast.ExprStmt:
		c.expr(n.X, s, "")
		if call, ok := n.X.(*ast.CallExpr); ok && c.neverReturns(call) {
			return 0, false
		}
	case *ast.AssignStmt:
		c.assign(n, s)
	case *ast.DeclStmt:
		c.declaration(n.Decl.(*ast.GenDecl), s)
	case *ast.ReturnStmt:
		c.ret(n, s)
		return 0, false
	case *ast.BranchStmt:
		return s, n.Tok == token.FALLTHROUGH
	case *ast.IfStmt:
		return c.ifStmt(n, s)
	case *ast.ForStmt:
		s, _ = c.stmt(n.Init, s)
		g := c.nothing()
		if n.Cond != nil {
			c.expr(n.Cond, s, "")
			g = c.cond(n.Cond)
		}
		c.block(n.Body.List, s&g.yes)
		c.stmt(n.Post, s)
	case *ast.RangeStmt:
		c.expr(n.X, s, "")
		c.block(n.Body.List, s)
	case *ast.SwitchStmt:
		return c.switchStmt(n, s)
	case *ast.TypeSwitchStmt:
		c.stmt(n.Init, s)
		c.stmt(n.Assign, s)
		return c.clauses(n.Body, s)
	case *ast.SelectStmt:
		return c.clauses(n.Body, s)
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
	}
	return s, true
}

func (c *checker) declaration(d *ast.GenDecl, s state) {
	for _, spec := range d.Specs {
		if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR {
			for i, value := range v.Values {
				if len(v.Values) == len(v.Names) {
					c.flow(value, c.pass.TypesInfo.TypeOf(v.Names[i]), s, "")
				} else {
					c.expr(value, s, "")
				}
			}
		}
	}
}

// ifStmt walks a condition and both ways.
func (c *checker) ifStmt(n *ast.IfStmt, s state) (state, bool) {
	s, _ = c.stmt(n.Init, s)
	c.expr(n.Cond, s, "")
	g := c.cond(n.Cond)
	failed := c.failedIn(n.Cond)
	if failed != nil {
		c.nonNil[failed]++
	}
	a, thenFalls := c.block(n.Body.List, s&g.yes)
	if failed != nil {
		c.nonNil[failed]--
	}
	b, elseFalls := s&g.no, true
	if n.Else != nil {
		b, elseFalls = c.stmt(n.Else, s&g.no)
	}
	switch {
	case thenFalls && elseFalls && g.doubt:
		return s, true
	case thenFalls && elseFalls:
		return a | b, true
	case thenFalls:
		return a, true
	case elseFalls:
		return b, true
	}
	return 0, false
}

// failedIn is the variable that is not nil if the condition err != nil holds.
func (c *checker) failedIn(cond ast.Expr) types.Object {
	b, ok := ast.Unparen(cond).(*ast.BinaryExpr)
	switch {
	case !ok:
		return nil
	case b.Op == token.LAND:
		if obj := c.failedIn(b.X); obj != nil {
			return obj
		}
		return c.failedIn(b.Y)
	case b.Op == token.NEQ && c.pass.TypesInfo.Types[b.Y].IsNil():
		return c.variable(b.X)
	}
	return nil
}

func (c *checker) switchStmt(n *ast.SwitchStmt, s state) (state, bool) {
	c.stmt(n.Init, s)
	if n.Tag != nil {
		c.expr(n.Tag, s, "")
	}
	left, end, falls, doubt := s, state(0), false, false
	var through state
	var byDefault *ast.CaseClause
	walk := func(clause *ast.CaseClause, in state) {
		out, f := c.block(clause.Body, in|through)
		through = 0
		switch {
		case f && endsWith(clause.Body, token.FALLTHROUGH):
			through = out
		case f || breaks(clause.Body):
			end, falls = end|out, true
			if !f {
				end |= in
			}
		}
	}
	for _, clause := range n.Body.List {
		clause := clause.(*ast.CaseClause)
		if clause.List == nil {
			byDefault = clause
			continue
		}
		var in state
		for _, e := range clause.List {
			g := c.nothing()
			if n.Tag == nil {
				c.expr(e, left, "")
				g = c.cond(e)
			} else {
				g = c.comparison(n.Tag, token.EQL, e)
			}
			in |= left & g.yes
			left &= g.no
			doubt = doubt || g.doubt
		}
		walk(clause, in)
	}
	if byDefault != nil {
		walk(byDefault, left)
	} else {
		end, falls = end|left, true
	}
	if doubt && falls {
		return s, true
	}
	return end, falls
}

func endsWith(list []ast.Stmt, tok token.Token) bool {
	if len(list) == 0 {
		return false
	}
	b, ok := list[len(list)-1].(*ast.BranchStmt)
	return ok && b.Tok == tok
}

// breaks reports whether statements have a break.
func breaks(list []ast.Stmt) (found bool) {
	for _, s := range list {
		ast.Inspect(s, func(n ast.Node) bool {
			if b, ok := n.(*ast.BranchStmt); ok && b.Tok == token.BREAK {
				found = true
			}
			return !found
		})
	}
	return found
}

// clauses walks those of a type switch or a select.
func (c *checker) clauses(body *ast.BlockStmt, s state) (state, bool) {
	end, falls, complete := state(0), false, false
	for _, clause := range body.List {
		var list []ast.Stmt
		switch clause := clause.(type) {
		case *ast.CaseClause:
			list, complete = clause.Body, complete || clause.List == nil
		case *ast.CommClause:
			c.stmt(clause.Comm, s)
			list, complete = clause.Body, true
		}
		out, f := c.block(list, s)
		if f || breaks(list) {
			end, falls = end|out, true
			if !f {
				end |= s
			}
		}
	}
	if !complete {
		return end | s, true
	}
	return end, falls
}

// ret walks the results of a function, and adds what they say to what is known of it.
func (c *checker) ret(n *ast.ReturnStmt, s state) {
	f := c.current
	for i, e := range n.Results {
		if f != nil && i < f.typ.Results().Len() && len(n.Results) == f.typ.Results().Len() {
			c.flow(e, f.typ.Results().At(i).Type(), s, "")
		} else {
			c.expr(e, s, "")
		}
	}
	if f == nil || f.typ.Results().Len() == 0 {
		return
	}
	last := f.typ.Results().Len() - 1
	if len(n.Results) != last+1 {
		g := guard{yes: c.r.all, no: c.r.all}
		if len(n.Results) == 1 {
			if call, ok := ast.Unparen(n.Results[0]).(*ast.CallExpr); ok {
				g = c.assigned(def{e: call, index: 0, of: last + 1})
			}
		}
		c.grow(&f.yes, s&g.yes)
		c.grow(&f.no, s&g.no)
		c.grow(&f.succeeds, s)
		c.grow(&f.fails, s)
		c.grow(&f.some, s)
		return
	}
	if !c.pass.TypesInfo.Types[ast.Unparen(n.Results[0])].IsNil() {
		c.grow(&f.some, s&c.some(n.Results[0]))
	}
	if isBool(f.typ.Results().At(0).Type()) {
		g := c.cond(n.Results[0])
		c.grow(&f.yes, s&g.yes)
		c.grow(&f.no, s&g.no)
		f.doubt = f.doubt || g.doubt
	}
	e := ast.Unparen(n.Results[last])
	switch {
	case c.pass.TypesInfo.Types[e].IsNil():
		c.grow(&f.succeeds, s)
	case c.isError(e):
		c.grow(&f.fails, s)
	default:
		c.grow(&f.succeeds, s)
		c.grow(&f.fails, s)
	}
}

// isError reports whether an expression is an error, and not nil.
func (c *checker) isError(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CallExpr:
		return c.isCall(e, "errors", "New") || c.isCall(e, "fmt", "Errorf")
	case *ast.UnaryExpr, *ast.CompositeLit:
		return true
	}
	obj := c.variable(e)
	return obj != nil && (c.nonNil[obj] > 0 || obj.Parent() != nil && obj.Pkg() != nil && obj.Parent() == obj.Pkg().Scope())
}

// neverReturns reports whether a call ends the function.
func (c *checker) neverReturns(call *ast.CallExpr) bool {
	if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" {
		_, builtin := c.pass.TypesInfo.Uses[id].(*types.Builtin)
		return builtin
	}
	return c.isCall(call, "os", "Exit") || c.isCall(call, "log", "Fatal", "Fatalf", "Fatalln", "Panic", "Panicf") ||
		c.isCall(call, "testing", "Fatal", "Fatalf", "FailNow", "Skip", "Skipf", "SkipNow") || c.isCall(call, "runtime", "Goexit")
}

func (c *checker) assign(n *ast.AssignStmt, s state) {
	for i, l := range n.Lhs {
		in, path := s, ""
		switch l := ast.Unparen(l).(type) {
		case *ast.SelectorExpr:
			c.expr(l.X, s, "")
			if n.Tok == token.ASSIGN && (len(n.Rhs) != len(n.Lhs) || !c.pass.TypesInfo.Types[n.Rhs[i]].IsNil()) {
				in = s
				if len(n.Rhs) == len(n.Lhs) {
					in &= c.some(n.Rhs[i])
				}
				in, path = c.setMember(l, in)
			}
			if len(n.Rhs) == len(n.Lhs) && isRaw(c.pass.TypesInfo.TypeOf(l.X)) && l.Sel.Name == "Command" {
				c.rawCommand(n.Rhs[i], s)
			}
		case *ast.Ident:
		default:
			c.expr(l, s, "")
		}
		if len(n.Rhs) == len(n.Lhs) {
			c.flow(n.Rhs[i], c.pass.TypesInfo.TypeOf(l), in, path)
		}
	}
	if len(n.Rhs) != len(n.Lhs) {
		c.expr(n.Rhs[0], s, "")
	}
}

// setMember is the use of a member that is assigned to. It returns the releases that have it, and its path.
func (c *checker) setMember(sel *ast.SelectorExpr, s state) (state, string) {
	b, t := c.binding(c.pass.TypesInfo.TypeOf(sel.X))
	if b == nil || !isSent(t) {
		return s, ""
	}
	st, ok := t.Underlying().(*types.Struct)
	if !ok {
		return s, ""
	}
	for i := range st.NumFields() {
		if st.Field(i).Name() == sel.Sel.Name {
			if cmd := b.Commands[t.Obj().Name()]; cmd != "" {
				if k := c.r.of(b.Server, cmd); k != nil {
					s &= k.has
				}
			}
			return c.member(sel.Sel.Pos(), b, t, st, i, b.root(t), s)
		}
	}
	return s, ""
}

// root is the path of a type.
func (b *Bindings) root(t *types.Named) string {
	name := t.Obj().Name()
	if cmd := b.Commands[name]; cmd != "" {
		return cmd + "/arg-type"
	}
	if event := b.Events[name]; event != "" {
		return event + "/arg-type"
	}
	return b.Types[name]
}

// binding returns the generated package of a type or of what it points to, and the type; nil if it is another's.
func (c *checker) binding(t types.Type) (*Bindings, *types.Named) {
	n := namedOf(t)
	if n == nil || n.Obj().Pkg() == nil {
		return nil, nil
	}
	b := c.bindings[n.Obj().Pkg()]
	if b == nil {
		return nil, nil
	}
	return b, n
}

// member is the use of a member at a place. It returns the releases that have it, and its path; the path is ""
// if the member is none, as the branch and the fields of an alternate.
func (c *checker) member(pos token.Pos, b *Bindings, t *types.Named, st *types.Struct, i int, base string, s state) (state, string) {
	wire := wireName(st, i)
	if wire == "" {
		return s, base
	}
	for _, base := range []string{base, b.root(t)} {
		path := base + "/" + component(wire)
		if k := c.r.of(b.Server, path); base != "" && k != nil {
			if base == b.root(t) {
				s &= c.typed(b, t.Obj().Name())
			}
			c.use(pos, goName(t.Obj())+"."+st.Field(i).Name(), b.Server, path, s)
			return s & k.has, path
		}
	}
	return s, ""
}

// typed returns the releases that have a type. Another release either lacks what is of the type, which is reported
// where it is used, or takes any value there: object-add of 5.2 has no list of objects.
func (c *checker) typed(b *Bindings, name string) state {
	if b.Commands[name]+b.Events[name] == "" {
		if k := c.r.of(b.Server, b.Types[name]); k != nil {
			return k.has
		}
	}
	return c.r.all
}

// goName is a name with its package.
func goName(obj types.Object) string { return obj.Pkg().Name() + "." + obj.Name() }

// flow walks an expression that becomes a value of a type: a branch of a union, or a request to execute.
func (c *checker) flow(e ast.Expr, target types.Type, s state, path string) {
	source := c.pass.TypesInfo.TypeOf(e)
	if target != nil && source != nil && types.IsInterface(target) && !types.IsInterface(source) {
		if b, iface := c.binding(target); b != nil {
			if u, ok := b.Branches[iface.Obj().Name()]; ok {
				if path == "" {
					path = b.Types[u.Union]
				}
				s, path = c.branch(e, b, u, path, "", s)
			}
		} else if hasDo(target) {
			c.request(e.Pos(), source, s)
		}
	}
	c.expr(e, s, path)
}

// hasDo reports whether an interface has the method of requests.
func hasDo(t types.Type) bool {
	i, ok := t.Underlying().(*types.Interface)
	if !ok {
		return false
	}
	for m := range i.Methods() {
		if m.Name() == "Do" {
			return true
		}
	}
	return false
}

// request is the use of a command, if the type is a request.
func (c *checker) request(pos token.Pos, t types.Type, s state) {
	if b, n := c.binding(t); b != nil {
		if cmd := b.Commands[n.Obj().Name()]; cmd != "" && c.asked == nil {
			c.use(pos, goName(n.Obj()), b.Server, cmd, s)
		}
	}
}

// branch is the use of a branch. If tag is not empty, it is the discriminator, which was judged already.
func (c *checker) branch(e ast.Expr, b *Bindings, u Branches, union, tag string, s state) (state, string) {
	t := namedOf(c.pass.TypesInfo.TypeOf(e))
	if t == nil {
		return s, ""
	}
	values := u.Values[t.Obj().Name()]
	if tag != "" {
		values = []string{tag}
	}
	s &= c.typed(b, u.Union)
	var has state
	var last string
	for _, v := range values {
		for _, base := range []string{union, b.Types[u.Union]} {
			if k := c.r.of(b.Server, base+"/+"+v); k != nil {
				has |= k.has
				last = base + "/+" + v
				break
			}
		}
	}
	if last == "" {
		return s, ""
	}
	if len(values) > 1 {
		return s & has, ""
	}
	if tag == "" {
		c.use(e.Pos(), goName(t.Obj()), b.Server, last, s)
	}
	return s & has, last
}
