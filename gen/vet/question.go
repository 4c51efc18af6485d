package vet

import (
	"go/ast"
	"go/types"
	"slices"
)

// mentions reports whether the value of an expression may depend on the server.
func (c *checker) mentions(e ast.Node) (found bool) {
	if e == nil {
		return false
	}
	ast.Inspect(e, func(n ast.Node) bool {
		if found {
			return false
		}
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CompositeLit:
			t := c.pass.TypesInfo.TypeOf(n)
			if t != nil && elemOf(t) == nil && !c.isVersion(n) {
				return false // the value of each field may, but not that of the struct
			}
		case *ast.Ident:
			found = c.isAnswer(n, c.pass.TypesInfo.Uses[n])
		case *ast.SelectorExpr:
			switch {
			case c.isVersion(n.X) || isNamed(c.pass.TypesInfo.TypeOf(n.X), qmpPath, "Error"):
				found = true
			case c.isAnswer(n, c.variable(n)):
				found = true
			}
		case *ast.IndexExpr:
			found = isMap(c.pass.TypesInfo.TypeOf(n.X)) && c.isKnownPath(n.Index) // enabled["guest-get-load"]
		case *ast.BinaryExpr:
			g, ok := c.compareSent(n.X, n.Y)
			found = ok && g.asks()
		case *ast.CallExpr:
			found = c.isQuestion(n)
		}
		return !found
	})
	return found
}

// mentionsInside reports whether a function literal in an expression mentions the server.
func (c *checker) mentionsInside(e ast.Expr) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if lit, ok := n.(*ast.FuncLit); ok && c.mentions(lit.Body) {
			found = true
		}
		return !found
	})
	return found
}

// isAnswer reports whether the value of a variable depends on the server, or that of a call of the method value.
func (c *checker) isAnswer(e ast.Expr, obj types.Object) bool {
	switch obj := obj.(type) {
	case *types.Var:
		switch {
		case c.isVersion(e):
			return true
		case c.asking[obj]:
			return true
		case isBool(obj.Type()) && obj.IsField() && !c.isConstant(c.defined(obj)):
			return true
		case obj.Pkg() != nil && obj.Pkg() != c.pass.Pkg:
			a := c.fact(obj)
			return a != nil && a.Asks
		}
	case *types.Func:
		return c.asking[obj.Origin()]
	}
	return false
}

// isQuestion reports whether a call asks the server.
func (c *checker) isQuestion(call *ast.CallExpr) bool {
	if c.isHas(call) || c.isCall(call, schemaPath, "Missing", "MissingIn") || c.isCall(call, qmpPath, "Compare") {
		return true
	}
	t := c.pass.TypesInfo.TypeOf(call)
	if tuple, ok := t.(*types.Tuple); ok && tuple.Len() > 0 {
		t = tuple.At(0).Type()
	}
	if t == nil || !isScalar(t) {
		return false
	}
	if fn := c.function(call); fn != nil {
		if isBool(t) {
			return fn.results[0].asks()
		}
		return c.asking[fn.obj]
	}
	if f := c.callee(call); f != nil {
		if a := c.fact(f); a != nil && (a.Asks || len(a.Results) > 0 && a.Results[0].guard().asks()) {
			return true
		}
		if c.asking[f.Origin()] || types.IsInterface(recvType(f)) && c.askingNames[f.Name()] {
			return true
		}
	}
	if c.pass.TypesInfo.Types[call.Fun].IsType() || c.isBuiltin(call, "len", "append", "cap", "min", "max") {
		return false
	}
	if sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok && c.isSource(c.pass.TypesInfo.TypeOf(sel.X)) {
		return true
	}
	for _, a := range call.Args {
		if isBool(t) && c.mentionsInside(a) { // slices.ContainsFunc(list, func…)
			return true
		}
		if c.isSource(c.pass.TypesInfo.TypeOf(a)) || isBool(t) && c.isKnownPath(a) {
			return true
		}
	}
	return false
}

// isSource reports whether a value of the type answers questions about the server.
func (c *checker) isSource(t types.Type) bool {
	return isNamed(t, hasMethods, "Schema") || isNamed(t, qmpPath, "Version", "Error") || isNamed(t, schemaPath, "MissingError")
}

// isKnownPath reports whether an expression is a constant that is a path of a schema.
func (c *checker) isKnownPath(e ast.Expr) bool {
	_, k := c.find(constantString(c.pass.TypesInfo, e))
	return k != nil
}

// findAnswers finds the variables and functions whose values depend on the server.
func (c *checker) findAnswers() {
	for changed := true; changed; {
		changed = false
		mark := func(obj types.Object) {
			if obj != nil && !c.asking[obj] {
				c.asking[obj], changed = true, true
			}
		}
		for v, defs := range c.defs {
			if c.asking[v] || !isScalar(v.Type()) {
				continue
			}
			if slices.ContainsFunc(defs, func(d *def) bool {
				return d.e != nil && d.index == 0 && (c.mentions(d.e) || isFunc(v.Type()) && c.mentionsInside(d.e))
			}) {
				mark(v)
			}
		}
		for _, i := range c.indexed {
			if !c.asking[i.root] && c.mentions(i.value) {
				mark(i.root)
			}
			if i.pointer && c.asking[i.root] { // *p, err = s.Has(path)
				for v := range c.pointed {
					mark(v)
				}
			}
		}
		for _, f := range c.order {
			if f.obj != nil && !c.asking[f.obj] && c.returnsAnswer(f) {
				mark(f.obj)
				c.askingNames[f.obj.Name()] = true
			}
		}
	}
}

// hasAnswers reports whether a type is a struct with a field that depends on the server.
func (c *checker) hasAnswers(t types.Type) bool {
	if t == nil {
		return false
	}
	st, ok := t.Underlying().(*types.Struct)
	if !ok {
		return false
	}
	for f := range st.Fields() {
		if f = f.Origin(); c.asking[f] || isBool(f.Type()) && !c.isConstant(c.defined(f)) {
			return true
		}
	}
	return false
}

// returnsAnswer reports whether the first result of a function depends on the server: as a value, or by the choice of a
// constant.
func (c *checker) returnsAnswer(f *function) (found bool) {
	if f.typ.Results().Len() == 0 || !isScalar(f.typ.Results().At(0).Type()) {
		return false
	}
	asks := false
	constants := map[string]bool{}
	if name := f.typ.Results().At(0); name.Name() != "" && c.asking[name] {
		return true
	}
	ast.Inspect(f.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.IfStmt:
			asks = asks || c.mentions(n.Cond)
		case *ast.CaseClause:
			for _, e := range n.List {
				asks = asks || c.mentions(e)
			}
		case *ast.AssignStmt:
			for i, l := range n.Lhs {
				if c.variable(l) == f.typ.Results().At(0) && c.mentions(n.Rhs[min(i, len(n.Rhs)-1)]) {
					found = true
				}
			}
		case *ast.ReturnStmt:
			if len(n.Results) > 0 {
				if v := c.pass.TypesInfo.Types[n.Results[0]].Value; v != nil {
					constants[v.ExactString()] = true
				}
				found = found || c.mentions(n.Results[0])
			}
		}
		return true
	})
	return found || asks && len(constants) > 1
}
