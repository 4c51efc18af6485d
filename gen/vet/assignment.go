package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"
)

// A def is an assignment to a variable. It assigns the result with an index, of so many results, of the expression
// e. If e is nil, the value is the zero value or unknown.
type def struct {
	e         ast.Expr
	index, of int
	unknown   bool
	elem      bool                   // the value is an element of e
	stmt      bool                   // it is a statement of a function
	in, mayIn state                  // the releases that reach the statement; as s and may of a flow
	is        *guard                 // the guard of the value, if it is known
	calls     map[*ast.CallExpr]bool // the calls whose error the value can be
}

func (d *def) order() int {
	if d.e == nil {
		return d.index
	}
	return int(d.e.Pos())
}

// An indexed is an assignment to a part of a variable: to an element, or through a pointer.
type indexed struct {
	root    types.Object
	value   ast.Expr
	pointer bool // it assigns through a pointer
}

// A clearing is a member or a key that the program removes again from a variable.
type clearing struct {
	root types.Object
	name string
}

// assignments collects the assignments to variables and fields.
func (c *checker) assignments(f *ast.File) {
	depth := map[types.Object]ast.Node{} // the function that declares a variable
	var funcs []ast.Node
	add := func(name ast.Expr, d *def) {
		v, ok := c.variable(name).(*types.Var)
		if !ok {
			e := ast.Unparen(name)
			root := c.rootOf(e)
			if d.e == nil || root == nil {
				return
			}
			_, pointer := e.(*ast.StarExpr)
			c.indexed = append(c.indexed, indexed{root, d.e, pointer})
			if i, ok := e.(*ast.IndexExpr); ok {
				c.indexed = append(c.indexed, indexed{root, i.Index, false})
			}
			return
		}
		d.stmt = d.stmt && len(funcs) > 0
		c.defs[v] = append(c.defs[v], d)
		c.defAt[name] = d
		if len(funcs) > 0 {
			inside := funcs[len(funcs)-1]
			if id, ok := name.(*ast.Ident); ok && c.pass.TypesInfo.Defs[id] != nil {
				depth[v] = inside
			} else if of := depth[v]; of != nil && of != inside {
				c.shared[v] = true
			} else if of == nil && !v.IsField() && !contains(inside, v) {
				c.shared[v] = true // a parameter of an outer function
			}
		}
	}
	pairs := func(names []ast.Expr, values []ast.Expr) {
		for i, n := range names {
			switch {
			case len(values) == len(names):
				add(n, &def{e: values[i], of: 1, stmt: true})
			case len(values) == 1:
				add(n, &def{e: values[0], index: i, of: len(names), stmt: true})
			case len(values) == 0:
				add(n, &def{of: 1, stmt: true})
			}
		}
	}
	var stack []ast.Node
	ast.Inspect(f, func(n ast.Node) bool {
		if n == nil {
			switch stack[len(stack)-1].(type) {
			case *ast.FuncDecl, *ast.FuncLit:
				funcs = funcs[:len(funcs)-1]
			}
			stack = stack[:len(stack)-1]
			return true
		}
		stack = append(stack, n)
		switch n := n.(type) {
		case *ast.FuncDecl, *ast.FuncLit:
			funcs = append(funcs, n)
		case *ast.AssignStmt:
			if n.Tok == token.ASSIGN || n.Tok == token.DEFINE {
				pairs(n.Lhs, n.Rhs)
			} else {
				add(n.Lhs[0], &def{unknown: true, e: n.Rhs[0], of: 1, stmt: true})
			}
		case *ast.IncDecStmt:
			add(n.X, &def{unknown: true, of: 1, stmt: true})
		case *ast.RangeStmt:
			if n.Key != nil {
				add(n.Key, &def{unknown: true, of: 1, stmt: true})
			}
			if n.Value != nil {
				add(n.Value, &def{e: n.X, elem: true, of: 1, stmt: true})
			}
		case *ast.ValueSpec:
			names := make([]ast.Expr, len(n.Names))
			for i, name := range n.Names {
				names[i] = name
			}
			pairs(names, n.Values)
		case *ast.CompositeLit:
			c.fieldValues(n)
		case *ast.UnaryExpr:
			if v, ok := c.variable(n.X).(*types.Var); ok && n.Op == token.AND && !isStruct(v.Type()) {
				c.shared[v] = true
			}
			if v, ok := c.variable(n.X).(*types.Var); ok && n.Op == token.AND && isBool(v.Type()) {
				c.pointed[v] = true
			}
		case *ast.SendStmt:
			if root := c.rootOf(n.Chan); root != nil {
				c.indexed = append(c.indexed, indexed{root, n.Value, false})
			}
		case *ast.CallExpr:
			c.special(n)
		}
		return true
	})
}

func contains(n ast.Node, v *types.Var) bool { return n.Pos() <= v.Pos() && v.Pos() < n.End() }

