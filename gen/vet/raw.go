package vet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
)

// instance is the use of a request or of an event as a type argument.
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

// events is the use of the names that Events and Await take.
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
				for _, server := range c.servers {
					if c.r.of(server, name.value) != nil {
						c.use(name.at.Pos(), "event", server, name.value, s&name.s)
						break
					}
				}
			}
		}
	}
}

// isRaw reports whether a type is qmp.Raw or qmp.Call.
func isRaw(t types.Type) bool { return isNamed(t, qmpPath, "Raw", "Call") }

// rawCommand is the use of a command by its name. It returns the command's path and server, and the releases that
// have it; path is "" if the command is not known.
func (c *checker) rawCommand(e ast.Expr, s state) (server, path string, has state) {
	if i := c.isParameter(e); i >= 0 {
		c.forward(i, s)
		return "", "", s
	}
	names, all := c.texts(e, 0)
	has = s
	for _, name := range names {
		for _, of := range c.servers {
			if k := c.r.of(of, name.value); k != nil {
				c.use(e.Pos(), "command", of, name.value, s&name.s)
				server, path, has = of, name.value, s&name.s&k.has
				break
			}
		}
	}
	if len(names) != 1 || !all {
		return "", "", s
	}
	return server, path, has
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
			c.raws[lit] = rawPath{server, path}
			continue
		}
		c.rawArgs(value, server, path, s)
		c.expr(value, s, "")
	}
}

// rawArgs is the use of what a map of arguments has.
func (c *checker) rawArgs(value ast.Expr, server, path string, s state) {
	if f := c.current; path == "" && f != nil && f.forwards != nil && f.forwards.Args == 0 {
		if i := c.isParameter(value); i >= 0 {
			f.forwards.Args, c.changed = i+1, true
		}
	}
	if path == "" {
		return
	}
	if obj, of := c.variable(value), (rawPath{server, path}); obj != nil && !c.argsOf[obj][of] {
		if c.argsOf[obj] == nil {
			c.argsOf[obj] = map[rawPath]bool{}
		}
		c.argsOf[obj][of], c.changed = true, true
	}
	for _, source := range c.sources(value) {
		if args, ok := source.(*ast.CompositeLit); ok {
			c.rawMembers(args, server, path+"/arg-type", c.requestType(server, path), s, c.variable(value))
		}
	}
}

// A forward says which parameters of a function become the command and the arguments of a qmp.Raw. The use is that
// of the function's callers.
type forward struct {
	Command, Args int   // 1 + the parameter, 0 for none
	In            state // the releases that come to it
}

// forward notes that the current function makes a command of a parameter.
func (c *checker) forward(parameter int, s state) {
	if !c.learns() {
		return
	}
	f := c.current
	if f.forwards == nil {
		f.forwards = &forward{Command: parameter + 1}
	}
	c.grow(&f.forwards.In, s)
}

// forwardOf returns what a call forwards, nil if it forwards nothing.
func (c *checker) forwardOf(n *ast.CallExpr) (by *forward) {
	if fn := c.function(n); fn != nil {
		by = fn.forwards
	} else if f := c.callee(n); f != nil {
		if a := c.fact(f); a != nil {
			by = a.Forward
		}
	}
	if by == nil || max(by.Command, by.Args) > len(n.Args) {
		return nil
	}
	return by
}

// forwarded is the use of the command that a call gives to a function which makes a qmp.Raw of it.
func (c *checker) forwarded(n *ast.CallExpr, s state) {
	by := c.forwardOf(n)
	if by == nil {
		return
	}
	if c.tried[n] != 0 {
		c.quiet++
	}
	server, path, s := c.rawCommand(n.Args[by.Command-1], s&by.In)
	if c.tried[n] != 0 {
		c.quiet--
	}
	if by.Args > 0 {
		c.rawArgs(n.Args[by.Args-1], server, path, s)
	}
}

// A rawPath is the command of a literal of qmp.Raw.
type rawPath struct{ server, path string }

// A rawBase is a path that can have a member, and the Go type of what it leads to, nil if it is not known.
type rawBase struct {
	path string
	t    *types.Named
}

// requestType is the generated type of a command.
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

// withBranches adds what the values of a map select: the branches whose discriminators they are.
func (c *checker) withBranches(base rawBase, server string, values []ast.Expr) []rawBase {
	bases := []rawBase{base}
	for _, e := range values {
		if value := constantString(c.pass.TypesInfo, e); value != "" && c.r.of(server, base.path+"/+"+value) != nil {
			bases = append(bases, rawBase{base.path + "/+" + value, c.branchType(base.t, value)})
		}
	}
	return bases
}

// branchType is the type of a union's branch.
func (c *checker) branchType(union *types.Named, value string) *types.Named {
	b, _ := c.binding(union)
	if b == nil {
		return nil
	}
	st, ok := union.Underlying().(*types.Struct)
	if !ok {
		return nil
	}
	for f := range st.Fields() {
		iface := namedOf(f.Type())
		if iface == nil {
			continue
		}
		for name, values := range b.Branches[iface.Obj().Name()].Values {
			if slices.Contains(values, value) {
				return namedOf(union.Obj().Pkg().Scope().Lookup(name).Type())
			}
		}
	}
	return nil
}

