package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"

	"golang.org/x/tools/go/cfg"
)

// A flow is what is known at a place of a function.
type flow struct {
	s     state                   // the releases that come to the place, as far as vet understands why
	may   state                   // the same if no condition counts that vet does not understand
	vars  map[*types.Var]assigned // what tracked variables can have
	looks map[look]bool           // members and pointers that were compared with nil
}

// assigned has the assignments from which a variable can have its value, and what they say of it. It is not changed.
type assigned map[*def]guard

// A look is a variable and what is selected from it.
type look struct {
	root types.Object
	path string
}

func newFlow(s, may state) *flow {
	return &flow{s, may, map[*types.Var]assigned{}, map[look]bool{}}
}

func (f *flow) clone() *flow {
	return &flow{f.s, f.may, maps.Clone(f.vars), maps.Clone(f.looks)}
}

// join adds what comes by another way.
func (f *flow) join(g *flow) {
	f.s |= g.s
	f.may |= g.may
	for v, a := range g.vars {
		f.vars[v] = f.vars[v].join(a, g.may)
	}
	maps.Copy(f.looks, g.looks)
}

// join returns the assignments of two ways. By the second one only some releases come.
func (a assigned) join(b assigned, may state) assigned {
	same := true
	for d, is := range b {
		if old, ok := a[d]; is != is.within(may) || a != nil && (!ok || old.or(is) != old) {
			same = false
		}
	}
	switch {
	case same && a == nil:
		return b
	case same:
		return a
	}
	out := make(assigned, len(a)+len(b))
	maps.Copy(out, a)
	for d, is := range b {
		out[d] = out[d].or(is.within(may))
	}
	return out
}

// doubt says that a condition which is not understood decides whether control comes here: what variables have is
// not known to be what they have for all releases that come.
func (f *flow) doubt() {
	for v, a := range f.vars {
		f.vars[v] = a.doubt(f.s)
	}
}

func (a assigned) doubt(s state) assigned {
	out := assigned{}
	for d, g := range a {
		g.yes, g.no = g.yes&s, g.no&s
		out[d] = g
	}
	return out
}

// restore says that the two ways of a condition which is not understood have met again. What they did not set is as
// it was before.
func (f *flow) restore(before *flow, set map[*def]bool) {
	f.s |= f.may & before.s
	for v, a := range before.vars {
		same := true
		for d := range f.vars[v] {
			same = same && !set[d]
		}
		if same {
			f.vars[v] = f.vars[v].join(a, f.may)
		}
	}
}

// sets returns the assignments that only one way of a condition comes to.
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

// leave forgets the variables whose scope does not have a place.
func (f *flow) leave(place token.Pos) {
	if !place.IsValid() {
		return
	}
	gone := func(obj types.Object) bool {
		scope := obj.Parent()
		return scope != nil && obj.Pkg() != nil && scope != obj.Pkg().Scope() && !scope.Contains(place)
	}
	maps.DeleteFunc(f.vars, func(v *types.Var, _ assigned) bool { return gone(v) })
	maps.DeleteFunc(f.looks, func(l look, _ bool) bool { return l.root == nil || gone(l.root) })
}

// equal reports whether a flow says the same.
func (f *flow) equal(g *flow) bool {
	return f.s == g.s && f.may == g.may && maps.Equal(f.looks, g.looks) && maps.EqualFunc(f.vars, g.vars, maps.Equal)
}

// A graph is the control flow of a function.
type graph struct {
	blocks []*cfg.Block // those that control comes to, each behind those that lead to it but for loops
	places []token.Pos  // of the blocks, by their index
	all    []*cfg.Block // by their index
	preds  [][]int32
	loops  map[int32]map[int32]bool // the blocks that a loop repeats, by its head
	joins  map[int32]joins
}

// joins are the places where the two ways of a condition meet, and the blocks that only one of them comes to.
type joins struct{ places, only []int32 }

