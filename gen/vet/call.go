package vet

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"
)

// call walks a call.
func (c *checker) call(n *ast.CallExpr, s state, path string) {
	info := c.pass.TypesInfo
	if c.tried[n] == commandTried {
		command, server := c.commandOf(n)
		s &= c.r.having(server, command)
	}
	if tv := info.Types[n.Fun]; tv.IsType() {
		inner := path
		if b, t, command := c.requestOf(tv.Type); command != "" {
			inner = b.root(t)
			s &= c.r.having(b.Server, command)
		}
		c.expr(n.Args[0], s, inner)
		return
	}
	if c.isHas(n) || c.isCall(n, schemaPath, "Missing", "MissingIn") {
		return // the arguments are questions, not uses
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
		c.cond(n) // it asks even if the program ignores the result
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

// isSearch reports whether a call only compares or prints its arguments, so that it sends none of them.
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

// callee returns the function that a call names, nil if it calls a value.
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

// isTestify reports whether a call is one of package assert or require.
func (c *checker) isTestify(call *ast.CallExpr, names ...string) bool {
	return len(call.Args) > 0 && (c.isCall(call, testifyPath+"require", names...) || c.isCall(call, testifyPath+"assert", names...))
}

func (c *checker) isBuiltin(call *ast.CallExpr, names ...string) bool {
	id, ok := ast.Unparen(call.Fun).(*ast.Ident)
	if !ok {
		return false
	}
	_, builtin := c.pass.TypesInfo.Uses[id].(*types.Builtin)
	return builtin && slices.Contains(names, id.Name)
}

// require makes the releases fewer after a call that returns only if its argument is true, or if it is not an error.
func (c *checker) require(call *ast.CallExpr) {
	f := c.callee(call)
	if f == nil || f.Pkg() == nil || len(call.Args) == 0 {
		return
	}
	apply := func(yes, maybe state) {
		c.cur.s &= yes
		c.cur.may &= maybe
	}
	if f.Pkg().Path() == testifyPath+"require" && len(call.Args) > 1 {
		switch arg := call.Args[1]; f.Name() {
		case "True", "Truef":
			g := c.cond(arg)
			apply(g.yes, g.maybe)
		case "False", "Falsef":
			g := c.cond(arg)
			apply(g.no, g.maybeNot)
		case "NoError", "NoErrorf", "Nil", "Nilf", "Empty", "Emptyf":
			g := c.nonNil(arg)
			apply(g.no, g.maybeNot)
		case "ErrorIs", "ErrorIsf", "ErrorAs", "ErrorAsf":
			g := c.cond(call)
			apply(g.yes, g.maybe)
		case "NotNil", "NotNilf":
			c.lookAt(arg)
			g := c.nonNil(arg)
			apply(g.yes, g.maybe)
		default:
			for _, arg := range call.Args[1:] {
				if c.mentions(arg) {
					apply(0, c.r.all)
				}
			}
		}
		return
	}
	if !c.exits(f) {
		return
	}
	if fn, a := c.function(call), c.fact(f); fn != nil || a != nil && len(a.Results) > 0 {
		returns := c.result(call, f.Signature().Results().Len())
		apply(returns.yes, returns.maybe)
		if !c.isConstant(returns) {
			return
		}
	}
	for _, arg := range call.Args {
		switch t := c.pass.TypesInfo.TypeOf(arg); {
		case t == nil:
		case isBool(t):
			if g := c.cond(arg); g.asks() {
				apply(0, c.r.all)
			}
		case isErrorType(t):
			if g := c.nonNil(arg); g.asks() {
				apply(g.no, g.maybeNot)
			}
		}
	}
}

// isHas reports whether a call is Schema.Has.
func (c *checker) isHas(call *ast.CallExpr) bool { return c.isCall(call, hasMethods, "Has") }
