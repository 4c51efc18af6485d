package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"strconv"
	"strings"
)

// expr walks an expression. If path is not empty, the value is of what the path leads to.
func (c *checker) expr(e ast.Expr, s state, path string) {
	if e == nil {
		return
	}
	if c.asked == nil {
		c.at[e] |= s
	}
	if c.tried[e] == requestTried {
		c.quiet++
		defer func() { c.quiet-- }()
	}
	if c.constant(e, s, path) {
		return
	}
	switch n := e.(type) {
	case *ast.ParenExpr:
		c.expr(n.X, s, path)
	case *ast.UnaryExpr:
		c.expr(n.X, s, path)
	case *ast.StarExpr:
		c.optional(n.X, s)
		c.expr(n.X, s, "")
	case *ast.BinaryExpr:
		switch n.Op {
		case token.LAND:
			c.expr(n.X, s, "")
			yes := s & c.cond(n.X).yes
			back := c.comes(yes)
			c.expr(n.Y, yes, "")
			back()
		case token.LOR:
			c.expr(n.X, s, "")
			no := s & c.cond(n.X).no
			back := c.comes(no)
			c.expr(n.Y, no, "")
			back()
		case token.EQL, token.NEQ:
			c.operand(n.X, s)
			c.operand(n.Y, s)
		default:
			c.expr(n.X, s, "")
			c.expr(n.Y, s, "")
		}
	case *ast.SelectorExpr:
		c.selector(n, s)
	case *ast.IndexExpr:
		c.expr(n.X, s, "")
		c.operand(n.Index, s)
	case *ast.SliceExpr:
		c.expr(n.X, s, "")
	case *ast.TypeAssertExpr:
		c.expr(n.X, s, "")
	case *ast.CompositeLit:
		c.literal(n, s, path)
	case *ast.FuncLit:
		if c.lits[n] == nil {
			outer := c.current
			c.current = &function{
				body: n.Body, typ: c.pass.TypesInfo.TypeOf(n).(*types.Signature), entry: s,
				yes: c.r.all, no: c.r.all, some: c.r.all, succeeds: c.r.all, fails: c.r.all, // nobody asks
			}
			c.block(n.Body.List, s)
			c.current = outer
		}
	case *ast.CallExpr:
		c.call(n, s, path)
	}
}

// operand walks what is compared: a constant is not used then.
func (c *checker) operand(e ast.Expr, s state) {
	if c.pass.TypesInfo.Types[e].Value == nil {
		c.expr(e, s, "")
	}
}

// constant is the use of an enum's value. It reports whether the expression is a constant.
func (c *checker) constant(e ast.Expr, s state, path string) bool {
	tv := c.pass.TypesInfo.Types[e]
	if tv.Value == nil {
		return false
	}
	b, t := c.binding(tv.Type)
	if b == nil || !b.Sent[t.Obj().Name()] {
		return true
	}
	value, err := strconv.Unquote(tv.Value.ExactString())
	if err != nil || value == "" {
		return true
	}
	what := goName(t.Obj()) + "(" + strconv.Quote(value) + ")"
	var obj types.Object
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		obj = c.pass.TypesInfo.Uses[e]
	case *ast.SelectorExpr:
		obj = c.pass.TypesInfo.Uses[e.Sel]
	}
	if obj != nil && obj.Pkg() != nil {
		what = goName(obj)
	}
	s &= c.typed(b, t.Obj().Name())
	for _, base := range []string{path, b.Types[t.Obj().Name()]} {
		if base != "" && c.r.of(b.Server, base+"/^"+value) != nil {
			c.use(e.Pos(), what, b.Server, base+"/^"+value, s)
			break
		}
	}
	return true
}

// selector is the use of a method Do, and the reading of a member.
func (c *checker) selector(n *ast.SelectorExpr, s state) {
	selection := c.pass.TypesInfo.Selections[n]
	if selection == nil {
		return // a package's
	}
	if n.Sel.Name == "Do" {
		c.request(n.X.Pos(), selection.Recv(), s)
	}
	c.optional(n.X, s)
	if selection.Kind() == types.FieldVal {
		c.read(n, s, false)
	}
	c.expr(n.X, s, "")
}

