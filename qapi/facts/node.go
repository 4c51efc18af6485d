package facts

import (
	"iter"
	"strings"
)

// A Node is a command, an event or a type, with the parts that form paths. A program that walks the nodes
// itself finds the same facts as Table.Fact.
type Node struct {
	Kind   string // "command", "event", "enum", "struct", "union" or "alternate"
	Name   string
	Module string // "block-core"; "" for a type without a name in the schema
	Tag    string // of a union, the member that selects the branch; else ""
	If     string // the condition of the build that it needs, "" for none
	// Use is the replacement of a deprecated thing, "" for none. Deprecated is the release that deprecated it, if
	// no feature shows that.
	Use, Deprecated string
	Times           []Span
	Parts           []Part
}

// A Part leads from a node to another node by a component of a path. Parts with the same label are forms of
// one thing at different times.
type Part struct {
	// Label is the component: "arg-type", "NAME" of a member, "+CASE", "^VALUE" or "$FEATURE". The features
	// of members and values are "NAME/$$FEATURE" and "^VALUE/$FEATURE". The base, "<", and an alternative,
	// "|NAME", take no component.
	Label    string
	Target   string // the name of a node, of a built-in type or of the type without members, q_empty; "": none
	Times    []Span // in which it was there
	Optional []Span // in which it was an optional member
	If       string
	// Use and Deprecated are as in Node.
	Use, Deprecated string
}

// A Span is the time from the release Since up to the release Removed, which no longer has the thing.
// Removed.Release is "" if the thing still exists.
type Span struct{ Since, Removed Date }

// Nodes yields all nodes of the table: commands, then events, then types, each sorted by name.
func (t *Table) Nodes() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		for _, n := range t.sorted() {
			if n.seen == 0 && n.had.to == "" {
				continue
			}
			if !yield(t.exported(n)) {
				return
			}
		}
	}
}

func (t *Table) exported(n *node) Node {
	tag, _, _ := strings.Cut(n.tag, ":")
	node := Node{Kind: n.kind, Name: n.name, Module: n.module, Tag: tag, If: n.cond, Use: t.useOf(&n.part),
		Deprecated: n.deprecated, Times: spansOf(t.entrySpans(n))}
	arrows := t.arrowsOf(n)
	for _, p := range n.parts {
		for _, a := range arrows[p.label] {
			if a.part != p {
				continue
			}
			node.Parts = append(node.Parts, Part{Label: p.label, Target: p.target, Times: spansOf(a.spans),
				Optional: spansOf(a.optional), If: p.cond, Use: t.useOf(p), Deprecated: p.deprecated})
		}
	}
	return node
}

// useOf returns the replacement that a part's deprecation names, if the table knows it.
func (t *Table) useOf(p *part) string {
	if !t.has(p.use) {
		return ""
	}
	return p.use
}

func spansOf(spans []span) (out []Span) {
	for _, s := range spans {
		out = append(out, Span{s.since, s.removed})
	}
	return out
}
