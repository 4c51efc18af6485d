package vet

import (
	"cmp"
	"go/ast"
	"go/token"
	"go/types"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// setMember reports the use of a member that the program assigns to. It returns the releases that have it, and its path.
func (c *checker) setMember(sel *ast.SelectorExpr, s state) (state, string) {
	b, t, st, i := c.owner(sel)
	if b == nil || !isSent(t) {
		return s, ""
	}
	s &^= c.cleared[clearing{c.variable(sel.X), sel.Sel.Name}]
	s &= c.r.having(b.Server, b.Commands[t.Obj().Name()])
	return c.member(sel.Sel.Pos(), b, t, st, i, b.root(t), s)
}

// owner returns the generated type that has the field of a selector, also if the field is promoted. It returns nil if
// there is none.
func (c *checker) owner(sel *ast.SelectorExpr) (*Bindings, *types.Named, *types.Struct, int) {
	selection := c.pass.TypesInfo.Selections[sel]
	if selection == nil || selection.Kind() != types.FieldVal {
		return nil, nil, nil, 0
	}
	t := selection.Recv()
	index := selection.Index()
	for n, i := range index {
		if p, ok := t.Underlying().(*types.Pointer); ok {
			t = p.Elem()
		}
		st, ok := t.Underlying().(*types.Struct)
		if !ok {
			return nil, nil, nil, 0
		}
		if n == len(index)-1 {
			b, named := c.binding(t)
			return b, named, st, i
		}
		t = st.Field(i).Type()
	}
	return nil, nil, nil, 0
}

// member reports the use of a member. It returns the releases that have it, and its path. The path is "" if the field is
// not a member of the schema, such as a union's branch or the fields of an alternate.
func (c *checker) member(pos token.Pos, b *Bindings, t *types.Named, st *types.Struct, i int, base string, s state) (state, string) {
	wire := wireName(st, i)
	if wire == "" {
		return s, base
	}
	for _, base := range []string{base, b.root(t)} {
		path := base + "/" + introspect.Component(wire)
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

// typed returns the releases that have a type, or that send an event of it. Another release either lacks the members of
// the type, which have a report of their own, or takes any value there: object-add of 5.2 has no list of objects.
func (c *checker) typed(b *Bindings, name string) state {
	if b.Commands[name] != "" {
		return c.r.all
	}
	return c.r.having(b.Server, cmp.Or(b.Events[name], b.Types[name]))
}

// flow walks an expression that becomes a value of a type. It reports the use of a branch of a union, or of a request
// that becomes an interface with Do.
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
		} else if hasDo(target) && c.tried[e] == 0 {
			c.request(e.Pos(), source, s)
		}
	}
	c.expr(e, s, path)
}

// request reports the use of a command, if the type is a request.
func (c *checker) request(pos token.Pos, t types.Type, s state) {
	if b, n, command := c.requestOf(t); command != "" && c.asked == nil {
		c.use(pos, goName(n.Obj()), b.Server, command, s)
	}
}

// branch reports the use of a branch. If tag is not empty, it is the discriminator and its use is reported already.
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