// optional is the use of a pointer that a member is, if it is followed without a look.
func (c *checker) optional(e ast.Expr, s state) {
	sel, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok || c.nilChecked[types.ExprString(sel)] {
		return
	}
	if _, ok := c.pass.TypesInfo.TypeOf(sel).Underlying().(*types.Pointer); ok {
		c.read(sel, s, true)
	}
}

// read is the use of a member of what a server sent. That of a pointer or a list is a question unless the pointer
// is followed.
func (c *checker) read(n *ast.SelectorExpr, s state, followed bool) {
	b, t := c.binding(c.pass.TypesInfo.TypeOf(n.X))
	if b == nil || !isReceived(t) {
		return
	}
	st, ok := t.Underlying().(*types.Struct)
	if !ok {
		return
	}
	for i := range st.NumFields() {
		f := st.Field(i)
		if f.Name() != n.Sel.Name {
			continue
		}
		switch f.Type().Underlying().(type) {
		case *types.Pointer:
			if !followed {
				return
			}
		case *types.Slice, *types.Map, *types.Interface:
			return
		}
		deprecated := options.deprecated
		options.deprecated = false // a member that comes is not asked for
		c.member(n.Sel.Pos(), b, t, st, i, b.root(t), s)
		options.deprecated = deprecated
	}
}

// call walks a call.
func (c *checker) call(n *ast.CallExpr, s state, path string) {
	info := c.pass.TypesInfo
	if t := c.tried[n]; t == commandTried {
		if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Do" {
			if cmd, server := c.commandOf(n); cmd != "" {
				if k := c.r.of(server, cmd); k != nil {
					s &= k.has
				}
			}
		}
	}
	if tv := info.Types[n.Fun]; tv.IsType() {
		inner := path
		if b, t := c.binding(tv.Type); b != nil && b.Commands[t.Obj().Name()] != "" {
			inner = b.root(t)
			if k := c.r.of(b.Server, b.Commands[t.Obj().Name()]); k != nil {
				s &= k.has
			}
		}
		c.expr(n.Args[0], s, inner)
		return
	}
	if _, ok := c.hasCall(n); ok || c.isCall(n, schemaPath, "Missing", "MissingIn") {
		return // questions
	}
	if f := c.function(n); f != nil {
		c.grow(&f.entry, c.here)
	}
	if id, ok := n.Fun.(*ast.Ident); ok {
		if _, ok := info.Uses[id].(*types.Builtin); ok {
			for _, a := range n.Args {
				if !info.Types[a].IsType() {
					c.expr(a, s, path)
				}
			}
			return
		}
	}
	c.events(n, s)
	c.expr(n.Fun, s, "")
	sig, ok := info.TypeOf(n.Fun).(*types.Signature)
	if !ok {
		return
	}
	if c.isCall(n, qmpPath, "NonZero") {
		c.expr(n.Args[0], s, path)
		return
	}
	compares := c.isSearch(n)
	for i, a := range n.Args {
		if compares {
			c.operand(a, s)
			continue
		}
		c.flow(a, parameter(sig, i, n.Ellipsis.IsValid()), s, "")
	}
}

// isSearch reports whether a call compares its arguments or prints them: values there are not sent.
func (c *checker) isSearch(n *ast.CallExpr) bool {
	f := c.callee(n)
	if f == nil || f.Pkg() == nil {
		return false
	}
	switch path := f.Pkg().Path(); path {
	case "slices", "strings", "maps", "fmt", "log", "log/slog", "testing", "reflect", "cmp":
		return f.Name() != "Concat" && f.Name() != "Insert" && f.Name() != "Clone"
	default:
		return strings.Contains(path, "testify/") || f.Name() == "Value" && path == qmpPath
	}
}

