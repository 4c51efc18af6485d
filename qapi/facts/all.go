package facts

import (
	"fmt"
	"iter"
	"strings"
	"unicode"
)

// Paths yields the paths of all that the table knows. Types can be recursive, so that there is no end
// of paths: each part of each type has the shortest path that it had in each version that is known.
// Longer ones can be asked for.
func (t *Table) Paths() iter.Seq[string] {
	return func(yield func(string) bool) {
		told := map[string]bool{}
		for i := range t.sources {
			w := &tour{Table: t, source: i, yield: yield, told: told, seen: map[string]bool{}}
			if !w.run() {
				return
			}
		}
	}
}

// Check returns an error that lists what has no date: nothing says when it came, and no older schema
// shows that it was not there.
func (t *Table) Check() error {
	var none []string
	for path := range t.Paths() {
		if f, err := t.Path(path); err != nil {
			return err
		} else if f == nil || f.Since.Release == "" {
			none = append(none, path)
		}
	}
	if none != nil {
		return fmt.Errorf("facts: nothing says since when these are there; known.txt is the place for it:\n  %s", strings.Join(none, "\n  "))
	}
	return nil
}

// A tour goes through what one source has, a component deeper each round.
type tour struct {
	*Table
	source int
	yield  func(string) bool
	told   map[string]bool
	seen   map[string]bool // nodes
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

// has reports whether the source has a part; the oldest one has what no schema has.
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

// visit yields the parts of a node, and puts the nodes that they lead to on the list.
func (w *tour) visit(s step) bool {
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

// component returns a label as a component of a path: a blank stands before a member's name that
// does not begin with a letter.
func component(label string) string {
	if strings.ContainsRune("+^$", rune(label[0])) || unicode.IsLetter(rune(label[0])) {
		return label
	}
	return " " + label
}
