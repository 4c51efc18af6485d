package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/cfg"
)

// run follows the control flow of a function. It walks the blocks without reporting until it knows the flow into
// each, and then once more.
func (c *checker) run(f *function, entry *flow) {
	if f.graph == nil {
		return
	}
	outer, outerFlow := c.current, c.cur
	c.current = f
	defer func() { c.current, c.cur = outer, outerFlow }()
	r := &runner{c: c, g: f.graph, doubts: map[int32]map[int32]*flow{}, set: map[int32]map[*def]bool{}, asking: map[int32]bool{}}
	c.quiet++
	if len(f.graph.loops) > 0 { // find the loops that ask: their answers hold after them
		settling, results := c.settling, slices.Clone(f.results)
		c.settling = true
		for asking := -1; asking < len(r.asking); {
			asking = len(r.asking)
			r.rounds(entry)
		}
		c.settling, f.results = settling, results
	}
	r.rounds(entry)
	c.quiet--
	if c.quiet == 0 {
		r.round(entry, true)
	}
}

// A runner is a run of a function.
type runner struct {
	c      *checker
	g      *graph
	in     []*flow
	out    [][]*flow
	doubts map[int32]map[int32]*flow // the flows into doubts, by the block where their ways meet and by that of the doubt
	set    map[int32]map[*def]bool
	asking map[int32]bool // the blocks that end with a condition that asks
}

// rounds walks the blocks until nothing changes.
func (r *runner) rounds(entry *flow) {
	r.in, r.out = make([]*flow, len(r.g.all)), make([][]*flow, len(r.g.all))
	for round, changed := 0, true; changed && round < 500; round++ {
		changed = r.round(entry, false)
	}
}

// round walks the blocks whose flow has changed, or all. It reports whether a flow has changed.
func (r *runner) round(entry *flow, all bool) (changed bool) {
	for _, b := range r.g.blocks {
		in := newFlow(0, 0)
		if b.Index == 0 {
			in.join(entry)
		}
		for _, p := range r.g.preds[b.Index] {
			r.take(in, p, b)
		}
		for doubt, before := range r.doubts[b.Index] {
			in.restore(before, r.sets(doubt))
		}
		in.leave(r.g.places[b.Index])
		if old := r.in[b.Index]; all || old == nil || !old.equal(in) || r.g.loops[b.Index] != nil {
			changed = changed || old == nil || !old.equal(in)
			r.in[b.Index] = in
			r.block(b, in.clone())
		}
	}
	return changed
}

// take joins the flow from a block to one of its successors.
func (r *runner) take(in *flow, from int32, to *cfg.Block) {
	for i, s := range r.g.all[from].Succs {
		if s == to && r.out[from] != nil {
			in.join(r.out[from][i])
		}
	}
}

// block walks a block and finds the flows to its successors.
func (r *runner) block(b *cfg.Block, f *flow) {
	c := r.c
	c.cur, c.here = f, f.s
	if loop, ok := b.Stmt.(*ast.RangeStmt); ok && b.Kind == cfg.KindRangeLoop {
		c.rangeVars(loop)
	}
	cond := c.condition(b)
	for i, n := range b.Nodes {
		c.here = f.s
		if cond == nil || i < len(b.Nodes)-1 {
			c.node(n)
		}
	}
	out := make([]*flow, len(b.Succs))
	r.out[b.Index] = out
	if cond != nil {
		c.here = f.s
		c.operands(b.Nodes[len(b.Nodes)-1].(ast.Expr), cond, f.s)
		g := c.cond(cond)
		if g.asks() {
			r.asking[b.Index] = true
		}
		yes, no := f.clone(), f.clone()
		yes.s, yes.may = f.s&g.yes, f.may&g.maybe
		no.s, no.may = f.s&g.no, f.may&g.maybeNot
		c.refine(yes, cond, true)
		c.refine(no, cond, false)
		out[0], out[1] = yes, no
		if g.doubtful() {
			yes.doubt()
			no.doubt()
			for _, j := range r.g.joinsOf(b).places {
				if r.doubts[j] == nil {
					r.doubts[j] = map[int32]*flow{}
				}
				r.doubts[j][b.Index] = f
			}
		}
	} else {
		for i := range out {
			out[i] = f
		}
	}
	if r.asks(b) {
		// Each iteration asks. So the flow out of the loop is that after an iteration, and not that before the first one.
		done := newFlow(0, 0)
		for _, p := range r.g.preds[b.Index] {
			if r.g.loops[b.Index][p] {
				r.take(done, p, b)
			}
		}
		for doubt, before := range r.doubts[b.Index] {
			done.restore(before, r.sets(doubt))
		}
		if cond != nil {
			g := c.cond(cond)
			done.s &= g.no
			done.may &= g.maybeNot
		}
		out[1] = done
	}
}

