package unmask

import (
	"slices"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A server's objects have the members of their bases among their own. A base is found again where
// the old type had it and all its members are there, as they are in the base: that one is a type
// of the server's, or, if none is of that name, it is made of the members of the first type that
// has it as a base.

// findBases makes entries for the bases that are not types of the server.
func (b *builder) findBases() {
	for name, typ := range b.types {
		if o, ok := b.live.Lookup(name).(*introspect.Object); ok && o.Tag == "" {
			b.bases[typ] = o
		}
	}
	infos := sorted(b.live)
	for i := 0; i < len(infos); i++ { // the loop appends to it
		o, ok := infos[i].(*introspect.Object)
		if !ok || b.types[o.Name] == "" {
			continue
		}
		for was := oldBase(b.like[o.Name]); was != nil && b.derived[o.Name] == nil; was = was.Base {
			base := b.bases[was.Name]
			if base == nil && !was.Implicit {
				if base = b.makeBase(was, o); base != nil {
					infos = append(infos, base)
				}
			}
			if base != nil && base != o && isBase(base, o) {
				b.derived[o.Name] = base
			}
		}
	}
	b.live = introspect.New(infos)
}

// makeBase makes an entry for a base, from the base's members that a type has, or nil if it has
// none of them.
func (b *builder) makeBase(was *qapi.Struct, o *introspect.Object) *introspect.Object {
	base := &introspect.Object{Header: introspect.Header{Name: "base " + was.Name}}
	for _, m := range was.AllMembers() {
		if live := o.Member(m.Name); live != nil {
			base.Members = append(base.Members, *live)
		}
	}
	if len(base.Members) == 0 {
		return nil
	}
	b.like[base.Name] = was
	b.types[base.Name] = was.Name
	b.bases[was.Name] = base
	return base
}

// oldBase returns the base of a type, or nil if it has none.
func oldBase(t qapi.Type) *qapi.Struct {
	switch t := t.(type) {
	case *qapi.Struct:
		return t.Base
	case *qapi.Union:
		return t.Base
	}
	return nil
}

// isBase reports whether all members of a base are those of an object too. A union has no common
// members but those of its base.
func isBase(base, o *introspect.Object) bool {
	for i := range base.Members {
		m := o.Member(base.Members[i].Name)
		if m == nil || !sameMember(m, &base.Members[i]) {
			return false
		}
	}
	return len(base.Members) > 0 && (o.Tag == "" || len(base.Members) == len(o.Members))
}

func sameMember(a, b *introspect.Member) bool {
	return a.Type == b.Type && a.Optional == b.Optional && slices.Equal(a.Features, b.Features)
}