// special collects the assignments that errors.As makes to its target.
func (c *checker) special(n *ast.CallExpr) {
	if c.isCall(n, "errors", "As") && len(n.Args) == 2 {
		if u, ok := ast.Unparen(n.Args[1]).(*ast.UnaryExpr); ok {
			if v, ok := c.variable(u.X).(*types.Var); ok {
				d := &def{e: n.Args[0], unknown: true, of: 1, stmt: true}
				c.defs[v] = append(c.defs[v], d)
				c.defAt[n.Args[1]] = d
				if of, ok := c.variable(n.Args[0]).(*types.Var); ok {
					c.aliases[v] = of
				}
			}
		}
	}
}

// fieldValues collects the assignments that a literal makes to the fields of a struct, except generated ones.
func (c *checker) fieldValues(lit *ast.CompositeLit) {
	t := c.pass.TypesInfo.TypeOf(lit)
	st := structOf(t)
	if st == nil {
		return
	}
	if b, _ := c.binding(t); b != nil || isRaw(t) {
		return
	}
	for f := range fieldsOf(lit, st) {
		v := f.Origin()
		c.defs[v] = append(c.defs[v], &def{e: f.value, of: 1})
	}
}

// parameters collects the assignments that calls make to parameters.
func (c *checker) parameters(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		fn := c.function(call)
		if fn == nil || fn.typ.Variadic() || len(call.Args) != fn.typ.Params().Len() {
			return true
		}
		for i, arg := range call.Args {
			p := fn.typ.Params().At(i)
			switch {
			case !fn.free:
				c.defs[p] = append(c.defs[p], &def{e: arg, of: 1})
			case isBool(p.Type()): // unknown callers may ask the server too
				c.defs[p] = append(c.defs[p], &def{e: arg, of: 1}, &def{unknown: true, of: 1})
			}
		}
		return true
	})
}

// variable returns the variable or field that an expression names, nil for another expression.
func (c *checker) variable(e ast.Expr) types.Object {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		if v, ok := c.pass.TypesInfo.ObjectOf(e).(*types.Var); ok {
			return v
		}
	case *ast.SelectorExpr:
		if v, ok := c.pass.TypesInfo.ObjectOf(e.Sel).(*types.Var); ok {
			return v.Origin()
		}
	}
	return nil
}

// rootOf returns the variable of which an expression is a part.
func (c *checker) rootOf(e ast.Expr) types.Object {
	switch n := ast.Unparen(e).(type) {
	case *ast.IndexExpr:
		return c.rootOf(n.X)
	case *ast.StarExpr:
		return c.rootOf(n.X)
	case *ast.UnaryExpr:
		return c.rootOf(n.X)
	}
	return c.variable(e)
}

// tracked reports whether the control flow shows the value of a variable: it is local, no function literal sets it,
// and no pointer points to it.
func (c *checker) tracked(v *types.Var) bool {
	return !v.IsField() && !c.shared[v] && v.Pkg() != nil && v.Parent() != v.Pkg().Scope()
}

// defsOf returns the assignments that can have given a variable its value at the current place.
func (c *checker) defsOf(obj types.Object) (out []*def) {
	v, ok := obj.(*types.Var)
	if !ok {
		return nil
	}
	if bound := c.bound[v]; bound != nil {
		return []*def{bound}
	}
	if c.cur != nil {
		if a := c.cur.vars[v]; a != nil {
			return slices.SortedFunc(maps.Keys(a), func(a, b *def) int { return a.order() - b.order() })
		}
	}
	return c.defs[v]
}

// only returns the only assignment of a variable, nil if there are others or none.
func (c *checker) only(v *types.Var) *def {
	if defs := c.defs[v]; len(defs) == 1 && defs[0].e != nil && !defs[0].unknown && !defs[0].elem {
		return defs[0]
	}
	return nil
}

// onlyValue returns the expression that the only assignment assigns as a whole. It returns nil if there are other
// assignments, or if this one assigns an element or one of several results.
func onlyValue(defs []*def) ast.Expr {
	if len(defs) != 1 || defs[0].unknown || defs[0].elem || defs[0].of != 1 {
		return nil
	}
	return defs[0].e
}

// sources returns the expressions that can have given a variable its value. For another expression it returns that.
func (c *checker) sources(e ast.Expr) (out []ast.Expr) {
	e = ast.Unparen(e)
	if u, ok := e.(*ast.UnaryExpr); ok {
		e = ast.Unparen(u.X)
	}
	obj := c.variable(e)
	if obj == nil {
		return []ast.Expr{e}
	}
	for _, d := range c.defsOf(obj) {
		if d.e != nil {
			out = append(out, ast.Unparen(d.e))
		}
	}
	return out
}

// clear notes that the program removes a member or a key again, if only some releases reach the place:
// if !has { add.Active = nil }.
func (c *checker) clear(from types.Object, name string) {
	if c.cur == nil || from == nil || !c.learns() || c.cur.may == c.r.all && c.cur.s == c.r.all {
		return
	}
	s := c.cleared[clearing{from, name}]
	if c.grow(&s, c.cur.may); c.cur.s != c.cur.may {
		c.grow(&s, c.r.all)
	}
	c.cleared[clearing{from, name}] = s
}
