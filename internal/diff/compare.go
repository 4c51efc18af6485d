package diff

import (
	"cmp"
	"errors"
	"slices"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// Compare returns the changes from the old schema to the new one, sorted by path. New and removed
// names of types are at the end. The order of the entries in the schemas does not matter. Types
// can have names or numbers.
//
// If a schema is malformed, the error matches [introspect.ErrSchema]: a type is missing, or
// arrays or alternates refer to each other without end. Compare also returns an error if it would
// take too many steps.
func Compare(old, new *introspect.Schema) ([]Change, error) {
	before, err := newView(old, "old")
	if err != nil {
		return nil, err
	}
	after, err := newView(new, "new")
	if err != nil {
		return nil, err
	}
	c := &comparison{old: before, new: after, nodes: map[pair]*node{}}
	c.commands()
	c.events()
	slices.SortStableFunc(c.roots, func(a, b *node) int { return cmp.Compare(a.name, b.name) })
	for _, root := range c.roots {
		c.walk(root)
	}
	if c.err != nil {
		return nil, c.err
	}
	return append(c.changes(), typeNames(before, after)...), nil
}

// Limits to the pairs of types, which could be as many as the product of two schemas' types, and
// to the types that a path passes, which are as many as Has follows. Those of QEMU make 800 pairs,
// and pass seven types.
const (
	maxPairs = 100_000
	maxDepth = 1000
)

var errTooMany = errors.New("diff: comparing the schemas takes too many steps")

// A comparison is one of two schemas.
type comparison struct {
	old, new *view
	roots    []*node // the commands and events, their arguments and results
	nodes    map[pair]*node
	found    []*node // the nodes, in order
	round    int
	err      error
}

// walk visits all that is below a root, by levels, so that the way to a node is a shortest one.
func (c *comparison) walk(root *node) {
	c.round++
	level := []*node{root}
	for depth := 0; len(level) > 0; depth++ {
		if depth > maxDepth || len(c.nodes) > maxPairs {
			c.err = errTooMany
			return
		}
		var next []*node
		for _, from := range level {
			for _, e := range from.edges {
				n := c.node(e.to)
				if n.round == c.round {
					continue
				}
				n.round = c.round
				n.reached(from, e.at)
				n.usedBy(root)
				next = append(next, n)
			}
		}
		level = next
	}
}

// node returns the node of a pair, which is compared when it is met first.
func (c *comparison) node(p pair) *node {
	n, ok := c.nodes[p]
	if ok {
		return n
	}
	n = &node{}
	c.nodes[p] = n
	c.found = append(c.found, n)
	switch old := c.old.Lookup(p.old).(type) {
	case *introspect.Object:
		c.objects(n, old, c.new.Lookup(p.new).(*introspect.Object), p.moved)
	case *introspect.Enum:
		enums(n, old, c.new.Lookup(p.new).(*introspect.Enum))
	case *introspect.Alternate:
		c.alternates(n, old, c.new.Lookup(p.new).(*introspect.Alternate))
	}
	return n
}

// changes are those of all nodes. A member that moved out of several branches is compared with
// each, which can give the same change several times.
func (c *comparison) changes() (all []Change) {
	for _, n := range slices.Concat(c.roots, c.found) {
		all = append(all, n.changes()...)
	}
	slices.SortStableFunc(all, order)
	return slices.CompactFunc(all, func(a, b Change) bool { return order(a, b) == 0 })
}

// order compares changes by all their fields.
func order(a, b Change) int {
	return cmp.Or(
		cmp.Compare(a.Path, b.Path), cmp.Compare(a.What, b.What), cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Old, b.Old), cmp.Compare(a.New, b.New),
		cmp.Compare(a.Direction, b.Direction), slices.Compare(a.Users, b.Users))
}