// parameter is the type of an argument's parameter.
func parameter(sig *types.Signature, i int, spread bool) types.Type {
	last := sig.Params().Len() - 1
	switch {
	case last < 0:
		return nil
	case sig.Variadic() && i >= last:
		t := sig.Params().At(last).Type()
		if sl, ok := t.(*types.Slice); ok && !spread {
			return sl.Elem()
		}
		return t
	case i <= last:
		return sig.Params().At(i).Type()
	}
	return nil
}

// events is the use of events: Subscribe[T], AwaitEvent[T], and the names that Events and Await take.
func (c *checker) events(n *ast.CallExpr, s state) {
	f := c.callee(n)
	if f == nil {
		return
	}
	fromQMP := f.Pkg() != nil && f.Pkg().Path() == qmpPath
	if fromQMP && (f.Name() == "Subscribe" || f.Name() == "AwaitEvent") {
		fun := ast.Unparen(n.Fun)
		switch g := fun.(type) {
		case *ast.IndexExpr:
			fun = g.X
		case *ast.IndexListExpr:
			fun = g.X
		}
		if sel, ok := fun.(*ast.SelectorExpr); ok {
			args := c.pass.TypesInfo.Instances[sel.Sel].TypeArgs
			if args != nil && args.Len() > 0 {
				if b, t := c.binding(args.At(0)); b != nil {
					if event := b.Events[t.Obj().Name()]; event != "" {
						c.use(n.Pos(), goName(t.Obj()), b.Server, event, s)
					}
				}
			}
		}
	}
	if f.Name() == "Events" || fromQMP && (f.Name() == "Await" || f.Name() == "EventsFunc") {
		sig := f.Signature()
		if !sig.Variadic() {
			return
		}
		for _, a := range n.Args[min(len(n.Args), sig.Params().Len()-1):] {
			c.eventName(a, s)
		}
	}
}

func (c *checker) eventName(e ast.Expr, s state) {
	name := constantString(c.pass.TypesInfo, e)
	if name == "" {
		for _, source := range c.sources(e) {
			if lit, ok := source.(*ast.CompositeLit); ok {
				for _, elt := range lit.Elts {
					c.eventName(elt, s)
				}
			}
		}
		return
	}
	for _, server := range c.servers {
		if c.r.of(server, name) != nil {
			c.use(e.Pos(), "event", server, name, s)
			return
		}
	}
}

// isRaw reports whether a type is qmp.Raw or qmp.Call.
func isRaw(t types.Type) bool {
	n := namedOf(t)
	return n != nil && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == qmpPath && (n.Obj().Name() == "Raw" || n.Obj().Name() == "Call")
}

// rawCommand is the use of a command by its name. It returns the command's path and server, and the releases that
// have it.
func (c *checker) rawCommand(e ast.Expr, s state) (server, path string, has state) {
	name := constantString(c.pass.TypesInfo, e)
	for _, server := range c.servers {
		if k := c.r.of(server, name); k != nil {
			c.use(e.Pos(), "command", server, name, s)
			return server, name, s & k.has
		}
	}
	return "", "", s
}

// raw walks a literal of qmp.Raw.
func (c *checker) raw(lit *ast.CompositeLit, s state) {
	var server, path string
	for i, elt := range lit.Elts {
		name, value := "", elt
		if kv, ok := elt.(*ast.KeyValueExpr); ok {
			name, value = kv.Key.(*ast.Ident).Name, kv.Value
		} else if i == 0 {
			name = "Command"
		}
		if name == "Command" {
			server, path, s = c.rawCommand(value, s)
			continue
		}
		if args, ok := value.(*ast.CompositeLit); ok && path != "" {
			for _, arg := range args.Elts {
				kv, ok := arg.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				if key := constantString(c.pass.TypesInfo, kv.Key); key != "" {
					c.use(kv.Pos(), "member", server, path+"/arg-type/"+component(key), s)
				}
			}
		}
		c.expr(value, s, "")
	}
}

