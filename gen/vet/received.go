package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

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

// isOptional reports whether an expression is a member that an older server does not send.
func (c *checker) isOptional(e ast.Expr) bool {
	sel, ok := ast.Unparen(e).(*ast.SelectorExpr)
	return ok && c.optionalMember(sel) != nil
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
