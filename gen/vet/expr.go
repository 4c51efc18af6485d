package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"strconv"
)

// expr walks an expression. If path is not empty, the value is that of the path in the schema.
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
			c.setMember(sel, s) // whoever has the address can set the member
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

// operand walks an operand of a comparison. Comparing with a constant does not use it.
func (c *checker) operand(e ast.Expr, s state) {
	if c.pass.TypesInfo.Types[e].Value == nil {
		c.expr(e, s, "")
	}
}

// constant reports the use of a value of an enum. Its result is whether the expression is a constant.
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

// selector reports the use of a request by its method Do, and of a member that the program reads.
func (c *checker) selector(n *ast.SelectorExpr, s state) {
	selection := c.pass.TypesInfo.Selections[n]
	if selection == nil {
		c.instance(n.Sel, s)
		if t, ok := c.pass.TypesInfo.Types[n.X]; ok && t.IsType() && n.Sel.Name == "Do" {
			c.request(n.X.Pos(), t.Type, s)
		}
		return // of a package
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

// literal walks a composite literal, and reports the use of the members that it sets.
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
		if command := b.Commands[named.Obj().Name()]; command != "" {
			s &= c.r.having(b.Server, command)
			base = ""
		}
		if base == "" {
			base = b.root(named)
		}
	}
	tag, tagged := c.tag(lit, b, st, base)
	for f := range fieldsOf(lit, st) {
		if !sent || c.isNil(f.value) {
			c.flow(f.value, f.Type(), s, "")
			continue
		}
		if fb, iface := c.binding(f.Type()); fb != nil && types.IsInterface(f.Type()) {
			if u, ok := fb.Branches[iface.Obj().Name()]; ok {
				in, inner := c.branch(f.value, fb, u, base, tag, s&tagged)
				c.expr(f.value, in, inner)
				continue
			}
		}
		var cleared state // the releases for which the program removes the member again
		if lit == c.targetLit {
			cleared = c.cleared[clearing{c.target, f.Name()}]
		}
		in, inner := c.member(f.pos, b, named, st, f.index, base, s&c.some(f.value)&^cleared)
		c.flow(f.value, f.Type(), in, inner)
	}
}

// tag returns the discriminator that a literal of a union sets to a constant, and the releases that have it.
func (c *checker) tag(lit *ast.CompositeLit, b *Bindings, st *types.Struct, base string) (string, state) {
	if b == nil {
		return "", c.r.all
	}
	for f := range fieldsOf(lit, st) {
		if enum, _ := c.binding(c.pass.TypesInfo.TypeOf(f.value)); enum == nil {
			continue
		}
		if value := constantString(c.pass.TypesInfo, f.value); value != "" {
			if k := c.r.of(b.Server, base+"/+"+value); k != nil {
				return value, k.has
			}
		}
	}
	return "", c.r.all
}