// literal walks a composite literal: its members are set.
func (c *checker) literal(lit *ast.CompositeLit, s state, path string) {
	t := c.pass.TypesInfo.TypeOf(lit)
	if isRaw(t) {
		c.raw(lit, s)
		return
	}
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	st, ok := t.Underlying().(*types.Struct)
	if !ok {
		for _, elt := range lit.Elts {
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				c.operand(kv.Key, s)
				elt = kv.Value
			}
			c.flow(elt, elemOf(t), s, path)
		}
		return
	}
	b, named := c.binding(t)
	sent := b != nil && isSent(named)
	var base string
	if sent {
		base = path
		if cmd := b.Commands[named.Obj().Name()]; cmd != "" {
			if k := c.r.of(b.Server, cmd); k != nil {
				s &= k.has
			}
			base = ""
		}
		if base == "" {
			base = b.root(named)
		}
	}
	tag, tagged := c.tag(lit, b, st, base)
	for i, elt := range lit.Elts {
		at, value := i, elt
		pos := elt.Pos()
		if kv, ok := elt.(*ast.KeyValueExpr); ok {
			key, ok := kv.Key.(*ast.Ident)
			if !ok {
				continue
			}
			at, value = fieldIndex(st, key.Name), kv.Value
		}
		if at < 0 || at >= st.NumFields() {
			continue
		}
		field := st.Field(at)
		if !sent || c.pass.TypesInfo.Types[value].IsNil() {
			c.flow(value, field.Type(), s, "")
			continue
		}
		if fb, iface := c.binding(field.Type()); fb != nil && types.IsInterface(field.Type()) {
			if u, ok := fb.Branches[iface.Obj().Name()]; ok {
				in, inner := c.branch(value, fb, u, base, tag, s&tagged)
				c.expr(value, in, inner)
				continue
			}
		}
		in, inner := c.member(pos, b, named, st, at, base, s&c.some(value))
		c.flow(value, field.Type(), in, inner)
	}
}

// some returns the releases for which an expression can be something else than nil: a variable may be set only
// where the server was asked.
func (c *checker) some(e ast.Expr) state {
	e = ast.Unparen(e)
	if call, ok := e.(*ast.CallExpr); ok {
		if f := c.function(call); f != nil && f.typ.Results().Len() > 0 {
			return f.some
		}
	}
	obj := c.variable(e)
	if obj == nil || c.visiting[e] {
		return c.r.all
	}
	switch obj.Type().Underlying().(type) {
	case *types.Pointer, *types.Slice, *types.Map, *types.Interface:
	default:
		return c.r.all
	}
	c.visiting[e] = true
	defer delete(c.visiting, e)
	var s state
	defs := c.reaching(obj, e.Pos())
	for _, d := range defs {
		if d.e == nil || c.pass.TypesInfo.Types[d.e].IsNil() {
			continue
		}
		here, walked := c.at[d.e]
		if !walked {
			here = c.r.all
		}
		if d.index == 0 {
			here &= c.some(d.e)
		}
		s |= here
	}
	if len(defs) == 0 {
		return c.r.all
	}
	return s
}

// tag returns the discriminator that a literal of a union sets by a constant, and the releases that have it.
func (c *checker) tag(lit *ast.CompositeLit, b *Bindings, st *types.Struct, base string) (string, state) {
	if b == nil {
		return "", c.r.all
	}
	for _, elt := range lit.Elts {
		kv, ok := elt.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		if enum, _ := c.binding(c.pass.TypesInfo.TypeOf(kv.Value)); enum == nil {
			continue
		}
		if value := constantString(c.pass.TypesInfo, kv.Value); value != "" {
			if k := c.r.of(b.Server, base+"/+"+value); k != nil {
				return value, k.has
			}
		}
	}
	return "", c.r.all
}

func fieldIndex(st *types.Struct, name string) int {
	for i := range st.NumFields() {
		if st.Field(i).Name() == name {
			return i
		}
	}
	return -1
}

// elemOf is the type of the elements of a list or a map.
func elemOf(t types.Type) types.Type {
	switch u := t.Underlying().(type) {
	case *types.Slice:
		return u.Elem()
	case *types.Array:
		return u.Elem()
	case *types.Map:
		return u.Elem()
	}
	return nil
}
