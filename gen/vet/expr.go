package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"strconv"
	"strings"
)

// expr walks an expression. If path is not empty, the value is of what the path leads to.
func (c *checker) expr(e ast.Expr, s state, path string) {
	if e == nil {
		return
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
		if sel, ok := ast.Unparen(n.X).(*ast.SelectorExpr); ok && n.Op == token.AND {
			c.setMember(sel, s) // what has the address sets the member
		}
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
			if c.isNil(n.Y) {
				c.lookAt(n.X)
			}
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
	case *ast.Ident:
		c.instance(n, s)
	case *ast.FuncLit:
		if f := c.lits[n]; f != nil && c.asked == nil && (f.free || f.calls == 0) {
			in := newFlow(s, s)
			if c.cur != nil {
				in.may |= c.cur.may
				in.looks = maps.Clone(c.cur.looks)
			}
			here := c.here
			c.run(f, in)
			c.here = here
		}
	case *ast.IndexListExpr:
		c.expr(n.X, s, "")
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
		c.instance(n.Sel, s)
		if t, ok := c.pass.TypesInfo.Types[n.X]; ok && t.IsType() && n.Sel.Name == "Do" {
			c.request(n.X.Pos(), t.Type, s)
		}
		return // a package's
	}
	if n.Sel.Name == "Do" && !c.isGiven(n.X) {
		c.request(n.X.Pos(), selection.Recv(), s)
	}
	c.optional(n.X, s)
	if selection.Kind() == types.FieldVal {
		c.read(n, n.Sel.Pos(), s, false)
	}
	c.expr(n.X, s, "")
}

// isGiven reports whether an expression is a value that a type switch or an assertion found: another place made it.
func (c *checker) isGiven(e ast.Expr) bool {
	obj := c.variable(e)
	if obj == nil {
		_, ok := ast.Unparen(e).(*ast.TypeAssertExpr)
		return ok
	}
	if c.implicit[obj] {
		return true
	}
	for _, d := range c.defsOf(obj) {
		if d.e != nil {
			if _, ok := ast.Unparen(d.e).(*ast.TypeAssertExpr); ok {
				return true
			}
		}
	}
	return false
}

// optional is the use of a pointer that a member is, if it is followed without a look.
func (c *checker) optional(e ast.Expr, s state) {
	e = ast.Unparen(e)
	if c.looked(e) {
		return
	}
	switch n := e.(type) {
	case *ast.SelectorExpr:
		if t := c.pass.TypesInfo.TypeOf(n); t != nil {
			if _, ok := t.Underlying().(*types.Pointer); ok {
				c.read(n, n.Sel.Pos(), s, true)
			}
		}
	case *ast.Ident: // p := x.Member
		for _, d := range c.defsOf(c.variable(n)) {
			if d.e == nil || d.of != 1 || d.elem {
				continue
			}
			if sel, ok := ast.Unparen(d.e).(*ast.SelectorExpr); ok {
				c.read(sel, n.Pos(), s, true)
			}
		}
	}
}

// optionalMember returns what is known of a member of what a server sent, if it is a pointer; nil for others.
func (c *checker) optionalMember(sel *ast.SelectorExpr) *known {
	b, t, st, i := c.owner(sel)
	if b == nil || !isReceived(t) {
		return nil
	}
	if _, ok := st.Field(i).Type().Underlying().(*types.Pointer); !ok || wireName(st, i) == "" {
		return nil
	}
	return c.r.of(b.Server, b.root(t)+"/"+component(wireName(st, i)))
}

// read is the use of a member of what a server sent. That of a pointer or a list is a question unless the pointer
// is followed.
func (c *checker) read(n *ast.SelectorExpr, pos token.Pos, s state, followed bool) {
	b, t, st, i := c.owner(n)
	if b == nil || !isReceived(t) {
		return
	}
	switch st.Field(i).Type().Underlying().(type) {
	case *types.Pointer:
		if !followed {
			return
		}
	case *types.Slice, *types.Map, *types.Interface:
		return
	}
	c.reading = true
	c.member(pos, b, t, st, i, b.root(t), s)
	c.reading = false
}

// lookOf is what an expression selects from which variable.
func (c *checker) lookOf(e ast.Expr) (look, bool) {
	switch n := ast.Unparen(e).(type) {
	case *ast.Ident:
		if obj := c.variable(n); obj != nil {
			return look{obj, ""}, true
		}
	case *ast.SelectorExpr:
		if l, ok := c.lookOf(n.X); ok {
			return look{l.root, l.path + "." + n.Sel.Name}, true
		}
		if obj := c.variable(n); obj != nil {
			return look{obj, types.ExprString(n)}, true
		}
	case *ast.IndexExpr:
		if l, ok := c.lookOf(n.X); ok {
			return look{l.root, l.path + "[" + types.ExprString(n.Index) + "]"}, true
		}
	case *ast.StarExpr:
		return c.lookOf(n.X)
	case *ast.UnaryExpr:
		return c.lookOf(n.X)
	}
	return look{}, false
}

