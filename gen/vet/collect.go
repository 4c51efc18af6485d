package vet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

// A checker analyzes a package.
type checker struct {
	pass     *analysis.Pass
	r        *releases
	files    []*ast.File
	bindings map[*types.Package]*Bindings
	servers  []string // of the packages that are known

	defs  map[types.Object][]def
	funcs map[types.Object]*function
	lits  map[*ast.FuncLit]*function // that are the value of a variable
	tried map[ast.Node]trial
	order []*function

	current    *function
	nilChecked map[string]bool // expressions of the current function that are compared with nil
	nonNil     map[types.Object]int
	here       state              // the releases that come to the current statement
	at         map[ast.Expr]state // the releases that come to an expression
	visiting   map[ast.Node]bool
	asked      *asked
	quiet      int // >0: a request is tried, or a round is not the last one
	found      map[string]finding
	changed    bool
}

// A def is an assignment to a variable: the result index of the of results of e. If e is nil, the variable
// has its zero value.
type def struct {
	pos       token.Pos
	e         ast.Expr
	index, of int
	block     ast.Node // the innermost block that has it; nil if the order does not count
}

// A function is a function of the package.
type function struct {
	body  *ast.BlockStmt
	typ   *types.Signature
	entry state // the releases that can come to it
	free  bool  // it has callers that are not seen
	calls int   // places that call it
	tried int   // calls whose error is looked at

	yes, no         state // its first result is true, or false
	doubt           bool
	some            state // its first result is not nil
	succeeds, fails state // its last result is nil, or is not
}

// result is what its result says as a condition.
func (f *function) result(index int) guard {
	if index != 0 || f.typ.Results().Len() == 0 || !isBool(f.typ.Results().At(0).Type()) {
		return guard{yes: ^state(0), no: ^state(0)}
	}
	return guard{f.yes, f.no, f.yes != f.no || f.doubt, f.doubt && f.yes|f.no == 0}
}

func isBool(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

// A trial is a call whose error the program compares with what says that the server lacks something.
type trial int

const (
	commandTried trial = iota + 1 // ErrCommandNotFound: of the command alone
	requestTried                  // ErrUnsupported: of all that the request has
)

// collect finds the functions of the package, the assignments and the errors that are looked at.
func (c *checker) collect() {
	for _, f := range c.files {
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Body != nil {
				obj := c.pass.TypesInfo.Defs[d.Name].(*types.Func)
				fn := &function{body: d.Body, typ: obj.Signature(), free: d.Name.IsExported() || d.Name.Name == "main" || d.Name.Name == "init" || d.Name.Name == "_"}
				c.funcs[obj] = fn
				c.order = append(c.order, fn)
			}
		}
	}
	for _, f := range c.files {
		c.assignments(f)
	}
	for obj, defs := range c.defs {
		if v, ok := obj.(*types.Var); ok && !v.IsField() && len(defs) == 1 && defs[0].e != nil {
			if lit, ok := ast.Unparen(defs[0].e).(*ast.FuncLit); ok && obj.Parent() != c.pass.Pkg.Scope() {
				fn := &function{body: lit.Body, typ: c.pass.TypesInfo.TypeOf(lit).(*types.Signature)}
				c.funcs[obj], c.lits[lit] = fn, fn
				c.order = append(c.order, fn)
			}
		}
	}
	for _, f := range c.files {
		c.uses(f)
	}
	for _, f := range c.files {
		c.trials(f)
	}
}

// assignments collects what variables and fields have their values from.
func (c *checker) assignments(f *ast.File) {
	var blocks []ast.Node
	add := func(name ast.Expr, e ast.Expr, index, of int) {
		obj := c.variable(name)
		if obj == nil {
			return
		}
		d := def{pos: name.Pos(), e: e, index: index, of: of}
		if v := obj.(*types.Var); !v.IsField() && obj.Parent() != c.pass.Pkg.Scope() && len(blocks) > 0 {
			d.block = blocks[len(blocks)-1]
		}
		c.defs[obj] = append(c.defs[obj], d)
	}
	pairs := func(names []ast.Expr, values []ast.Expr) {
		for i, n := range names {
			switch {
			case len(values) == len(names):
				add(n, values[i], 0, 1)
			case len(values) == 1:
				add(n, values[0], i, len(names))
			case len(values) == 0:
				add(n, nil, 0, 1)
			}
		}
	}
	var stack []ast.Node
	ast.Inspect(f, func(n ast.Node) bool {
		if n == nil {
			last := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if isBlock(last) {
				blocks = blocks[:len(blocks)-1]
			}
			return true
		}
		stack = append(stack, n)
		if isBlock(n) {
			blocks = append(blocks, n)
		}
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok == token.ASSIGN || n.Tok == token.DEFINE {
				pairs(n.Lhs, n.Rhs)
			}
		case *ast.ValueSpec:
			names := make([]ast.Expr, len(n.Names))
			for i, name := range n.Names {
				names[i] = name
			}
			pairs(names, n.Values)
		case *ast.CompositeLit:
			c.fieldValues(n, add)
		case *ast.CallExpr:
			c.parameters(n)
		}
		return true
	})
}

