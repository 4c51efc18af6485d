package vet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// rawCommand reports the use of a command by its name. It returns the command's server and path, and the releases that
// have it. The path is "" if the command is unknown.
func (c *checker) rawCommand(e ast.Expr, s state) (server, path string, has state) {
	if i := c.isParameter(e); i >= 0 {
		c.forward(i, s)
		return "", "", s
	}
	names, all := c.texts(e, 0)
	has = s
	for _, name := range names {
		if of, k := c.find(name.value); k != nil {
			c.use(e.Pos(), "command", of, name.value, s&name.s)
			server, path, has = of, name.value, s&name.s&k.has
		}
	}
	if len(names) != 1 || !all {
		return "", "", s
	}
	return server, path, has
}

// raw walks a literal of qmp.Raw.
func (c *checker) raw(lit *ast.CompositeLit, s state) {
	st := structOf(c.pass.TypesInfo.TypeOf(lit))
	if st == nil {
		return
	}
	var server, path string
	for f := range fieldsOf(lit, st) {
		if f.Name() == "Command" {
			server, path, s = c.rawCommand(f.value, s)
			c.raws[lit] = rawPath{server, path}
			continue
		}
		c.rawArgs(f.value, server, path, s)
		c.expr(f.value, s, "")
	}
}

// rawArgs reports the use of the members in a map of arguments.
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

// A rawPath is the command of a qmp.Raw.
type rawPath struct{ server, path string }

// A rawBase is the path of an object, and its Go type, nil if it is unknown.
type rawBase struct {
	path string
	t    *types.Named
}

// withBranches adds the branches whose discriminators are among the values of a map.
func (c *checker) withBranches(base rawBase, server string, values []ast.Expr) []rawBase {
	bases := []rawBase{base}
	for _, e := range values {
		if value := constantString(c.pass.TypesInfo, e); value != "" && c.r.of(server, base.path+"/+"+value) != nil {
			bases = append(bases, rawBase{base.path + "/+" + value, c.branchType(base.t, value)})
		}
	}
	return bases
}

// branchType returns the type of a union's branch.
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

// rawMembers reports the use of the members that a map gives to the object at the path.
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

// rawMember reports the use of one member and of everything in its value.
func (c *checker) rawMember(pos token.Pos, server string, bases []rawBase, key string, value ast.Expr, s state) {
	for _, base := range bases {
		path := base.path + "/" + introspect.Component(key)
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
				s &^= k.has&-k.has - 1 // in older releases the member may have been any string
			}
			c.use(value.Pos(), "value", server, path+"/^"+text.value, s&text.s)
		}
		return
	}
}

// rawArgument reports the use of a member that the program adds to the arguments of a qmp.Raw: args["active"] = true.
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

// argumentsOf returns the constant strings in the literals of a map.
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