// lookAt notes that the program compares an expression with nil.
func (c *checker) lookAt(e ast.Expr) {
	if l, ok := c.lookOf(e); ok && c.cur != nil {
		c.cur.looks[l] = true
		for _, d := range c.defsOf(l.root) { // p := x.Member
			if l.path == "" && d.e != nil {
				if of, ok := c.lookOf(d.e); ok {
					c.cur.looks[of] = true
				}
			}
		}
	}
}

// lookInto notes that the program gives a value to a function that may look at it and say so.
func (c *checker) lookInto(n *ast.CallExpr) {
	sig, ok := c.pass.TypesInfo.TypeOf(n.Fun).(*types.Signature)
	if !ok || sig.Results().Len() == 0 {
		return
	}
	if last := sig.Results().At(sig.Results().Len() - 1).Type(); !isBool(last) && !isErrorType(last) {
		return
	}
	for _, a := range n.Args {
		t := c.pass.TypesInfo.TypeOf(a)
		if t == nil {
			continue
		}
		b, named := c.binding(t)
		if l, ok := c.lookOf(a); ok && (b != nil && isReceived(named) || c.isOptional(a)) && c.cur != nil {
			c.cur.looks[look{l.root, l.path + "*"}] = true
		}
	}
}

// isOptional reports whether an expression is a member that an older server does not send.
func (c *checker) isOptional(e ast.Expr) bool {
	sel, ok := ast.Unparen(e).(*ast.SelectorExpr)
	return ok && c.optionalMember(sel) != nil
}

// looked reports whether the program has compared an expression with nil.
func (c *checker) looked(e ast.Expr) bool {
	l, ok := c.lookOf(e)
	if !ok || c.cur == nil {
		return false
	}
	if c.cur.looks[l] {
		return true
	}
	for seen := range c.cur.looks {
		if whole, ok := strings.CutSuffix(seen.path, "*"); ok && seen.root == l.root && strings.HasPrefix(l.path, whole) {
			return true
		}
	}
	if l.path == "" {
		for _, d := range c.defsOf(l.root) {
			if d.e == nil {
				continue
			}
			if of, ok := c.lookOf(d.e); ok && of.root != l.root && c.cur.looks[of] {
				return true
			}
		}
	}
	return false
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
	if c.isHas(n) || c.isCall(n, schemaPath, "Missing", "MissingIn") {
		return // questions
	}
	if f := c.function(n); f != nil && c.learns() && c.asked == nil {
		c.grow(&f.entry, c.here)
		c.grow(&f.mayEntry, c.here)
		if c.cur != nil {
			c.grow(&f.mayEntry, c.cur.may)
		}
		for i, t := range f.tries {
			if i < len(n.Args) {
				c.try(n.Args[i], t)
			}
		}
	}
	if f := c.callee(n); f != nil {
		if a := c.fact(f); a != nil {
			for i, t := range a.Tries {
				if i < len(n.Args) {
					c.try(n.Args[i], t)
				}
			}
		}
	}
	c.errorAs(n)
	if c.isTestify(n, "ErrorIs", "ErrorIsf", "ErrorAs", "ErrorAsf") {
		c.cond(n) // a question also where the result is not looked at
	}
	c.lookInto(n)
	if id, ok := n.Fun.(*ast.Ident); ok {
		if _, ok := info.Uses[id].(*types.Builtin); ok {
			if id.Name == "delete" && len(n.Args) == 2 {
				c.clear(c.variable(n.Args[0]), c.text(n.Args[1]))
			}
			for _, a := range n.Args {
				if !info.Types[a].IsType() {
					c.expr(a, s, path)
				}
			}
			return
		}
	}
	c.events(n, s)
	c.forwarded(n, s)
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
		return strings.HasPrefix(path, testifyPath) || f.Name() == "Value" && path == qmpPath
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

// literal walks a composite literal: its members are set.
func (c *checker) literal(lit *ast.CompositeLit, s state, path string) {
	t := c.pass.TypesInfo.TypeOf(lit)
	if _, ok := lit.Type.(*ast.IndexExpr); ok {
		c.expr(lit.Type, s, "")
	}
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
	if b == nil {
		s &= c.needed(lit, st)
	}
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
		if !sent || c.isNil(value) {
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
		var cleared state // the program takes it away for these
		if lit == c.targetLit {
			cleared = c.cleared[clearing{c.target, field.Name()}]
		}
		in, inner := c.member(pos, b, named, st, at, base, s&c.some(value)&^cleared)
		c.flow(value, field.Type(), in, inner)
	}
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
