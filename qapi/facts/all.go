package facts

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// Paths yields a path for each part of each type, the shortest one in each known version. Types can contain
// themselves, so the number of paths has no limit: Path also takes longer ones. If a member changed its
// type, Paths also yields the paths below the member for parts that only some of its types have.
func (t *Table) Paths() iter.Seq[string] {
	return func(yield func(string) bool) {
		told, places := map[string]bool{}, map[string]string{}
		for i := range t.sources {
			w := &tour{Table: t, source: i, yield: yield, told: told, places: places, seen: map[string]bool{}}
			if !w.run() {
				return
			}
		}
		w := &tour{Table: t, yield: yield, told: told}
		for _, n := range t.sorted() {
			if place, ok := places[n.name]; ok && !w.changes(place, []*node{n}, nil) {
				return
			}
		}
	}
}

// Check returns an error that lists the things without a date: no documentation names their version, and no
// older schema lacks them.
func (t *Table) Check() error {
	var none []string
	for path := range t.Paths() {
		if f, err := t.Path(path); err != nil {
			return err
		} else if f == nil || f.Since.Release == "" {
			none = append(none, path)
		}
	}
	if none == nil {
		return nil
	}
	const most = 20
	if more := len(none) - most; more > 0 {
		none = append(none[:most], fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("facts: no date in the documentation, in an older schema or in known.txt for:\n  %s",
		strings.Join(none, "\n  "))
}

// A tour visits the things of one source, one component deeper each round.
type tour struct {
	*Table
	source int
	yield  func(string) bool
	told   map[string]bool
	places map[string]string // the first path to each node
	seen   map[string]bool   // the nodes that it has visited
	steps  []step
}

// A step is a node and a path to it.
type step struct {
	path string
	node *node
}

func (w *tour) run() bool {
	for _, n := range w.sorted() {
		if n.isEntry() && w.has(&n.part) && !(w.tell(n.name) && w.visit(step{n.name, n})) {
			return false
		}
	}
	for len(w.steps) > 0 {
		steps := w.steps
		w.steps = nil
		for _, s := range steps {
			if !w.visit(s) {
				return false
			}
		}
	}
	return true
}

// has reports whether the source has a part. The parts that no schema has belong to the oldest source.
func (w *tour) has(p *part) bool {
	return p.seen.has(w.source) || w.source == 0 && p.seen == 0 && p.had.to != ""
}

// tell yields a path that was not yielded before.
func (w *tour) tell(path string) bool {
	if w.told[path] {
		return true
	}
	w.told[path] = true
	return w.yield(path)
}

// visit yields the parts of a node, and adds the nodes that they lead to to the next round.
func (w *tour) visit(s step) bool {
	if w.places[s.node.name] == "" {
		w.places[s.node.name] = s.path
	}
	for _, p := range s.node.parts {
		if !w.has(p) {
			continue
		}
		path := s.path
		switch {
		case p.label[0] == '<':
			n := *w.nodes[p.target]
			if !w.visit(step{s.path, &n}) {
				return false
			}
			continue
		case p.label[0] != '|':
			path += "/" + component(p.label)
			if !w.tell(path) {
				return false
			}
		}
		if n := w.nodes[p.target]; n != nil && !w.seen[n.name] {
			w.seen[n.name] = true
			w.steps = append(w.steps, step{path, n})
		}
	}
	return true
}

// changes yields the parts that only some forms of a thing have, if it changed its type. It does the same for each part
// that changed its type with it.
func (w *tour) changes(path string, forms []*node, above [][]*node) bool {
	if slices.ContainsFunc(above, func(f []*node) bool { return slices.Equal(f, forms) }) {
		return true
	}
	above = append(above, forms)
	having := map[string]int{}      // by label, how many of the forms have it
	targets := map[string][]*node{} // by label
	for _, n := range forms {
		depth := 0
		if len(forms) == 1 {
			depth = maxDepth // the base has its own path
		}
		for label, parts := range w.flat(map[string][]*part{}, n, depth) {
			having[label]++
			for _, p := range parts {
				if to := w.nodes[p.target]; to != nil && !slices.Contains(targets[label], to) {
					targets[label] = append(targets[label], to)
				}
			}
		}
	}
	for _, label := range slices.Sorted(maps.Keys(having)) {
		if strings.Contains(label, "/") {
			continue // the feature of a member does not change its type
		}
		to, next := path+"/"+component(label), targets[label]
		differ := having[label] < len(forms)
		if !differ && len(next) < 2 {
			continue
		}
		if f, _ := w.Path(to); f == nil {
			continue // the form had it before this path existed, or after
		}
		slices.SortFunc(next, func(a, b *node) int { return strings.Compare(a.name, b.name) })
		if !w.tell(to) || !differ && !w.changes(to, next, above) {
			return false
		}
	}
	return true
}

// maxDepth is how many parts without a component may follow one another.
const maxDepth = 20

// Components returns the components that can follow a path in any version, for example "arg-type" or
// "+file". It returns none if no known version has the path.
func (t *Table) Components(path string) (components []string, err error) {
	places, err := t.walk(path)
	if err != nil {
		return nil, err
	}
	labels := map[string][]*part{}
	for _, p := range places {
		if n := t.nodes[p.target]; n != nil {
			t.flat(labels, n, 0)
		}
	}
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		if !strings.Contains(label, "/") {
			components = append(components, component(label))
		}
	}
	return components, nil
}

// flat collects the parts of a node by label, including those of its base and alternatives.
func (t *Table) flat(parts map[string][]*part, n *node, depth int) map[string][]*part {
	for _, p := range n.parts {
		to := t.nodes[p.target]
		switch {
		case !p.isSilent():
			parts[p.label] = append(parts[p.label], p)
		case to != nil && depth < maxDepth:
			t.flat(parts, to, depth+1)
		}
	}
	return parts
}

// component returns a label as a component of a path.
func component(label string) string {
	if strings.ContainsRune("+^$", rune(label[0])) {
		return label
	}
	return introspect.Component(label)
}
