package vet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
)

// A text is a possible value of a string.
type text struct {
	value string
	at    ast.Expr // the place to report: the variable, or the constant in a list
	e     ast.Expr // the constant, nil if the program puts the string together
	s     state    // the releases for which the string has this value
}

// texts returns the possible values of a string or of a list of strings. The result all reports whether there are no
// others.
func (c *checker) texts(e ast.Expr, depth int) (out []text, all bool) {
	if e == nil || depth > 6 {
		return nil, false
	}
	e = ast.Unparen(e)
	if e == probeLiteral {
		return []text{{probePath, e, e, c.r.all}}, true
	}
	if v := c.pass.TypesInfo.Types[e].Value; v != nil {
		if v.Kind() != constant.String {
			return nil, false
		}
		return []text{{constant.StringVal(v), e, e, c.r.all}}, true
	}
	add := func(list []ast.Expr) {
		for _, elt := range list {
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				elt = kv.Value
			}
			more, complete := c.texts(elt, depth+1)
			out, all = append(out, more...), all && complete
		}
	}
	all = true
	switch n := e.(type) {
	case *ast.CompositeLit:
		if elemOf(c.pass.TypesInfo.TypeOf(n)) == nil {
			return nil, false
		}
		add(n.Elts)
		return out, all
	case *ast.CallExpr:
		switch {
		case c.pass.TypesInfo.Types[n.Fun].IsType() && len(n.Args) == 1, c.isCall(n, "slices", "Clone", "Sorted", "Values"):
			return c.texts(n.Args[0], depth+1)
		case c.isBuiltin(n, "append"):
			add(n.Args)
			return out, all
		}
		return nil, false
	case *ast.SliceExpr:
		return c.texts(n.X, depth+1)
	case *ast.IndexExpr:
		return c.texts(n.X, depth+1)
	case *ast.BinaryExpr:
		if n.Op != token.ADD {
			return nil, false
		}
		a, okA := c.texts(n.X, depth+1)
		b, okB := c.texts(n.Y, depth+1)
		if !okA || !okB || len(a)*len(b) > 100 {
			return nil, false
		}
		for _, x := range a {
			for _, y := range b {
				out = append(out, text{x.value + y.value, e, nil, x.s & y.s})
			}
		}
		return out, true
	case *ast.Ident, *ast.SelectorExpr:
		v, ok := c.variable(n).(*types.Var)
		if !ok || c.visitingVar[v] {
			return nil, false
		}
		c.visitingVar[v] = true
		defer delete(c.visitingVar, v)
		defs := c.defsOf(v)
		for _, d := range defs {
			if d.e == nil && !d.unknown {
				continue // the zero value
			}
			if d.e == nil || d.of != 1 || d.unknown {
				all = false
				continue
			}
			more, complete := c.texts(d.e, depth+1)
			for i := range more {
				if c.cur != nil && c.bound[v] == nil {
					if g, ok := c.cur.vars[v][d]; ok {
						more[i].s &= g.yes | g.no
					}
				}
				if !isList(v.Type()) {
					more[i].at = e
				}
			}
			out, all = append(out, more...), all && complete
		}
		return out, all && len(defs) > 0
	}
	return nil, false
}

// text returns the only possible value of a string, "" if there are several or unknown ones.
func (c *checker) text(e ast.Expr) string {
	if out, all := c.texts(e, 0); all && len(out) == 1 {
		return out[0].value
	}
	return ""
}
