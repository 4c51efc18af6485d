package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// read reports the use of a member that a server sends. A pointer counts only if the program follows it. A list, a map
// and an interface do not count: comparing them with nil asks whether the server has the member.
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

// optional reports the use of a member that is a pointer, if the program follows it without a look.
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

// optionalMember returns what is known of a member that a server sends, if it is a pointer. It returns nil for others.
func (c *checker) optionalMember(sel *ast.SelectorExpr) *known {
	b, t, st, i := c.owner(sel)
	if b == nil || !isReceived(t) {
		return nil
	}
	if _, ok := st.Field(i).Type().Underlying().(*types.Pointer); !ok || wireName(st, i) == "" {
		return nil
	}
	return c.r.of(b.Server, b.root(t)+"/"+introspect.Component(wireName(st, i)))
}

// isOptional reports whether an expression is a member that a server sends and that is a pointer.
func (c *checker) isOptional(e ast.Expr) bool {
	sel, ok := ast.Unparen(e).(*ast.SelectorExpr)
	return ok && c.optionalMember(sel) != nil
}

// isGiven reports whether an expression comes from a type switch or an assertion. Then another place made the value.
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

// compareSent returns the guard of a comparison of a received value with a constant: a server that sends the value, or
// the name of a command, has it.
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

// lists are the commands whose answers list what a server has and no schema has.
var lists = []string{"qom-list-types", "device-list-properties", "qom-list-properties"}

// sentBy reports whether a server sent the value of an expression, and as the answer to which command.
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
