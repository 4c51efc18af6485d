package vet

import (
	"go/ast"
	"go/types"
	"slices"
)

// findNeeds collects the conditions that ask with a field of a table's entry, such as a path or a version.
//
//	for _, step := range []step{{min: qmp.Version{Major: 10}, request: qemu.BlockdevSetActive{}}} {
//		if client.Version().Compare(step.min) < 0 {
//			continue
//		}
func (c *checker) findNeeds(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.IfStmt)
		if !ok || !c.mentions(s.Cond) {
			return true
		}
		c.variables(s.Cond, func(v *types.Var) {
			if v.IsField() && v.Pkg() == c.pass.Pkg && !c.asking[v] && c.isNeed(v.Type()) && !slices.Contains(c.needs[v], s) {
				c.needs[v] = append(c.needs[v], s)
			}
		})
		return true
	})
}

// variables calls a function for each variable and field in an expression, and in the values of its variables.
func (c *checker) variables(e ast.Expr, each func(v *types.Var)) {
	ast.Inspect(e, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		if v, ok := c.variable(e).(*types.Var); ok {
			each(v)
			if d := c.only(v); d != nil && !v.IsField() {
				c.variables(d.e, each)
			}
		}
		return true
	})
}

// isNeed reports whether a value of the type can be a version or paths.
func (c *checker) isNeed(t types.Type) bool { return c.isVersionType(t) || isBasic(elem(t)) }

// needed returns the releases that have what an entry of a table needs. It evaluates the conditions of findNeeds with
// the values of the entry. If the block of a condition leaves, the entry is used after it, and else in it.
func (c *checker) needed(lit *ast.CompositeLit, st *types.Struct) state {
	values := map[*types.Var]*def{}
	var conditions []*ast.IfStmt
	for f := range fieldsOf(lit, st) {
		if field := f.Origin(); len(c.needs[field]) > 0 {
			values[field] = &def{e: f.value, of: 1}
			conditions = append(conditions, c.needs[field]...)
		}
	}
	s := c.r.all
	outer, current := c.bound, c.cur
	c.bound, c.cur = values, nil
	for _, condition := range conditions {
		c.variables(condition.Cond, func(v *types.Var) {
			if d := c.only(v); d != nil && !v.IsField() && isBool(v.Type()) {
				values[v] = d // ok, err := schema.Has(entry.need)
			}
		})
		if g := c.cond(condition.Cond); leaves(condition.Body) {
			s &= g.no
		} else {
			s &= g.yes
		}
	}
	c.bound, c.cur = outer, current
	return s
}
