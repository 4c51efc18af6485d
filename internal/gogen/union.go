package gogen

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
)

// unionWithImplicit makes the declarations of a union and of the implicit types that it is the first to
// use.
func (b *builder) unionWithImplicit(d *qapi.Union) ([]decl, error) {
	u, err := b.union(d)
	if err != nil {
		return nil, err
	}
	decls := []decl{u}
	for _, t := range implicitTypes(d) {
		if b.done[t] || b.vanishes(t) {
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

// branchInterface returns the name of the interface of a union's branches.
func (b *builder) branchInterface(d *qapi.Union) string { return b.typeName(d) + "Branch" }

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
	u := &union{iface: b.branchInterface(d), marker: "is" + o.name + "Branch"}
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

// branches groups the values of the discriminator by type.
func (b *builder) branches(u *union, d *qapi.Union) {
	tag := d.Discriminator.Type.(*qapi.Enum)
	index := map[string]int{}
	for _, br := range d.Branches {
		value := enumValue{name: b.constants(tag)[br.Value], wire: br.Value, cond: br.If, branch: b.branchDates(d, br)}
		if br.Type == nil {
			u.empty = append(u.empty, value)
			continue
		}
		if seen := cmp.Or(qapi.SeenIn(tag, br.Value), br.Type.Head().Doc.Seen("")); seen != "" && b.branchFact(d, br) == nil {
			value.branch = "seen first in QEMU " + seen
		}
		typ, data := b.typeName(br.Type), goType(nil)
		if b.vanishes(br.Type) {
			m := dataMember(br.Type)
			data, typ = b.goType(m.Type), b.dataName(d, br, m.Type)
		}
		i, ok := index[typ]
		if !ok {
			i = len(u.branches)
			index[typ] = i
			u.branches = append(u.branches, branch{typ: typ, data: data})
		}
		u.branches[i].values = append(u.branches[i].values, value)
	}
}

// Until 5.2 QAPI had simple unions, whose branches are the member "data" of the object. Since then each
// of their branches is a struct with the one member "data", a wrapper. The package has no Go types for wrappers: the
// branch is the data itself, and the wrapper vanishes.

// dataMember returns the member of a wrapper, or nil if the type is not a wrapper.
func dataMember(t qapi.ObjectType) *qapi.Member {
	s, ok := t.(*qapi.Struct)
	if !ok || !strings.HasSuffix(strings.ToLower(s.Name), "wrapper") || len(s.AllMembers()) != 1 {
		return nil
	}
	m := s.AllMembers()[0]
	if m.Name != "data" || m.Optional || isBuiltin(m.Type, "any", "null") {
		return nil
	}
	return m
}

// findWrappers finds the wrappers that vanish. Every use of such a wrapper is a branch of a union, and the
// union has no other branch with the type of its data.
func (b *builder) findWrappers() {
	b.wrappers = map[qapi.Type]bool{}
	used := map[qapi.Type]bool{}
	use := func(t qapi.Type) {
		used[elementOf(t)] = true
	}
	for _, d := range allTypes(b.whole) {
		switch d := d.(type) {
		case *qapi.Union:
			b.addWrappers(d, use)
		case *qapi.Struct:
			if d.Base != nil {
				use(d.Base)
			}
		case *qapi.Alternate:
			for _, a := range d.Alternatives {
				use(a.Type)
			}
		}
		if o := objectOf(d); o != nil {
			for _, m := range o.AllMembers() {
				use(m.Type)
			}
		}
	}
	for _, c := range b.whole.Commands() {
		use(c.Arg)
		use(c.Returns)
	}
	for _, e := range b.whole.Events() {
		use(e.Arg)
	}
	for t := range b.wrappers {
		if used[t] {
			delete(b.wrappers, t)
		}
	}
}

// addWrappers adds the wrappers of a union. If another branch of the union has the same data, it calls use
// for them.
func (b *builder) addWrappers(u *qapi.Union, use func(qapi.Type)) {
	flat := map[qapi.Type]bool{}
	for _, br := range u.Branches {
		flat[br.Type] = true
	}
	for _, br := range u.Branches {
		if br.Type == nil {
			continue
		}
		if m := dataMember(br.Type); m != nil {
			b.wrappers[br.Type] = true
			if o, ok := m.Type.(qapi.ObjectType); ok && flat[o] {
				use(br.Type)
			}
		}
	}
}

// vanishes reports whether a definition is a wrapper that vanishes.
func (b *builder) vanishes(d any) bool {
	t, ok := d.(qapi.Type)
	return ok && b.wrappers[t]
}

// dataName returns the name of the type of a branch's data. If the data's type is unnamed in Go, it cannot
// have methods, and the package defines a type.
func (b *builder) dataName(u *qapi.Union, br *qapi.Branch, t qapi.Type) string {
	if d, ok := t.(qapi.Definition); ok {
		return b.typeName(d)
	}
	return b.typeName(u) + exported(goName(br.Value))
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
	return comment{fmt.Sprintf("Selects %s. Set it if %[1]s is %s; otherwise it may be empty.", u.field, enumerate(needed, "or"))}
}

// branchComment lists the types of the branch.
func (u *union) branchComment() comment {
	var types []string
	for _, typ := range u.types() {
		types = append(types, "*"+typ)
	}
	text := "The branch that " + u.tag.name + " selects: " + enumerate(types, "or")
	if len(u.empty) > 0 {
		text += "; nil for a value without a branch"
	}
	return comment{text + "."}
}

// list joins the wire names of values, with the conditions on which they are there, and the versions
// of their branches.
func list(values []enumValue) string {
	wire := make([]string, len(values))
	for i, v := range values {
		wire[i] = v.wire + onlyWith(v.cond)
		if v.branch != "" {
			wire[i] += " (" + v.branch + ")"
		}
	}
	return strings.Join(wire, ", ")
}
