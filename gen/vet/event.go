package vet

import (
	"go/ast"
	"go/types"
	"slices"
)

// instance reports the use of a request or an event as a type argument.
func (c *checker) instance(id *ast.Ident, s state) {
	inst, ok := c.pass.TypesInfo.Instances[id]
	if !ok {
		return
	}
	var params *types.TypeParamList
	f, isFunc := c.pass.TypesInfo.Uses[id].(*types.Func)
	if isFunc {
		params = f.Origin().Signature().TypeParams()
	} else if n, ok := c.pass.TypesInfo.Uses[id].Type().(*types.Named); ok {
		params = n.Origin().TypeParams()
	}
	if params == nil {
		return
	}
	for i := range min(params.Len(), inst.TypeArgs.Len()) {
		b, t := c.binding(inst.TypeArgs.At(i))
		if b == nil {
			continue
		}
		constraint := params.At(i).Constraint()
		switch event := b.Events[t.Obj().Name()]; {
		case hasDo(constraint):
			c.request(id.Pos(), t, s)
		case event != "" && isFunc && hasInterfaceMethod(constraint, "EventName") && c.subscribes(f):
			c.use(id.Pos(), goName(t.Obj()), b.Server, event, s)
		}
	}
}

// subscribes reports whether a generic function subscribes to the event that its type argument is.
func (c *checker) subscribes(f *types.Func) bool {
	if f.Pkg() != nil && f.Pkg().Path() == qmpPath {
		return f.Name() == "Subscribe" || f.Name() == "AwaitEvent"
	}
	fn := c.funcs[f.Origin()]
	if fn == nil {
		return false
	}
	found := false
	ast.Inspect(fn.body, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && slices.Contains([]string{"Subscribe", "AwaitEvent", "Events", "EventsFunc"}, id.Name) {
			found = true
		}
		return !found
	})
	return found
}

// events reports the use of the names of events that Events and Await take.
func (c *checker) events(n *ast.CallExpr, s state) {
	f := c.callee(n)
	if f == nil {
		return
	}
	fromQMP := f.Pkg() != nil && f.Pkg().Path() == qmpPath
	if f.Name() == "Events" || fromQMP && (f.Name() == "Await" || f.Name() == "EventsFunc") {
		sig := f.Signature()
		if !sig.Variadic() {
			return
		}
		for _, a := range n.Args[min(len(n.Args), sig.Params().Len()-1):] {
			names, _ := c.texts(a, 0)
			for _, name := range names {
				if server, k := c.find(name.value); k != nil {
					c.use(name.at.Pos(), "event", server, name.value, s&name.s)
				}
			}
		}
	}
}