// sets returns the assignments that only one of the ways out of a condition reaches.
func (r *runner) sets(of int32) map[*def]bool {
	if r.set[of] == nil {
		r.set[of] = map[*def]bool{}
		for _, i := range r.g.joins[of].only {
			for _, n := range r.g.all[i].Nodes {
				ast.Inspect(n, func(n ast.Node) bool {
					if e, ok := n.(ast.Expr); ok && r.c.defAt[e] != nil {
						r.set[of][r.c.defAt[e]] = true
					}
					return true
				})
			}
		}
	}
	return r.set[of]
}

// asks reports whether a block is the head of a loop that asks.
func (r *runner) asks(head *cfg.Block) bool {
	for i := range r.g.loops[head.Index] {
		if r.asking[i] {
			return true
		}
	}
	return false
}

// condition returns the expression that decides between the two ways out of a block, nil if there is none.
func (c *checker) condition(b *cfg.Block) ast.Expr {
	if len(b.Succs) != 2 || len(b.Nodes) == 0 {
		return nil
	}
	e, ok := b.Nodes[len(b.Nodes)-1].(ast.Expr)
	if !ok {
		return nil
	}
	switch b.Succs[0].Kind {
	case cfg.KindIfThen, cfg.KindForBody:
		return e
	case cfg.KindSwitchCaseBody:
		clause, ok := b.Succs[1].Stmt.(*ast.CaseClause)
		if !ok {
			return nil
		}
		s := c.switches[clause]
		switch {
		case s == nil:
			return nil // a type switch
		case s.Tag == nil:
			return e
		}
		if c.cases[e] == nil {
			c.cases[e] = &ast.BinaryExpr{X: s.Tag, Op: token.EQL, Y: e, OpPos: e.Pos()}
		}
		return c.cases[e]
	}
	return nil
}

// operands walks a condition. For the value of a case, cond is the comparison with the tag.
func (c *checker) operands(e, cond ast.Expr, s state) {
	b, ok := cond.(*ast.BinaryExpr)
	if e == cond || !ok {
		c.expr(e, s, "")
		return
	}
	if c.isNil(e) {
		c.lookAt(b.X)
	}
	c.operand(e, s)
}

// refine narrows the values of variables to those for which a condition is true, or false.
func (c *checker) refine(f *flow, cond ast.Expr, truth bool) {
	switch e := ast.Unparen(cond).(type) {
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			c.refine(f, e.X, !truth)
		}
	case *ast.BinaryExpr:
		switch {
		case e.Op == token.LAND && truth, e.Op == token.LOR && !truth:
			c.refine(f, e.X, truth)
			c.refine(f, e.Y, truth)
		case (e.Op == token.NEQ || e.Op == token.EQL) && c.isNil(e.Y):
			c.refine(f, e.X, truth == (e.Op == token.NEQ))
		}
	case *ast.Ident:
		v, ok := c.variable(e).(*types.Var)
		if !ok {
			return
		}
		if f.vars[v] == nil {
			return
		}
		refined := assigned{}
		for d, g := range f.vars[v] {
			if truth {
				g.no, g.maybeNot = 0, 0
			} else {
				g.yes, g.maybe = 0, 0
			}
			refined[d] = g
		}
		f.vars[v] = refined
	}
}
