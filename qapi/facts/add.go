package facts

import (
	"path"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
)

// An adder adds a schema to a table.
type adder struct {
	*Table
	source int
	with   map[string][]string // the types of branches, by the value that selects them: "Enum/^value"
}

// finish notes the types of the branches of each value.
func (a *adder) finish() {
	for where, types := range a.with {
		name, label, _ := strings.Cut(where, "/")
		slices.Sort(types)
		if p := a.part(a.nodes[name], label, ""); a.newest(p) {
			p.with = slices.Compact(types)
		}
	}
}

// empty is the name of the type without members.
const empty = "q_empty"

// define adds a definition, and the types without a name that it uses. The documentation of these is in doc, that of the
// definition that uses them.
func (a *adder) define(d qapi.Definition, doc *qapi.Doc) {
	h := d.Head()
	n := a.nodes[h.Name]
	if n == nil {
		n = &node{name: h.Name}
		a.nodes[h.Name] = n
	}
	if n.seen.has(a.source) {
		return
	}
	said := readRemarks(doc)
	if a.newest(&n.part) {
		n.kind = kindOf(d)
		if h.Module != nil {
			n.module = strings.TrimSuffix(path.Base(h.Module.Name), ".json")
		}
		if u, ok := d.(*qapi.Union); ok {
			n.tag = u.Discriminator.Name + ":" + u.Discriminator.Type.TypeName()
		}
	}
	if h.Implicit {
		a.see(&n.part, h.If, nil)
	} else {
		a.see(&n.part, h.If, said[""])
	}
	switch d := d.(type) {
	case *qapi.Command:
		a.refer(n, "arg-type", d.Arg, doc)
		a.refer(n, "ret-type", d.Returns, doc)
	case *qapi.Event:
		a.refer(n, "arg-type", d.Arg, doc)
	case *qapi.Struct:
		a.members(n, d, said, doc)
	case *qapi.Union:
		if d.Base.Implicit {
			a.members(n, d.Base, said, doc)
		} else {
			a.refer(n, "<", d.Base, doc)
		}
		a.branches(n, d, said, doc)
	case *qapi.Enum:
		for _, v := range d.Values {
			p := a.part(n, "^"+v.Name, "")
			a.see(p, v.If, said[v.Name])
			a.features(n, p.label+"/$", v.Features, said, doc)
		}
	case *qapi.Alternate:
		for _, alternative := range d.Alternatives {
			p := a.typed(n, "|"+alternative.Name, alternative.Type, doc)
			a.see(p, alternative.If, said[alternative.Name])
		}
	}
	a.features(n, "$", h.Features, said, doc)
}

func kindOf(d qapi.Definition) string {
	switch d.(type) {
	case *qapi.Command:
		return "command"
	case *qapi.Event:
		return "event"
	case *qapi.Struct:
		return "struct"
	case *qapi.Union:
		return "union"
	case *qapi.Enum:
		return "enum"
	}
	return "alternate"
}

// members adds a struct's base and its own members. For arguments, doc is the documentation of the command or event.
func (a *adder) members(n *node, s *qapi.Struct, said remarks, doc *qapi.Doc) {
	if s.Base != nil {
		a.refer(n, "<", s.Base, doc)
	}
	for _, m := range s.Members {
		p := a.typed(n, m.Name, m.Type, doc)
		a.see(p, m.If, said[m.Name])
		if m.Optional {
			p.optional |= 1 << a.source
		}
		a.features(n, m.Name+"/$$", m.Features, said, doc)
	}
}

// branches adds a union's branches. A branch came with the value of the discriminator, and the value came with the type
// of its branch.
func (a *adder) branches(n *node, u *qapi.Union, said remarks, doc *qapi.Doc) {
	enum := u.Discriminator.Type.(*qapi.Enum)
	tag := readRemarks(enum.Doc)
	for _, b := range u.Branches {
		target := empty
		if b.Type != nil {
			target = a.use(b.Type, nil)
			where := enum.Name + "/^" + b.Value
			a.with[where] = append(a.with[where], target)
		}
		a.see(a.part(n, "+"+b.Value, target), b.If, slices.Concat(said[b.Value], tag[b.Value]))
	}
}

func (a *adder) features(n *node, prefix string, features []*qapi.Feature, said remarks, doc *qapi.Doc) {
	for _, f := range features {
		p := a.part(n, prefix+f.Name, "")
		a.see(p, f.If, said["$"+f.Name])
		if use := replacement(doc); f.Name == qapi.Deprecated && use != "" && (p.use == "" || a.newest(p)) {
			p.use = use
		}
	}
}

// refer adds a part with a type. nil is the type without members.
func (a *adder) refer(n *node, label string, t qapi.Type, doc *qapi.Doc) {
	if t == nil {
		a.see(a.part(n, label, empty), nil, nil)
		return
	}
	a.see(a.typed(n, label, t, doc), nil, nil)
}

// typed returns the part of a node with this label and type.
func (a *adder) typed(n *node, label string, t qapi.Type, doc *qapi.Doc) *part {
	p := a.part(n, label, a.use(t, doc))
	if _, ok := t.(*qapi.Array); ok {
		p.list |= 1 << a.source
	}
	return p
}

// part returns the part of a node with this label and target, and adds it if it is missing.
func (a *adder) part(n *node, label, target string) *part {
	for _, p := range n.parts {
		if p.label == label && p.target == target {
			return p
		}
	}
	p := &part{label: label, target: target}
	n.parts = append(n.parts, p)
	return p
}

// newest reports whether no newer source has a part.
func (a *adder) newest(p *part) bool { return p.seen>>(a.source+1) == 0 }

// see notes that the source has a part, with its condition and the versions in its documentation.
func (a *adder) see(p *part, cond qapi.Cond, versions []string) {
	p.seen |= 1 << a.source
	if cond != nil && (p.cond == "" || a.newest(p)) {
		p.cond = cond.String()
	}
	if a.sources[a.source].answer {
		versions = nil // the documentation is that of the schema that gave the names
	}
	for _, v := range versions {
		r := remark{v, a.sources[a.source].version}
		i := slices.IndexFunc(p.remarks, func(r remark) bool { return r.version == v })
		if i >= 0 && Compare(p.remarks[i].source, r.source) <= 0 {
			continue // an older source names the same version
		}
		if i >= 0 {
			p.remarks = slices.Delete(p.remarks, i, i+1)
		}
		p.remarks = append(p.remarks, r)
	}
	slices.SortStableFunc(p.remarks, func(x, y remark) int { return Compare(x.source, y.source) })
}

// use returns the name of a type, for an array that of its element type.
func (a *adder) use(t qapi.Type, doc *qapi.Doc) string {
	if array, ok := t.(*qapi.Array); ok {
		return a.use(array.Element, doc)
	}
	if d, ok := t.(qapi.Definition); ok && d.Head().Implicit {
		a.define(d, doc)
	}
	return t.TypeName()
}