func newGraph(g *cfg.CFG) *graph {
	n := &graph{
		places: make([]token.Pos, len(g.Blocks)), preds: make([][]int32, len(g.Blocks)),
		loops: map[int32]map[int32]bool{}, joins: map[int32]joins{},
	}
	n.order(g.Blocks[0], make([]bool, len(g.Blocks)))
	slices.Reverse(n.blocks)
	for _, b := range n.blocks {
		if len(b.Nodes) > 0 {
			n.places[b.Index] = b.Nodes[0].Pos()
		}
		for _, s := range b.Succs {
			n.preds[s.Index] = append(n.preds[s.Index], b.Index)
		}
	}
	n.all = g.Blocks
	for _, b := range n.blocks {
		if len(b.Succs) == 2 && (b.Kind == cfg.KindRangeLoop || b.Kind == cfg.KindForLoop) {
			n.loops[b.Index] = n.body(b)
		}
	}
	return n
}

// order appends blocks, each behind those that it leads to.
func (g *graph) order(b *cfg.Block, seen []bool) {
	if seen[b.Index] {
		return
	}
	seen[b.Index] = true
	for _, s := range slices.Backward(b.Succs) {
		g.order(s, seen)
	}
	g.blocks = append(g.blocks, b)
}

// body returns the blocks from which the head of a loop is reached again.
func (g *graph) body(head *cfg.Block) map[int32]bool {
	from := g.reach(head.Succs[0], head)
	found := map[int32]bool{}
	var back func(i int32)
	back = func(i int32) {
		for _, p := range g.preds[i] {
			if from[p] && !found[p] {
				found[p] = true
				back(p)
			}
		}
	}
	back(head.Index)
	return found
}

// reach returns the blocks that are reached from one without another.
func (g *graph) reach(from, without *cfg.Block) map[int32]bool {
	found := map[int32]bool{}
	todo := []*cfg.Block{from}
	for len(todo) > 0 {
		b := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if b != without && !found[b.Index] {
			found[b.Index] = true
			todo = append(todo, b.Succs...)
		}
	}
	return found
}

// joinsOf returns where the two ways of a condition meet: what is behind does not depend on it.
func (g *graph) joinsOf(b *cfg.Block) joins {
	if found, ok := g.joins[b.Index]; ok {
		return found
	}
	var found joins
	yes, no := g.reach(b.Succs[0], b), g.reach(b.Succs[1], b)
	for _, block := range g.blocks {
		i := block.Index
		switch {
		case yes[i] != no[i]:
			found.only = append(found.only, i)
		case yes[i]:
			if slices.ContainsFunc(g.preds[i], func(p int32) bool { return !yes[p] || !no[p] }) {
				found.places = append(found.places, i)
			}
		}
	}
	g.joins[b.Index] = found
	return found
}

