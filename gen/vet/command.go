package vet

import (
	"go/ast"
	"go/types"
)

// commandOf returns the command that a call of Do executes.
func (c *checker) commandOf(e ast.Expr) (command, server string) {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return "", ""
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Do" {
		return "", ""
	}
	if b, _, command := c.requestOf(c.pass.TypesInfo.TypeOf(sel.X)); b != nil {
		return command, b.Server
	}
	if lit, ok := ast.Unparen(sel.X).(*ast.CompositeLit); ok && isRaw(c.pass.TypesInfo.TypeOf(lit)) && len(lit.Elts) > 0 {
		name := lit.Elts[0]
		if kv, ok := name.(*ast.KeyValueExpr); ok {
			name = kv.Value
		}
		return c.known(constantString(c.pass.TypesInfo, name))
	}
	return "", ""
}

// commandIn returns the command that a call executes. The call is a Do, or it takes the name or the request as an
// argument.
func (c *checker) commandIn(call *ast.CallExpr) (command, server string) {
	if command, server = c.commandOf(call); command != "" {
		return command, server
	}
	if by := c.forwardOf(call); by != nil {
		return c.known(constantString(c.pass.TypesInfo, call.Args[by.Command-1]))
	}
	for _, a := range call.Args {
		if b, _, command := c.requestOf(c.pass.TypesInfo.TypeOf(a)); command != "" {
			return command, b.Server
		}
	}
	return "", ""
}

// known returns the name and its server if the name is that of a command, and "" else.
func (c *checker) known(name string) (command, server string) {
	if server, k := c.find(name); k != nil {
		return name, server
	}
	return "", ""
}

// requestOf returns the generated package of a type, the type, and the command if the type is a request. The command
// is "" for another type.
func (c *checker) requestOf(t types.Type) (b *Bindings, n *types.Named, command string) {
	if b, n = c.binding(t); b != nil {
		command = b.Commands[n.Obj().Name()]
	}
	return b, n, command
}

// requestType returns the generated request of a command, nil if there is none.
func (c *checker) requestType(server, command string) *types.Named {
	for pkg, b := range c.bindings {
		if b.Server != server {
			continue
		}
		for name, of := range b.Commands {
			if of == command {
				t, _ := pkg.Scope().Lookup(name).Type().(*types.Named)
				return t
			}
		}
	}
	return nil
}

// isRaw reports whether a type is qmp.Raw or qmp.Call.
func isRaw(t types.Type) bool { return isNamed(t, qmpPath, "Raw", "Call") }
