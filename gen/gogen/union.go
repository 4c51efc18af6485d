package gogen

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
)

// unionWithImplicit makes the declaration of a union and of the implicit types that it is the
// first to use.
func (b *builder) unionWithImplicit(d *qapi.Union) ([]decl, error) {
	u, err := b.union(d)
	if err != nil {
		return nil, err
	}
	decls := []decl{u}
	for _, t := range implicitTypes(d) {
		if b.done[t] {
			continue
		}
		b.done[t] = true
		more, err := b.declaration(t)
		if err != nil {
			return nil, err
		}
		decls = append(decls, more...)
	}
	return decls, nil
}

// branchInterface is the name of the interface of a union's branches.
func branchInterface(d *qapi.Union) string { return typeName(d) + "Branch" }

func (b *builder) union(d *qapi.Union) (*object, error) {
	o, err := b.object(d)
	if err != nil {
		return nil, err
	}
	b.pkg.unions = true
	scope := names{}
	if tag, ok := d.Discriminator.Type.(*qapi.Enum); ok && tag.Module == nil {
		return nil, fmt.Errorf("%s: union %s has the discriminator %s of the type %s, which qapigen has no Go enum for",
			d.Pos, d.Name, d.Discriminator.Name, tag.Name)
	}
	u := &union{iface: branchInterface(d), marker: "is" + o.name + "Branch"}
	for _, f := range o.fields {
		scope[f.name] = f.wire
		if f.wire == d.Discriminator.Name {
			u.tag = f
		}
	}
	u.field = scope.free("Branch", "UnionBranch")
	b.branches(u, d)
	u.findUnsent(d)
	u.tag.doc = append(u.tagComment(), u.tag.doc...)
	o.union = u
	return o, nil
}

// branches groups the values of the discriminator by the type that serves them.
func (b *builder) branches(u *union, d *qapi.Union) {
	tag := d.Discriminator.Type.(*qapi.Enum)
	index := map[string]int{}
	for _, br := range d.Branches {
		value := enumValue{name: b.constants(tag)[br.Value], wire: br.Value, cond: br.If}
		if br.Type == nil {
			u.empty = append(u.empty, value)
			continue
		}
		value.seen = cmp.Or(qapi.SeenIn(tag, br.Value), br.Type.Head().Doc.Seen(""))
		typ := typeName(br.Type)
		i, ok := index[typ]
		if !ok {
			i = len(u.branches)
			index[typ] = i
			u.branches = append(u.branches, branch{typ: typ})
		}
		u.branches[i].values = append(u.branches[i].values, value)
	}
}

// unsent are the values that discriminators have if a server does not send them: there the union
// is still a struct, and the value is the one whose branch has the members of that struct. All
// other unions get a RawBranch.
var unsent = []struct{ union, value, reason string }{
	{"SevInfo", "sev", "before QEMU 9.1, query-sev reports SEV only, with the members of this branch"},
}

// findUnsent finds the row for a union whose branches are known.
func (u *union) findUnsent(d *qapi.Union) {
	for _, row := range unsent {
		for _, b := range u.branches {
			for _, value := range b.values {
				if row.union == d.Name && row.value == value.wire {
					u.unsent, u.reason = &value, row.reason
				}
			}
		}
	}
}

// tagComment says what the discriminator is for, and when it must be set.
func (u *union) tagComment() comment {
	var needed []string
	if len(u.empty) > 0 {
		needed = append(needed, "nil")
	}
	for _, b := range u.branches {
		if len(b.values) > 1 {
			needed = append(needed, "*"+b.typ)
		}
	}
	needed = append(needed, "*"+rawBranch)
	return comment{fmt.Sprintf("Selects %s. It may be empty unless %[1]s is %s.", u.field, enumerate(needed, "or"))}
}

// branchComment says what the branch can be.
func (u *union) branchComment() comment {
	var types []string
	for _, typ := range u.types() {
		types = append(types, "*"+typ)
	}
	text := "The branch that " + u.tag.name + " selects: " + enumerate(types, "or")
	if len(u.empty) > 0 {
		text += "; nil for a value that adds nothing"
	}
	return comment{text + "."}
}

// list joins the wire names of values, with the conditions on which they are there, and the version
// in which they were seen first.
func list(values []enumValue) string {
	wire := make([]string, len(values))
	for i, v := range values {
		wire[i] = v.wire + onlyWith(v.cond)
		if v.seen != "" {
			wire[i] += " (seen first in QEMU " + v.seen + ")"
		}
	}
	return strings.Join(wire, ", ")
}