// memberType is the type of a member, nil if it is not known.
func memberType(t *types.Named, wire string) *types.Named {
	if t == nil {
		return nil
	}
	st, ok := t.Underlying().(*types.Struct)
	if !ok {
		return nil
	}
	for i := range st.NumFields() {
		if wireName(st, i) == wire {
			return namedOf(elem(st.Field(i).Type()))
		}
	}
	return nil
}

// rawMembers is the use of the members that a map gives to what the path leads to.
func (c *checker) rawMembers(args *ast.CompositeLit, server, path string, t *types.Named, s state, in types.Object) {
	if _, isMap := c.pass.TypesInfo.TypeOf(args).Underlying().(*types.Map); !isMap {
		for _, elt := range args.Elts {
			if inner, ok := ast.Unparen(elt).(*ast.CompositeLit); ok {
				c.rawMembers(inner, server, path, t, s, nil)
			}
		}
		return
	}
	var values []ast.Expr
	for _, elt := range args.Elts {
		if kv, ok := elt.(*ast.KeyValueExpr); ok {
			values = append(values, kv.Value)
		}
	}
	bases := c.withBranches(rawBase{path, t}, server, values)
	for _, elt := range args.Elts {
		if kv, ok := elt.(*ast.KeyValueExpr); ok {
			if key := c.text(kv.Key); key != "" {
				c.rawMember(kv.Pos(), server, bases, key, kv.Value, s&^c.cleared[clearing{in, key}])
			}
		}
	}
}

// rawMember is the use of one member and of what its value has.
func (c *checker) rawMember(pos token.Pos, server string, bases []rawBase, key string, value ast.Expr, s state) {
	for _, base := range bases {
		path := base.path + "/" + component(key)
		k := c.r.of(server, path)
		if k == nil {
			continue
		}
		c.use(pos, "member", server, path, s)
		s &= k.has
		t := memberType(base.t, key)
		value = ast.Unparen(value)
		if inner, ok := value.(*ast.CompositeLit); ok {
			c.rawMembers(inner, server, path, t, s, nil)
			return
		}
		b, _ := c.binding(t)
		texts, _ := c.texts(value, 0)
		for _, text := range texts {
			k := c.r.of(server, path+"/^"+text.value)
			if k == nil {
				continue
			}
			if b != nil {
				s &= c.typed(b, t.Obj().Name())
			} else {
				s &^= k.has&-k.has - 1 // before, the member may have been any string
			}
			c.use(value.Pos(), "value", server, path+"/^"+text.value, s&text.s)
		}
		return
	}
}

// rawArgument is the use of a member that is added to the arguments of a qmp.Raw: args["active"] = true.
func (c *checker) rawArgument(l *ast.IndexExpr, value ast.Expr, s state) {
	key := c.text(l.Index)
	obj := c.variable(l.X)
	if key == "" || obj == nil || c.isNil(value) {
		return
	}
	s &^= c.cleared[clearing{obj, key}]
	commands := c.argsOf[obj]
	if sel, ok := ast.Unparen(l.X).(*ast.SelectorExpr); ok && isRaw(c.pass.TypesInfo.TypeOf(sel.X)) { // raw.Args["active"]
		commands = map[rawPath]bool{}
		for _, source := range c.sources(sel.X) {
			if lit, ok := source.(*ast.CompositeLit); ok && c.raws[lit].path != "" {
				commands[c.raws[lit]] = true
			}
		}
	}
	for of := range commands {
		path := of.path + "/arg-type"
		bases := c.withBranches(rawBase{path, c.requestType(of.server, of.path)}, of.server, c.argumentsOf(obj))
		if k := c.r.of(of.server, of.path); k != nil {
			s &= k.has
		}
		c.rawMember(l.Pos(), of.server, bases, key, value, s)
	}
}

// argumentsOf returns the values in the literals of a map.
func (c *checker) argumentsOf(obj types.Object) (out []ast.Expr) {
	for _, d := range c.defsOf(obj) {
		if d.e == nil {
			continue
		}
		if lit, ok := ast.Unparen(d.e).(*ast.CompositeLit); ok {
			for _, elt := range lit.Elts {
				if kv, ok := elt.(*ast.KeyValueExpr); ok {
					if v := c.pass.TypesInfo.Types[kv.Value].Value; v != nil && v.Kind() == constant.String {
						out = append(out, kv.Value)
					}
				}
			}
		}
	}
	return out
}

// hasDo reports whether an interface has the method of requests.
func hasDo(t types.Type) bool { return hasInterfaceMethod(t, "Do") }

func hasInterfaceMethod(t types.Type, name string) bool {
	i, ok := t.Underlying().(*types.Interface)
	if !ok {
		return false
	}
	for m := range i.Methods() {
		if m.Name() == name {
			return true
		}
	}
	return false
}
