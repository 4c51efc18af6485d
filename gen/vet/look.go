package vet

import (
	"go/ast"
	"go/types"
	"strings"
)

// A look is something that the program has compared with nil: a variable, and the path of the member that it selects.
type look struct {
	root types.Object
	path string
}

// lookOf returns the variable and the path of an expression.
func (c *checker) lookOf(e ast.Expr) (look, bool) {
	switch n := ast.Unparen(e).(type) {
	case *ast.Ident:
		if obj := c.variable(n); obj != nil {
			return look{obj, ""}, true
		}
	case *ast.SelectorExpr:
		if l, ok := c.lookOf(n.X); ok {
			return look{l.root, l.path + "." + n.Sel.Name}, true
		}
		if obj := c.variable(n); obj != nil {
			return look{obj, types.ExprString(n)}, true
		}
	case *ast.IndexExpr:
		if l, ok := c.lookOf(n.X); ok {
			return look{l.root, l.path + "[" + types.ExprString(n.Index) + "]"}, true
		}
	case *ast.StarExpr:
		return c.lookOf(n.X)
	case *ast.UnaryExpr:
		return c.lookOf(n.X)
	}
	return look{}, false
}

// lookAt notes that the program compares an expression with nil.
func (c *checker) lookAt(e ast.Expr) {
	if l, ok := c.lookOf(e); ok && c.cur != nil {
		c.cur.looks[l] = true
		for _, d := range c.defsOf(l.root) { // p := x.Member
			if l.path == "" && d.e != nil {
				if of, ok := c.lookOf(d.e); ok {
					c.cur.looks[of] = true
				}
			}
		}
	}
}

// lookInto notes that the program passes a value to a function that may compare its members with nil and return the
// result.
func (c *checker) lookInto(n *ast.CallExpr) {
	sig, ok := c.pass.TypesInfo.TypeOf(n.Fun).(*types.Signature)
	if !ok || sig.Results().Len() == 0 {
		return
	}
	if last := sig.Results().At(sig.Results().Len() - 1).Type(); !isBool(last) && !isErrorType(last) {
		return
	}
	for _, a := range n.Args {
		t := c.pass.TypesInfo.TypeOf(a)
		if t == nil {
			continue
		}
		b, named := c.binding(t)
		if l, ok := c.lookOf(a); ok && (b != nil && isReceived(named) || c.isOptional(a)) && c.cur != nil {
			c.cur.looks[look{l.root, l.path + "*"}] = true
		}
	}
}

// looked reports whether the program has compared an expression with nil.
func (c *checker) looked(e ast.Expr) bool {
	l, ok := c.lookOf(e)
	if !ok || c.cur == nil {
		return false
	}
	if c.cur.looks[l] {
		return true
	}
	for seen := range c.cur.looks {
		if whole, ok := strings.CutSuffix(seen.path, "*"); ok && seen.root == l.root && strings.HasPrefix(l.path, whole) {
			return true
		}
	}
	if l.path == "" {
		for _, d := range c.defsOf(l.root) {
			if d.e == nil {
				continue
			}
			if of, ok := c.lookOf(d.e); ok && of.root != l.root && c.cur.looks[of] {
				return true
			}
		}
	}
	return false
}