func isBlock(n ast.Node) bool {
	switch n.(type) {
	case *ast.BlockStmt, *ast.CaseClause, *ast.CommClause, *ast.IfStmt, *ast.ForStmt, *ast.SwitchStmt:
		return true
	}
	return false
}

// fieldValues adds what a literal gives the fields of a struct.
func (c *checker) fieldValues(lit *ast.CompositeLit, add func(name, e ast.Expr, index, of int)) {
	for _, elt := range lit.Elts {
		if kv, ok := elt.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok {
				if v, ok := c.pass.TypesInfo.Uses[key].(*types.Var); ok && v.IsField() {
					add(key, kv.Value, 0, 1)
				}
			}
		}
	}
}

// parameters adds what a call gives the parameters of a function that only the package calls.
func (c *checker) parameters(call *ast.CallExpr) {
	f := c.callee(call)
	fn := c.funcs[f]
	if f == nil || fn == nil || fn.free || fn.typ.Variadic() {
		return
	}
	for i, arg := range call.Args {
		if len(call.Args) == fn.typ.Params().Len() {
			p := fn.typ.Params().At(i)
			c.defs[p] = append(c.defs[p], def{pos: arg.Pos(), e: arg, of: 1})
		}
	}
}

// uses finds the functions that are called only, and never used as a value.
func (c *checker) uses(f *ast.File) {
	called := map[*ast.Ident]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			switch fun := ast.Unparen(n.Fun).(type) {
			case *ast.Ident:
				called[fun] = true
			case *ast.SelectorExpr:
				called[fun.Sel] = true
			}
		case *ast.Ident:
			if fn := c.funcs[c.pass.TypesInfo.Uses[n]]; fn != nil {
				if called[n] {
					fn.calls++
				} else {
					fn.free = true
				}
			}
		}
		return true
	})
}

// trials finds the calls whose errors are compared with ErrUnsupported or ErrCommandNotFound.
func (c *checker) trials(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !c.isCall(call, "errors", "Is") || len(call.Args) != 2 || !c.isMissingError(call.Args[1]) {
			return true
		}
		t := commandTried
		if ast.Unparen(call.Args[1]).(*ast.SelectorExpr).Sel.Name == "ErrUnsupported" {
			t = requestTried
		}
		for _, e := range c.sources(call.Args[0]) {
			if e, ok := e.(*ast.CallExpr); ok && c.tried[e] == 0 {
				c.tried[e] = t
				if fn := c.function(e); fn != nil {
					fn.tried++
				}
				if sel, ok := e.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Do" && t == requestTried {
					for _, request := range c.sources(sel.X) {
						c.tried[request] = t
					}
				}
			}
		}
		return true
	})
}

// reaching returns the assignments that a variable can have its value from at a place. It goes back in the text
// to one whose block has the place too.
func (c *checker) reaching(obj types.Object, at token.Pos) (out []def) {
	all := c.defs[obj]
	for i := len(all) - 1; i >= 0; i-- {
		d := all[i]
		if d.block == nil {
			out = append(out, d)
			continue
		}
		if d.pos >= at {
			continue
		}
		out = append(out, d)
		if d.block.Pos() <= at && at < d.block.End() {
			break
		}
	}
	return out
}

// function is the function of the package that a call calls, nil if it is another one's.
func (c *checker) function(call *ast.CallExpr) *function {
	if f := c.callee(call); f != nil {
		return c.funcs[f.Origin()]
	}
	if id, ok := ast.Unparen(call.Fun).(*ast.Ident); ok {
		return c.funcs[c.pass.TypesInfo.Uses[id]]
	}
	return nil
}

// solve walks all functions until it knows which releases can come to each. It then walks them once more and
// reports.
func (c *checker) solve() {
	for _, f := range c.order {
		if f.free || f.calls == 0 {
			f.entry = c.r.all
		}
	}
	c.quiet++
	for c.changed = true; c.changed; {
		c.changed = false
		c.walkAll()
	}
	c.quiet--
	c.walkAll()
}

func (c *checker) walkAll() {
	for _, f := range c.files {
		for _, d := range f.Decls {
			if d, ok := d.(*ast.GenDecl); ok {
				c.here = c.r.all
				c.declaration(d, c.r.all)
			}
		}
	}
	for _, f := range c.order {
		if f.entry == 0 {
			continue
		}
		if f.calls > 0 && f.tried == f.calls && !f.free {
			c.quiet++
		}
		c.current, c.nilChecked = f, comparedWithNil(f.body)
		c.block(f.body.List, f.entry)
		c.current = nil
		if f.calls > 0 && f.tried == f.calls && !f.free {
			c.quiet--
		}
	}
}

// comparedWithNil returns the expressions that a function compares with nil.
func comparedWithNil(body *ast.BlockStmt) map[string]bool {
	found := map[string]bool{}
	ast.Inspect(body, func(n ast.Node) bool {
		if b, ok := n.(*ast.BinaryExpr); ok && (b.Op == token.EQL || b.Op == token.NEQ) {
			if id, ok := ast.Unparen(b.Y).(*ast.Ident); ok && id.Name == "nil" {
				found[types.ExprString(ast.Unparen(b.X))] = true
			}
		}
		return true
	})
	return found
}

// grow adds releases to what is known of a function.
func (c *checker) grow(s *state, more state) {
	if more&^*s != 0 {
		*s |= more
		c.changed = true
	}
}
