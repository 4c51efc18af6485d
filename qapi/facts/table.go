package facts

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/qmpkit/qmpkit/qapi"
)

// A Table holds the definitions of several schemas of one server, and the versions in their documentation.
// Its methods conclude facts from these.
type Table struct {
	sources []source // by version
	nodes   map[string]*node
	arrows  sync.Map // the conclusions about the parts of each *node: map[string][]arrow
	uses    atomic.Pointer[map[*node]use]
}

// A source is a schema that the table knows.
type source struct {
	version string // a release: "10.2"
	// answer means that the schema is the answer of a server. If it lacks a thing with a condition, perhaps only the
	// build lacks it.
	answer bool
}

// A set is a set of sources, a bit for each.
type set uint64

const maxSources = 64

func (s set) has(i int) bool { return s>>i&1 != 0 }

// A node is a command, an event or a type.
type node struct {
	kind   string // one of kinds
	name   string
	module string // "block-core"
	part
	parts []*part
	tag   string  // of a union, the discriminator and its enum: "driver:BlockdevDriver"
	users []*node // the nodes that always have this type as their base, arguments or result
}

// A part leads from a node to another one by a component of a path, its label:
//
//	arg-type, ret-type    of a command or an event
//	NAME                  a member
//	+CASE                 a branch
//	^VALUE                a value, which has no target
//	$FEATURE              of the node; NAME/$$FEATURE of a member, ^VALUE/$FEATURE of a value
//	<                     the base, which takes no component
//	|NAME                 an alternative, which takes no component
//
// A member that changed its type has a part for each type.
type part struct {
	label      string
	target     string   // the name of a node or a built-in type, "" for none
	with       []string // for a value, the types of its branches
	seen       set
	optional   set      // for a member, the sources in which it is optional
	list       set      // the sources in which it is a list of the target; not 0 for a list that no source has
	remarks    []remark // the versions in the documentation of each source, the oldest source first
	removed    string   // the release that removed it, if QEMU's list of removed features has it
	deprecated string   // the release that deprecated it, if no feature shows that
	had        period   // when a thing that no schema has existed
	mayLack    period   // when a member was optional between two schemas; for a member that no schema has, all its time
	from       string   // the release that gave it this form, if it had another form before
	use        string   // the replacement that a deprecation names
	cond       string   // the condition in the newest source with one
}

// A remark is a version in the documentation of a source.
type remark struct{ version, source string }

// New returns a table without facts.
func New() *Table { return &Table{nodes: map[string]*node{}} }

// Add adds the schema of a version. It replaces the schema that the table has for this version. answer is
// true if the schema was made from the answer of a server.
//
// Add returns an error if QEMU has no such version, or if the table has too many.
func (t *Table) Add(version string, s *qapi.Schema, answer bool) error {
	if !isRelease(Release(version)) {
		return fmt.Errorf("facts: QEMU has no release %s", Release(version))
	}
	if len(t.sources) == maxSources {
		return errors.New("facts: the table cannot hold more versions")
	}
	t.forget()
	a := &adder{t, t.place(source{Release(version), answer}), map[string][]string{}}
	for _, d := range s.Definitions {
		a.define(d, d.Head().Doc)
	}
	a.finish()
	t.link()
	return nil
}

// forget drops the conclusions.
func (t *Table) forget() {
	t.arrows.Clear()
	t.uses.Store(nil)
}

// link finds the users of each type.
func (t *Table) link() {
	for _, n := range t.nodes {
		n.users = nil
	}
	for _, n := range t.sorted() {
		for _, p := range n.parts {
			if used := t.nodes[p.target]; used != nil && used.kind == "struct" && n.isSure(p) {
				used.users = append(used.users, n)
			}
		}
	}
}

// isSure reports whether a part exists as long as its node.
func (n *node) isSure(p *part) bool {
	return p.label == "<" || n.isEntry() && (p.label == "arg-type" || p.label == "ret-type")
}

// isSilent reports whether a part takes no component of a path.
func (p *part) isSilent() bool { return p.label[0] == '<' || p.label[0] == '|' }

// Versions returns the releases whose schemas the table has, the oldest first.
func (t *Table) Versions() (versions []string) {
	for _, s := range t.sources {
		versions = append(versions, s.version)
	}
	return versions
}

// Documented reports whether the table has QEMU's own schema of a version, and not only the answer of a
// server.
func (t *Table) Documented(version string) bool {
	return slices.Contains(t.sources, source{Release(version), false})
}

// Module returns the module of the command or event of a path: "block-core".
func (t *Table) Module(path string) string {
	name, _, _ := strings.Cut(path, "/")
	if n := t.nodes[name]; n != nil {
		return n.module
	}
	return ""
}

// place makes a place for a source, and returns its index. It removes what the table had of this version.
func (t *Table) place(s source) int {
	i, found := slices.BinarySearchFunc(t.sources, s, func(a, b source) int { return Compare(a.version, b.version) })
	if found {
		t.sources[i] = s
	} else {
		t.sources = slices.Insert(t.sources, i, s)
	}
	low := set(1)<<i - 1
	for p := range t.allParts() {
		for _, bits := range []*set{&p.seen, &p.optional, &p.list} {
			if found {
				*bits &^= 1 << i
			} else {
				*bits = *bits&low | *bits&^low<<1
			}
		}
		p.remarks = slices.DeleteFunc(p.remarks, func(r remark) bool { return r.source == s.version })
	}
	return i
}

func (t *Table) allParts() iter.Seq[*part] {
	return func(yield func(*part) bool) {
		for _, n := range t.nodes {
			if !yield(&n.part) {
				return
			}
			for _, p := range n.parts {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// sorted returns the nodes: commands, then events, then types, each by their names.
func (t *Table) sorted() []*node {
	var nodes []*node
	for _, n := range t.nodes {
		nodes = append(nodes, n)
	}
	rank := func(n *node) int { return slices.Index([]string{"command", "event"}, n.kind) & 3 }
	slices.SortFunc(nodes, func(a, b *node) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.name, b.name))
	})
	return nodes
}
