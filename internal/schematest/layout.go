package schematest

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// layouts checks all types: each is as it should be, and is somebody's.
func (b *bindings) layouts(subjects []subject) error {
	var wrong []error
	owned := map[reflect.Type]bool{b.rawBranch: true}
	for _, u := range b.Schema.Unions() {
		for _, branch := range u.Branches {
			if branch.Type != nil {
				owned[b.branchType(u, branch)] = true
			}
		}
	}
	for _, s := range subjects {
		owned[s.goType] = true
		if err := b.layout(s); err != nil {
			wrong = append(wrong, fmt.Errorf("%s (%s) %w", s.goType, s.name, err))
		}
	}
	for _, e := range b.enums() {
		t := b.goType(e)
		owned[t] = true
		if t == nil || t.Kind() != reflect.String {
			wrong = append(wrong, fmt.Errorf("enum %s is %v, not a string", e.Name, t))
		}
	}
	for _, t := range b.Types {
		if !owned[t] {
			wrong = append(wrong, fmt.Errorf("%s is not in the schema", t))
		}
	}
	return errors.Join(wrong...)
}

// layout checks that a Go type has the fields that it should have, in their order, and code for
// the directions that it is needed in, and no other. All other checks rely on it.
func (b *bindings) layout(s subject) error {
	if err := b.codecs(s); err != nil {
		return err
	}
	if s.goType.Kind() != reflect.Struct {
		return fmt.Errorf("is a %s, not a struct", s.goType.Kind())
	}
	want := b.fields(s)
	if n := s.goType.NumField(); n != len(want) {
		return fmt.Errorf("has %d fields, not %d", n, len(want))
	}
	for i, w := range want {
		f := s.goType.Field(i)
		if w.typ != nil && f.Type != w.typ {
			return fmt.Errorf("field %s for %s is a %s, not a %s", f.Name, w.member, f.Type, w.typ)
		}
		want := w.member
		if !w.mandatory {
			want += ",omitzero"
		}
		if tag := f.Tag.Get("json"); tag != want && w.member != "" {
			return fmt.Errorf("field %s for %s has the tag %q", f.Name, w.member, tag)
		}
	}
	if u, ok := s.typ.(*qapi.Union); ok {
		return b.branches(u, s.goType.Field(len(want)-1))
	}
	return nil
}

// extraType is the type of the field for members that the schema does not declare.
var extraType = reflect.TypeFor[qmp.Args]()

// rawType is the type of the field of an alternate for values of other kinds.
var rawType = reflect.TypeFor[qmp.RawJSON]()

func (b *bindings) codecs(s subject) error {
	p := reflect.PointerTo(s.goType)
	has := need{
		sent:        p.Implements(reflect.TypeFor[wire.MemberEncoder]()),
		received:    p.Implements(reflect.TypeFor[wire.MemberDecoder]()),
		marshaled:   p.Implements(reflect.TypeFor[wire.MemberMarshaler]()),
		unmarshaled: p.Implements(reflect.TypeFor[wire.MemberUnmarshaler]()),
		json:        s.goType.Implements(marshaler) && p.Implements(unmarshaler),
		text:        s.goType.Implements(stringer),
	}
	want := s.need
	if _, ok := s.typ.(*qapi.Alternate); ok {
		if !p.Implements(valueEncoder) || !p.Implements(valueDecoder) {
			return errors.New("is not encoded, or not decoded")
		}
		want = need{json: want.json, text: want.text}
	}
	if has != want {
		return fmt.Errorf("has the methods %+v, and should have %+v", has, want)
	}
	return nil
}

// field is what a field should be.
type field struct {
	member    string
	typ       reflect.Type // nil: an interface
	mandatory bool         // the member is
}

func (b *bindings) fields(s subject) []field {
	var fields []field
	switch t := s.typ.(type) {
	case *qapi.Alternate:
		for _, a := range t.Alternatives {
			fields = append(fields, field{"", b.optional(a.Type), false})
		}
		fields = append(fields, field{"", rawType, false})
	case qapi.ObjectType:
		for _, m := range t.AllMembers() {
			typ := b.goType(m.Type)
			if m.Optional {
				typ = b.optional(m.Type)
			}
			fields = append(fields, field{m.Name, typ, !m.Optional})
		}
		if s.extra {
			fields = append(fields, field{"", extraType, false})
		}
		if _, ok := t.(*qapi.Union); ok {
			fields = append(fields, field{"", nil, false})
		}
	}
	return fields
}

// optional is the Go type for a value that may be absent.
func (b *bindings) optional(t qapi.Type) reflect.Type {
	goType := b.goType(t)
	if goType == nil || goType.Kind() == reflect.Slice {
		return goType
	}
	return reflect.PointerTo(goType)
}

// branches checks that the field of a union's branch takes every branch.
func (b *bindings) branches(u *qapi.Union, f reflect.StructField) error {
	if f.Type.Kind() != reflect.Interface {
		return fmt.Errorf("field %s for the branch is a %s, not an interface", f.Name, f.Type)
	}
	for _, branch := range u.Branches {
		if branch.Type == nil {
			continue
		}
		if t := b.branchType(u, branch); t == nil || !reflect.PointerTo(t).Implements(f.Type) {
			return fmt.Errorf("branch %s: field %s does not take a %s", branch.Value, f.Name, branch.Type.TypeName())
		}
	}
	if b.rawBranch == nil || !reflect.PointerTo(b.rawBranch).Implements(f.Type) {
		return fmt.Errorf("field %s does not take a RawBranch", f.Name)
	}
	return nil
}
