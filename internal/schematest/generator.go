package schematest

import (
	"math/rand/v2"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/qmpkit/qmpkit/qapi"
)

// maxDepth is the depth of values from which on a document gets no deeper than it must.
const maxDepth = 4

// generator makes random documents. Whatever is optional is there at random; the members of an
// object come in any order, a discriminator first, last or in the middle.
type generator struct {
	*rand.Rand
	noise

	depth  int
	deeper int // by how much a document may exceed maxDepth
	turn   int // see document; -1: taken
}

// noise is what a document has beyond what the schema says.
type noise struct {
	// unknown mixes in what newer servers send: members, enum values and values of
	// discriminators that the schema does not have.
	unknown bool
	// missing leaves out what older servers do not send, mandatory as it may be today, and
	// gives alternates kinds of values that they do not have.
	missing bool
	// blanks puts blanks between the tokens.
	blanks bool
}

// document makes a document for a type. The turn decides the first choice between branches or
// alternatives: [turns] turns make each choice.
func (g *generator) document(t qapi.Type, turn int) *node {
	g.depth, g.turn = 0, turn
	return g.value(t)
}

// turns is the number of turns for which document makes each branch with the discriminator in
// each place, or each alternative.
func turns(t qapi.Type) int {
	switch t := t.(type) {
	case *qapi.Union:
		return 3 * (len(t.Branches) + 2)
	case *qapi.Alternate:
		return len(t.Alternatives) + 1
	}
	return 1
}

// text returns the text of a document.
func (g *generator) text(n *node) []byte { return n.append(nil, g.blank) }

func (g *generator) blank() string {
	if !g.blanks || !g.oneIn(6) {
		return ""
	}
	return pick(g, " ", "\n", "\t", "\r\n", "   ")
}

