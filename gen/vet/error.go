package vet

import (
	"go/ast"
	"go/constant"
	"go/types"
	"maps"
	"slices"
)

// A trial says how the program checks whether the error of a call means that the server lacks something.
type trial int

const (
	commandTried trial = iota + 1 // with ErrCommandNotFound: it lacks the command
	requestTried                  // with ErrUnsupported: it lacks the command or anything in the request
)

// missingError returns the trial if an expression is an error of a command that the server lacks, 0 else.
func (c *checker) missingError(e ast.Expr) trial {
	e = ast.Unparen(e)
	if v := c.pass.TypesInfo.Types[e].Value; v != nil && v.Kind() == constant.String {
		if constant.StringVal(v) == "CommandNotFound" {
			return commandTried
		}
		return 0
	}
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return 0
	}
	if obj := c.pass.TypesInfo.Uses[sel.Sel]; obj != nil && obj.Pkg() != nil && obj.Pkg().Path() == "errors" && obj.Name() == "ErrUnsupported" {
		return requestTried
	}
	return 0
}

// isClass reports whether an expression is the class of an error.
func (c *checker) isClass(e ast.Expr) bool {
	return isNamed(c.pass.TypesInfo.TypeOf(e), qmpPath, "ErrorClass")
}

// origins returns the calls whose error an expression can be, at any depth of wrapping.
func (c *checker) origins(e ast.Expr) map[*ast.CallExpr]bool {
	e = ast.Unparen(e)
	found := map[*ast.CallExpr]bool{}
	switch n := e.(type) {
	case *ast.CallExpr:
		if c.pass.TypesInfo.Types[n.Fun].IsType() {
			return c.origins(n.Args[0])
		}
		found[n] = true
		for _, a := range n.Args {
			if t := c.pass.TypesInfo.TypeOf(a); t != nil && (isErrorType(t) || isNamed(t, qmpPath, "Error", "ErrorClass")) {
				maps.Copy(found, c.origins(a))
			}
		}
	case *ast.UnaryExpr:
		return c.origins(n.X)
	case *ast.TypeAssertExpr:
		return c.origins(n.X)
	case *ast.Ident, *ast.SelectorExpr:
		if sel, ok := n.(*ast.SelectorExpr); ok && isNamed(c.pass.TypesInfo.TypeOf(sel.X), qmpPath, "Error") {
			return c.origins(sel.X) // its class
		}
		if obj := c.variable(e); obj != nil {
			for _, d := range c.defsOf(obj) {
				maps.Copy(found, d.calls)
			}
		}
	}
	return found
}

// originsOf adds the calls whose error an assignment assigns.
func (c *checker) originsOf(d *def) {
	if d.e == nil || d.elem {
		return
	}
	for call := range c.origins(d.e) {
		if d.calls == nil {
			d.calls = map[*ast.CallExpr]bool{}
		}
		if !d.calls[call] {
			d.calls[call] = true
			c.changed = c.changed || c.learns()
		}
	}
}

// errorAs adds the calls whose error errors.As assigns to its target.
func (c *checker) errorAs(n *ast.CallExpr) {
	if c.isCall(n, "errors", "As") && len(n.Args) == 2 {
		if d := c.defAt[n.Args[1]]; d != nil {
			c.originsOf(d)
		}
	}
}

// try marks the calls whose error an expression can be, because the program compares it with that of a missing
// command. It returns the guard of this comparison.
func (c *checker) try(e ast.Expr, t trial) guard {
	c.triedParameter(e, t)
	calls := c.origins(e)
	var yes, no state
	commands := 0
	for call := range calls {
		c.mark(call, t)
		if cmd, server := c.commandIn(call); cmd != "" {
			if k := c.r.of(server, cmd); k != nil {
				no |= k.has
				yes |= c.r.all &^ k.has
				commands++
			}
		}
	}
	switch {
	case commands > 0:
		return guard{yes, no, c.r.all, no} // without this error the server has the command
	case len(calls) == 0 && c.isParameter(e) >= 0:
		return c.doubt()
	}
	return c.nothing()
}

// mark notes that the program checks whether a call failed because the server lacks something.
func (c *checker) mark(call *ast.CallExpr, t trial) {
	if c.tried[call] < t {
		if fn := c.function(call); fn != nil && c.tried[call] == 0 {
			fn.tried++
		}
		c.tried[call], c.changed = t, true
	}
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	var requests []ast.Expr
	if ok && sel.Sel.Name == "Do" {
		if t != requestTried {
			return // only the call tries the command
		}
		requests = append(requests, sel.X)
	}
	for _, a := range call.Args { // execute(ctx, c, request)
		if _, _, command := c.requestOf(c.pass.TypesInfo.TypeOf(a)); command != "" {
			requests = append(requests, a)
		}
	}
	for _, r := range requests {
		for _, source := range append(c.sources(r), r) {
			if c.tried[source] < t {
				c.tried[source], c.changed = t, true
			}
		}
	}
}

