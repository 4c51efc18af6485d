package vet

import (
	"go/ast"
)

// A forward says which parameters of a function become the command and the arguments of a qmp.Raw. The callers of the
// function use the command.
type forward struct {
	Command, Args int   // 1 + the index of the parameter, 0 for none
	In            state // the releases that reach the qmp.Raw
}

// forward notes that a parameter of the current function becomes the command of a qmp.Raw.
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

// forwardOf returns the forward of the function that a call calls, nil if it has none.
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

// forwarded reports the use of a command that a call passes to a function with a forward.
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
