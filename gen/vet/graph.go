package vet

import (
	"go/token"
	"slices"

	"golang.org/x/tools/go/cfg"
)

// A graph is the control flow graph of a function.
type graph struct {
	blocks []*cfg.Block // the blocks that control reaches, each after its predecessors, except in loops
	places []token.Pos  // the positions of the blocks, by index
	all    []*cfg.Block // all blocks, by index
	preds  [][]int32
	loops  map[int32]map[int32]bool // the blocks of each loop, by its head
	joins  map[int32]joins
}

// joins has the blocks where the two ways out of a condition meet, and the blocks that only one of them reaches.
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

// order appends the blocks in postorder: each after its successors.
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

// body returns the blocks of a loop: those that lead back to its head.
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

// reach returns the blocks that control reaches from one block without passing another.
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

// joinsOf returns where the two ways out of a condition meet. The code from there on does not depend on the condition.
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