// run follows the control flow of a function from an entry. It walks all blocks quietly until it knows what comes
// to each, and then once more.
func (c *checker) run(f *function, entry *flow) {
	if f.graph == nil {
		return
	}
	outer, outerFlow := c.current, c.cur
	c.current = f
	defer func() { c.current, c.cur = outer, outerFlow }()
	r := &runner{c: c, g: f.graph, doubts: map[int32]map[int32]*flow{}, set: map[int32]map[*def]bool{}, asking: map[int32]bool{}}
	c.quiet++
	if len(f.graph.loops) > 0 { // what asks decides what comes behind loops
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

// A runner has the state of a run.
type runner struct {
	c      *checker
	g      *graph
	in     []*flow
	out    [][]*flow
	doubts map[int32]map[int32]*flow // what comes to conditions that are not understood, by where their ways meet
	set    map[int32]map[*def]bool
	asking map[int32]bool // blocks that end with a condition that says something of the server
}

// rounds walks the blocks until nothing changes.
func (r *runner) rounds(entry *flow) {
	r.in, r.out = make([]*flow, len(r.g.all)), make([][]*flow, len(r.g.all))
	for round, changed := 0, true; changed && round < 500; round++ {
		changed = r.round(entry, false)
	}
}

// round walks the blocks to which something new comes, or all. It reports whether something has changed.
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

// take joins what comes from a block to the next one.
func (r *runner) take(in *flow, from int32, to *cfg.Block) {
	for i, s := range r.g.all[from].Succs {
		if s == to && r.out[from] != nil {
			in.join(r.out[from][i])
		}
	}
}

// block walks a block and finds out what comes to the next ones.
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
		// Each turn of the loop asks: behind it, each has had its answer.
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

// asks reports whether a block is the head of a loop that has a question.
func (r *runner) asks(head *cfg.Block) bool {
	for i := range r.g.loops[head.Index] {
		if r.asking[i] {
			return true
		}
	}
	return false
}

// condition is what decides between the two ways out of a block, nil if no expression does.
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

// operands walks a condition. A constant of a case is only compared.
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

// refine says what a condition says of variables where it is true, or false.
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

// comes sets the releases that come to what is walked, until the function that it returns is called. A member that
// some of them lack does not make them fewer: what its value calls is called all the same.
func (c *checker) comes(s state) func() {
	outer := c.here
	c.here = s
	return func() { c.here = outer }
}

// node walks a statement, or an expression that is evaluated.
func (c *checker) node(n ast.Node) {
	f := c.cur
	s := f.s
	switch n := n.(type) {
	case ast.Expr:
		if !c.isTarget(n) {
			c.expr(n, s, "")
		}
	case *ast.ExprStmt:
		c.expr(n.X, s, "")
		if call, ok := ast.Unparen(n.X).(*ast.CallExpr); ok {
			c.require(call)
		}
	case *ast.AssignStmt:
		c.assign(n, s)
	case *ast.ValueSpec:
		c.declare(n, s)
	case *ast.ReturnStmt:
		c.ret(n, s)
	case *ast.GoStmt:
		c.expr(n.Call, s, "")
	case *ast.DeferStmt:
		c.expr(n.Call, s, "")
	case *ast.SendStmt:
		c.expr(n.Chan, s, "")
		if ch, ok := c.pass.TypesInfo.TypeOf(n.Chan).Underlying().(*types.Chan); ok {
			c.flow(n.Value, ch.Elem(), s, "")
		}
	case *ast.IncDecStmt:
		c.expr(n.X, s, "")
		c.set(n.X, c.defAt[n.X])
	}
}

// isTarget reports whether an expression is a variable that a loop or a select sets.
func (c *checker) isTarget(e ast.Expr) bool { return c.defAt[e] != nil }

// rangeVars sets the variables of a loop.
func (c *checker) rangeVars(n *ast.RangeStmt) {
	for _, v := range []ast.Expr{n.Key, n.Value} {
		if v != nil {
			c.set(v, c.defAt[v])
		}
	}
}

// set gives a variable a new value.
func (c *checker) set(target ast.Expr, d *def) {
	obj, ok := c.variable(target).(*types.Var)
	if !ok || d == nil {
		return
	}
	f := c.cur
	maps.DeleteFunc(f.looks, func(l look, _ bool) bool { return l.root == obj })
	c.originsOf(d)
	if c.learns() {
		c.grow(&d.in, f.s)
		c.grow(&d.mayIn, f.may)
	}
	if !c.tracked(obj) {
		if !isBool(obj.Type()) && isScalar(obj.Type()) {
			c.depends(obj, d.e)
		}
		return
	}
	g := c.valueOf(d, obj.Type()).within(f.may)
	g.yes, g.no = g.yes&f.s, g.no&f.s
	f.vars[obj] = assigned{d: g}
}

// depends notes that a variable has an answer if only some releases come to where it is set to a constant.
func (c *checker) depends(obj types.Object, value ast.Expr) {
	f := c.cur
	if obj == nil || value == nil || !c.learns() || c.current == nil || c.asking[obj] || !c.isFixed(value) {
		return
	}
	if f.s != c.current.entry || f.may != c.current.mayEntry {
		c.asking[obj], c.changed = true, true
	}
}

// isFixed reports whether a value is a constant, struct{}{}, or a list to which a constant is appended.
func (c *checker) isFixed(e ast.Expr) bool {
	switch n := ast.Unparen(e).(type) {
	case *ast.CompositeLit:
		return len(n.Elts) == 0
	case *ast.CallExpr:
		return c.isBuiltin(n, "append") && slices.ContainsFunc(n.Args[1:], c.isFixed)
	}
	return c.pass.TypesInfo.Types[e].Value != nil
}

func (c *checker) assign(n *ast.AssignStmt, s state) {
	if len(n.Rhs) == len(n.Lhs) {
		for i, l := range n.Lhs {
			in, path := s, ""
			switch l := ast.Unparen(l).(type) {
			case *ast.SelectorExpr:
				c.expr(l.X, s, "")
				if c.isNil(n.Rhs[i]) {
					c.clear(c.variable(l.X), l.Sel.Name)
				} else if n.Tok == token.ASSIGN {
					in, path = c.setMember(l, s&c.some(n.Rhs[i]))
				}
				if l.Sel.Name == "Command" && isRaw(c.pass.TypesInfo.TypeOf(l.X)) {
					c.rawCommand(n.Rhs[i], s)
				}
			case *ast.Ident:
			case *ast.IndexExpr:
				c.expr(l, s, "")
				c.rawArgument(l, n.Rhs[i], s)
				c.depends(c.rootOf(l), n.Rhs[i])
			case *ast.StarExpr:
				c.setPointed(l, s)
			default:
				c.expr(l, s, "")
			}
			c.into(c.variable(l), n.Rhs[i])
			c.flow(n.Rhs[i], c.pass.TypesInfo.TypeOf(l), in, path)
			c.into(nil, nil)
		}
	} else {
		for _, l := range n.Lhs {
			if sel, ok := ast.Unparen(l).(*ast.SelectorExpr); ok {
				c.expr(sel.X, s, "")
				if n.Tok == token.ASSIGN {
					c.setMember(sel, s)
				}
			} else if _, ok := ast.Unparen(l).(*ast.Ident); !ok {
				c.expr(l, s, "")
			}
		}
		c.expr(n.Rhs[0], s, "")
	}
	for _, l := range n.Lhs {
		c.set(l, c.defAt[l])
	}
}

// into says which variable a literal becomes.
func (c *checker) into(obj types.Object, value ast.Expr) {
	c.target, c.targetLit = obj, nil
	if obj == nil {
		return
	}
	value = ast.Unparen(value)
	if u, ok := value.(*ast.UnaryExpr); ok {
		value = u.X
	}
	c.targetLit, _ = value.(*ast.CompositeLit)
}

func (c *checker) declare(v *ast.ValueSpec, s state) {
	for i, value := range v.Values {
		if len(v.Values) == len(v.Names) {
			c.into(c.pass.TypesInfo.Defs[v.Names[i]], value)
			c.flow(value, c.pass.TypesInfo.TypeOf(v.Names[i]), s, "")
			c.into(nil, nil)
		} else {
			c.expr(value, s, "")
		}
	}
	for _, name := range v.Names {
		c.set(name, c.defAt[name])
	}
}

// ret walks the results of a function, and adds what they say to what is known of it.
func (c *checker) ret(n *ast.ReturnStmt, s state) {
	f := c.current
	results := f.typ.Results()
	for i, e := range n.Results {
		if len(n.Results) == results.Len() {
			c.flow(e, results.At(i).Type(), s, "")
		} else {
			c.expr(e, s, "")
		}
	}
	c.returns(n)
	for i := range f.results {
		g := c.always(true)
		switch {
		case i == results.Len():
		case len(n.Results) == results.Len():
			e := n.Results[i]
			g = c.valueOf(&def{e: e, of: 1}, results.At(i).Type())
			if isErrorType(results.At(i).Type()) && c.cur.s != c.cur.may && c.learns() && c.isNewError(e) && !f.refuses {
				f.refuses, c.changed = true, true
			}
		case len(n.Results) == 1: // return f()
			g = c.valueOf(&def{e: n.Results[0], index: i, of: results.Len()}, results.At(i).Type())
		case results.At(i).Name() != "":
			g = c.defined(results.At(i))
		default:
			g = c.nothing()
		}
		r := &f.results[i]
		c.grow(&r.yes, g.yes&c.cur.s)
		c.grow(&r.no, g.no&c.cur.s)
		c.grow(&r.maybe, g.maybe&c.cur.may)
		c.grow(&r.maybeNot, g.maybeNot&c.cur.may)
	}
}

// returns notes for which releases the function returns a number, if its numbers are wanted.
func (c *checker) returns(n *ast.ReturnStmt) {
	f := c.current
	if f != c.numbering || c.settling {
		return
	}
	if len(n.Results) != 1 || c.pass.TypesInfo.Types[n.Results[0]].Value == nil || c.cur.s != c.cur.may {
		f.numbered = false
		return
	}
	value, isInt := c.number(n.Results[0], "0.0", 0)
	f.numbers[value] |= c.cur.s
	f.numbered = f.numbered && isInt
}

// isNewError reports whether an expression is an error of the program, and none that is passed on.
func (c *checker) isNewError(e ast.Expr) bool {
	switch n := ast.Unparen(e).(type) {
	case *ast.UnaryExpr, *ast.CompositeLit:
		return true
	case *ast.CallExpr:
		return c.makesError(n) && !slices.ContainsFunc(n.Args, func(a ast.Expr) bool {
			return isErrorType(c.pass.TypesInfo.TypeOf(a)) && !c.isNewError(a) // "%w" with a variable of the package is new
		})
	case *ast.Ident, *ast.SelectorExpr:
		obj := c.variable(n)
		return obj != nil && obj.Pkg() != nil && obj.Parent() == obj.Pkg().Scope()
	}
	return false
}

// require says what comes behind a call that returns only if its argument is true, or is no error.
func (c *checker) require(call *ast.CallExpr) {
	f := c.callee(call)
	if f == nil || f.Pkg() == nil || len(call.Args) == 0 {
		return
	}
	apply := func(yes, maybe state) {
		c.cur.s &= yes
		c.cur.may &= maybe
	}
	if f.Pkg().Path() == testifyPath+"require" && len(call.Args) > 1 {
		switch arg := call.Args[1]; f.Name() {
		case "True", "Truef":
			g := c.cond(arg)
			apply(g.yes, g.maybe)
		case "False", "Falsef":
			g := c.cond(arg)
			apply(g.no, g.maybeNot)
		case "NoError", "NoErrorf", "Nil", "Nilf", "Empty", "Emptyf":
			g := c.nonNil(arg)
			apply(g.no, g.maybeNot)
		case "ErrorIs", "ErrorIsf", "ErrorAs", "ErrorAsf":
			g := c.cond(call)
			apply(g.yes, g.maybe)
		case "NotNil", "NotNilf":
			c.lookAt(arg)
			g := c.nonNil(arg)
			apply(g.yes, g.maybe)
		default:
			for _, arg := range call.Args[1:] {
				if c.mentions(arg) {
					apply(0, c.r.all)
				}
			}
		}
		return
	}
	if !c.exits(f) {
		return
	}
	if fn, a := c.function(call), c.fact(f); fn != nil || a != nil && len(a.Results) > 0 {
		returns := c.result(call, f.Signature().Results().Len())
		apply(returns.yes, returns.maybe)
		if !c.isConstant(returns) {
			return
		}
	}
	for _, arg := range call.Args {
		switch t := c.pass.TypesInfo.TypeOf(arg); {
		case t == nil:
		case isBool(t):
			if g := c.cond(arg); g.asks() {
				apply(0, c.r.all)
			}
		case isErrorType(t):
			if g := c.nonNil(arg); g.asks() {
				apply(g.no, g.maybeNot)
			}
		}
	}
}

// setPointed is the use of a member that is a pointer, if what it points to is assigned to.
func (c *checker) setPointed(l *ast.StarExpr, s state) {
	c.expr(l.X, s, "")
	sel, ok := ast.Unparen(l.X).(*ast.SelectorExpr)
	if ok && !c.looked(sel) {
		c.setMember(sel, s)
	}
}
