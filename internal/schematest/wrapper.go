package schematest

import (
	"reflect"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
)

// The branches of unions that were simple once are structs with the one member data, of which Go has the
// data only.

// vanished reports whether a definition is such a struct, and has no type in Go.
func (b *bindings) vanished(d qapi.Definition) bool {
	s, ok := d.(*qapi.Struct)
	if !ok || !strings.HasSuffix(strings.ToLower(s.Name), "wrapper") || b.goType(s) != nil {
		return false
	}
	members := s.AllMembers()
	return len(members) == 1 && members[0].Name == "data" && !members[0].Optional
}

// data returns the member that a branch is the data of, nil if it has all members of its type.
func (b *bindings) data(branch *qapi.Branch) *qapi.Member {
	if branch.Type == nil || !b.vanished(branch.Type) {
		return nil
	}
	return branch.Type.AllMembers()[0]
}

// branchType is the Go type that a union's branch points to, nil if the package has none.
func (b *bindings) branchType(u *qapi.Union, branch *qapi.Branch) reflect.Type {
	m := b.data(branch)
	switch {
	case m == nil:
		return b.goType(branch.Type)
	case isDefinition(m.Type):
		return b.goType(m.Type)
	}
	t := b.byName[squash(u.Name+branch.Value)]
	if t == nil || t.Kind() != b.goType(m.Type).Kind() {
		return nil
	}
	return t
}

func isDefinition(t qapi.Type) bool { _, ok := t.(qapi.Definition); return ok }
