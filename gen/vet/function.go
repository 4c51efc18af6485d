package vet

import (
	"go/ast"
	"go/types"
	"maps"
)

// A function is a function of the package.
type function struct {
	obj     types.Object // nil for a literal
	body    *ast.BlockStmt
	typ     *types.Signature
	graph   *graph
	exits   bool // it may panic or end the program
	free    bool // it has callers that are not seen
	calls   int  // places that call it
	callees []*function

	entry, mayEntry state         // the releases that can come to it; see flow
	tried           int           // calls whose error is looked at
	results         []guard       // what each says as a condition, and, as the last one, where the function returns
	refuses         bool          // it makes an error where a condition is not understood
	tries           map[int]trial // parameters that are errors it looks at
	inlined         bool
	numbers         map[int]state // the constants that it returns, and where
	numbered        bool          // it returns nothing else, and asks exactly
	forwards        *forward      // the parameters that become a qmp.Raw
}

// result is what a result says as a condition. An error that the function only passes on says nothing of what it asked.
func (f *function) result(i int) guard {
	g := f.results[i]
	if i < f.typ.Results().Len() && isErrorType(f.typ.Results().At(i).Type()) && !f.refuses {
		g.yes, g.no = g.maybe, g.maybeNot
	}
	return g
}

func (c *checker) add(fn *function) {
	fn.results = make([]guard, fn.typ.Results().Len()+1)
	for _, b := range fn.graph.blocks {
		if b.Live && len(b.Succs) == 0 && b.Return() == nil {
			fn.exits = true
		}
	}
}

// uses finds the functions that are called only, and never used as a value.
func (c *checker) uses(f *ast.File) {
	called := map[*ast.Ident]bool{}
	var caller *function
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			caller = c.funcs[c.pass.TypesInfo.Defs[n.Name]]
		case *ast.GenDecl:
			if caller != nil && n.Pos() > caller.body.End() {
				caller = nil
			}
		case *ast.CallExpr:
			switch fun := ast.Unparen(n.Fun).(type) {
			case *ast.Ident:
				called[fun] = true
			case *ast.SelectorExpr:
				called[fun.Sel] = true
			case *ast.IndexExpr:
				if id, ok := fun.X.(*ast.Ident); ok {
					called[id] = true
				}
			}
		case *ast.Ident:
			obj := c.pass.TypesInfo.Uses[n]
			if f, ok := obj.(*types.Func); ok {
				obj = f.Origin()
			}
			fn := c.funcs[obj]
			if fn == nil {
				break
			}
			if called[n] {
				fn.calls++
			} else {
				fn.free = true
			}
			if caller != nil {
				caller.callees = append(caller.callees, fn)
			} else {
				fn.free = true // of a variable of the package
			}
		}
		return true
	})
}

// roots makes functions free that nothing calls but functions that they call.
func (c *checker) roots() {
	reached := map[*function]bool{}
	var reach func(f *function)
	reach = func(f *function) {
		if !reached[f] {
			reached[f] = true
			for _, callee := range f.callees {
				reach(callee)
			}
		}
	}
	for _, f := range c.order {
		if f.free || f.calls == 0 {
			reach(f)
		}
	}
	for _, f := range c.order {
		if !reached[f] {
			f.free = true
			reach(f)
		}
	}
}

// function is the function of the package that a call calls, nil if it is another one's or not known.
func (c *checker) function(call *ast.CallExpr) *function {
	if f := c.callee(call); f != nil {
		return c.method(f)
	}
	fun := ast.Unparen(call.Fun)
	if lit, ok := fun.(*ast.FuncLit); ok {
		return c.lits[lit]
	}
	obj, ok := c.variable(fun).(*types.Var)
	if !ok {
		return nil
	}
	if fn := c.funcs[obj]; fn != nil {
		return fn
	}
	switch e := ast.Unparen(onlyValue(c.defs[obj])).(type) { // h := v.has
	case *ast.FuncLit:
		return c.lits[e]
	case *ast.Ident:
		if f, ok := c.pass.TypesInfo.Uses[e].(*types.Func); ok {
			return c.funcs[f.Origin()]
		}
	case *ast.SelectorExpr:
		if f, ok := c.pass.TypesInfo.Uses[e.Sel].(*types.Func); ok && c.pass.TypesInfo.Selections[e] != nil && c.pass.TypesInfo.Selections[e].Kind() == types.MethodVal {
			return c.method(f)
		}
	}
	return nil
}

// method is a function of the package. Of an interface's method it is the only one that implements it.
func (c *checker) method(f *types.Func) *function {
	f = f.Origin()
	i, ok := recvType(f).Underlying().(*types.Interface)
	if !ok {
		return c.funcs[f]
	}
	if f.Pkg() != c.pass.Pkg {
		return nil
	}
	var one *function
	for _, fn := range c.order {
		m, ok := fn.obj.(*types.Func)
		if !ok || m.Name() != f.Name() || m.Signature().Recv() == nil {
			continue
		}
		if types.Implements(m.Signature().Recv().Type(), i) || types.Implements(types.NewPointer(m.Signature().Recv().Type()), i) {
			if one != nil {
				return nil
			}
			one = fn
		}
	}
	return one
}

// exits reports whether a function may panic or end the program.
func (c *checker) exits(f *types.Func) bool {
	if fn := c.funcs[f.Origin()]; fn != nil {
		return fn.exits
	}
	a := c.fact(f)
	return a != nil && a.Exits
}

func takesCondition(sig *types.Signature) bool {
	for p := range sig.Params().Variables() {
		if isBool(p.Type()) || isErrorType(p.Type()) {
			return true
		}
	}
	return false
}

// onlyResult returns what a call of a function of the package returns that does nothing else, and what the call gives
// its parameters; nil for another call.
func (c *checker) onlyResult(call *ast.CallExpr) (ast.Expr, map[*types.Var]*def) {
	fn := c.function(call)
	if fn == nil || len(fn.body.List) != 1 || fn.typ.Params().Len() != len(call.Args) {
		return nil, nil
	}
	ret, ok := fn.body.List[0].(*ast.ReturnStmt)
	if !ok || len(ret.Results) != 1 {
		return nil, nil
	}
	bound := maps.Clone(c.bound)
	if bound == nil {
		bound = map[*types.Var]*def{}
	}
	for i, arg := range call.Args {
		bound[fn.typ.Params().At(i)] = &def{e: arg, of: 1}
	}
	return ret.Results[0], bound
}
