package vet

import (
	"go/ast"
	"go/types"
	"maps"
)

// A function is a function or a function literal of the package.
type function struct {
	obj     types.Object // nil for a literal
	body    *ast.BlockStmt
	typ     *types.Signature
	graph   *graph
	exits   bool // it may panic or end the program
	free    bool // it may have callers that the analyzer does not see
	calls   int  // the number of calls in the package
	callees []*function

	entry, mayEntry state         // the releases that reach it: s and may of a flow
	tried           int           // the calls whose error a caller checks
	results         []guard       // the guard of each result, then that of returning at all
	refuses         bool          // it returns a new error where a doubt decides
	tries           map[int]trial // the parameters that are errors which it checks
	inlined         bool
	numbers         map[int]state // the integer constants that it returns, with the releases
	numbered        bool          // it returns only these constants, and no doubt decides which one
	forwards        *forward      // the parameters that become a qmp.Raw
}

// result returns the guard of a result. If the function only passes an error on, the error says nothing about its
// doubts.
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

// uses counts the calls of each function, and finds the functions that the package also uses as values.
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
				fn.free = true // a variable of the package uses it
			}
		}
		return true
	})
}

// roots makes a function free if only functions that it calls itself call it.
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

// function returns the function of the package that a call calls, nil if it is of another package or unknown.
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

// method returns a function of the package. For a method of an interface it returns the only implementation.
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

// onlyResult returns the result of a call if the function is one return statement, and the assignments to the
// parameters. It returns nil for another call.
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