// isParameter returns the index of the parameter of the current function that an expression is, -1 for another
// expression.
func (c *checker) isParameter(e ast.Expr) int {
	if u, ok := ast.Unparen(e).(*ast.UnaryExpr); ok {
		e = u.X
	}
	v, ok := c.variable(e).(*types.Var)
	if !ok || c.current == nil {
		return -1
	}
	if c.aliases[v] != nil {
		v = c.aliases[v]
	}
	for i := range c.current.typ.Params().Len() {
		if c.current.typ.Params().At(i) == v {
			return i
		}
	}
	return -1
}

// triedParameter notes that the current function checks an error that is a parameter.
func (c *checker) triedParameter(e ast.Expr, t trial) {
	if i := c.isParameter(e); i >= 0 && c.current.tries[i] < t {
		if c.current.tries == nil {
			c.current.tries = map[int]trial{}
		}
		c.current.tries[i], c.changed = t, true
	}
}

// findProbes marks the commands that the program executes to find out whether the server has them: the program only
// compares the error with nil, and goes on if there is one.
func (c *checker) findProbes(body *ast.BlockStmt) {
	uses := map[types.Object]int{}
	probes := map[types.Object]bool{}
	ast.Inspect(body, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			if v, ok := c.pass.TypesInfo.Uses[id].(*types.Var); ok && isErrorType(v.Type()) {
				uses[v]++
			}
		}
		return true
	})
	compared := func(e ast.Expr) types.Object {
		if b, ok := ast.Unparen(e).(*ast.BinaryExpr); ok && c.isNil(b.Y) {
			if v := c.variable(b.X); v != nil && isErrorType(v.Type()) {
				return v
			}
		}
		return nil
	}
	note := func(obj types.Object, goesOn bool) {
		if obj != nil {
			uses[obj]--
			if old, seen := probes[obj]; seen {
				goesOn = goesOn && old
			}
			probes[obj] = goesOn
		}
	}
	inIf := map[ast.Expr]bool{}
	assigned := map[types.Object]int{}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt:
			cond := ast.Unparen(n.Cond)
			obj := compared(cond)
			inIf[cond] = true
			if obj != nil {
				failing := n.Body
				if cond.(*ast.BinaryExpr).Op.String() == "==" {
					failing, _ = n.Else.(*ast.BlockStmt)
				}
				note(obj, failing == nil || !leaves(failing) || c.executes(failing))
			}
		case *ast.BinaryExpr:
			if !inIf[n] {
				note(compared(n), true)
			}
		case *ast.AssignStmt:
			for _, l := range n.Lhs {
				if obj := c.variable(l); obj != nil {
					assigned[obj]++
					if n.Tok.String() == "=" {
						uses[obj]--
					}
				}
			}
		}
		return true
	})
	ast.Inspect(body, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if !ok || len(a.Rhs) != 1 {
			return true
		}
		obj := c.variable(a.Lhs[len(a.Lhs)-1])
		call, isCall := ast.Unparen(a.Rhs[0]).(*ast.CallExpr)
		if obj != nil && isCall && probes[obj] && uses[obj] <= 0 && assigned[obj] == 1 {
			if cmd, _ := c.commandOf(call); cmd != "" {
				c.mark(call, requestTried)
			}
		}
		return true
	})
}

// leaves reports whether a block ends the function or the iteration of a loop.
func leaves(b *ast.BlockStmt) bool {
	if len(b.List) == 0 {
		return false
	}
	switch last := b.List[len(b.List)-1].(type) {
	case *ast.ReturnStmt, *ast.BranchStmt:
		return true
	case *ast.ExprStmt:
		call, ok := last.X.(*ast.CallExpr)
		if !ok {
			return false
		}
		switch fun := ast.Unparen(call.Fun).(type) {
		case *ast.Ident:
			return fun.Name == "panic"
		case *ast.SelectorExpr:
			return slices.Contains([]string{"Fatal", "Fatalf", "Fatalln", "Exit", "FailNow", "Skip", "Skipf"}, fun.Sel.Name)
		}
	}
	return false
}

// executes reports whether a block executes a command instead of the failed command.
func (c *checker) executes(b *ast.BlockStmt) (found bool) {
	ast.Inspect(b, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if cmd, _ := c.commandOf(call); cmd != "" {
				found = true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Do" && isRaw(c.pass.TypesInfo.TypeOf(sel.X)) {
				found = true
			}
		}
		return !found
	})
	return found
}