func (g *generator) oneIn(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

// deep says that the document should end soon.
func (g *generator) deep() bool { return g.depth > maxDepth+g.deeper }

// choose returns one of n choices, the turn's if it is the first choice of the document, and
// the round that the turns are in.
func (g *generator) choose(n int) (choice, round int) {
	if g.turn < 0 {
		return g.IntN(n), g.IntN(3)
	}
	choice, round = g.turn%n, g.turn/n
	g.turn = -1
	return choice, round
}

func (g *generator) value(t qapi.Type) *node {
	g.depth++
	defer func() { g.depth-- }()
	var n *node
	switch t := t.(type) {
	case *qapi.Builtin:
		n = g.builtin(t)
	case *qapi.Enum:
		n = g.enum(t)
	case *qapi.Array:
		n = g.array(t)
	case *qapi.Alternate:
		n = g.alternate(t)
	case qapi.ObjectType:
		n = g.object(t)
	}
	n.typ = t
	return n
}

func (g *generator) enum(t *qapi.Enum) *node {
	if g.unknown && g.oneIn(6) || len(t.Values) == 0 {
		return g.quoted(g.stranger())
	}
	return g.quoted(pick(g, t.Values...).Name)
}

func (g *generator) array(t *qapi.Array) *node {
	n := &node{kind: '['}
	if !g.deep() {
		for range g.IntN(4) {
			n.elems = append(n.elems, g.value(t.Element))
		}
	}
	return n
}

func (g *generator) alternate(t *qapi.Alternate) *node {
	i, _ := g.choose(len(t.Alternatives) + 1)
	if i == len(t.Alternatives) {
		if n := g.foreign(t); n != nil && g.missing {
			return n
		}
		i = g.IntN(len(t.Alternatives))
	}
	if g.deep() {
		for j, a := range t.Alternatives {
			if _, ok := a.Type.(qapi.ObjectType); !ok {
				i = j
			}
		}
	}
	return g.value(t.Alternatives[i].Type)
}

func (g *generator) object(t qapi.ObjectType) *node {
	o := &objectDraft{node: &node{kind: '{'}, known: map[string]bool{}, sparse: g.sparse()}
	g.members(o, t)
	if g.unknown {
		g.strangers(o)
	}
	members := o.node.members
	g.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	o.place()
	return o.node
}

// objectDraft is an object in the making.
type objectDraft struct {
	node   *node
	known  map[string]bool // the members that the type has, with the branches that are chosen
	others []string        // members that other branches have
	sparse int             // an optional member is there once in so many times; 0: never
	tag    string          // the outermost discriminator
	round  int             // 0, 1, 2: it comes first, anywhere, last
	raw    bool            // a branch is not known, and takes any members
}

func (g *generator) sparse() int {
	switch {
	case g.deep():
		return 0
	case g.depth > 1:
		return 3
	default:
		return pick(g, 0, 1, 2, 2, 2, 4)
	}
}

// members adds the members of t, those of a branch among them.
func (g *generator) members(o *objectDraft, t qapi.ObjectType) {
	u, _ := t.(*qapi.Union)
	for _, m := range t.AllMembers() {
		o.known[m.Name] = true
		if u != nil && m.Name == u.Discriminator.Name {
			continue
		}
		if m.Optional && (o.sparse == 0 || !g.oneIn(o.sparse)) || !m.Optional && g.missing && g.oneIn(8) {
			continue
		}
		g.add(o, m.Name, g.value(m.Type))
	}
	if u != nil {
		g.branch(o, u)
	}
}

// branch chooses a value of the discriminator and adds it, with the members that it brings.
func (g *generator) branch(o *objectDraft, u *qapi.Union) {
	value, branch, round := g.chooseBranch(u)
	if o.tag == "" {
		o.tag, o.round = u.Discriminator.Name, round
	}
	for _, other := range u.Branches {
		if other != branch && other.Type != nil {
			for _, m := range other.Type.AllMembers() {
				o.others = append(o.others, m.Name)
			}
		}
	}
	if value == "" {
		o.others = nil // a union may have a branch without a discriminator
		return
	}
	n := g.quoted(value)
	n.typ = u.Discriminator.Type
	g.add(o, u.Discriminator.Name, n)
	switch {
	case branch == nil:
		o.raw = true
	case branch.Type != nil:
		g.members(o, branch.Type)
	}
}

// chooseBranch returns a value for the discriminator, "" for none at all, and its branch, nil
// for a value that the schema does not have.
func (g *generator) chooseBranch(u *qapi.Union) (value string, branch *qapi.Branch, round int) {
	i, round := g.choose(len(u.Branches) + 2)
	switch unknown, missing := len(u.Branches), len(u.Branches)+1; {
	case g.deep():
		branch = pick(g, shallow(u)...)
	case i == unknown && g.unknown:
		return g.stranger(), nil, round
	case i == missing && g.missing:
		return "", nil, round
	case i < len(u.Branches):
		branch = u.Branches[i]
	default:
		branch = pick(g, u.Branches...)
	}
	return branch.Value, branch, round
}

// shallow returns the branches that add no members, or all if there are none of these.
func shallow(u *qapi.Union) []*qapi.Branch {
	var empty []*qapi.Branch
	for _, b := range u.Branches {
		if b.Type == nil {
			empty = append(empty, b)
		}
	}
	if empty == nil {
		return u.Branches
	}
	return empty
}

func (g *generator) add(o *objectDraft, name string, value *node) {
	o.node.members = append(o.node.members, member{name, g.quote(name), value})
}

// place moves the discriminator to the front or the end.
func (o *objectDraft) place() {
	members := o.node.members
	for i, m := range members {
		to := i
		switch {
		case m.name != o.tag:
			continue
		case o.round%3 == 0:
			to = 0
		case o.round%3 == 2:
			to = len(members) - 1
		}
		members[i], members[to] = members[to], members[i]
		return
	}
}

func (g *generator) quoted(s string) *node {
	return &node{kind: '"', text: g.quote(s), str: s}
}

func literal(text string) *node {
	return &node{kind: jsontext.Value(text).Kind(), text: text}
}
