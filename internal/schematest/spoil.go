package schematest

import (
	"math"
	"reflect"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
)

// spoiled is a change to a value that makes it one that cannot be sent.
type spoiled func()

// spoils lists the ways to spoil a value: a string that is not UTF-8, a float that is not finite,
// an alternate of nothing or of two, a discriminator that disagrees or is missing, a typed nil.
func (b *bindings) spoils(v reflect.Value, t qapi.Type) []spoiled {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch t := t.(type) {
	case *qapi.Builtin:
		return spoilsBuiltin(v, t)
	case *qapi.Enum:
		return []spoiled{func() { v.SetString("\xff") }}
	case *qapi.Array:
		var all []spoiled
		for i := range v.Len() {
			all = append(all, b.spoils(v.Index(i), t.Element)...)
		}
		return all
	case *qapi.Alternate:
		return b.spoilsAlternate(v, t)
	default:
		return b.spoilsObject(v, t.(qapi.ObjectType))
	}
}

func spoilsBuiltin(v reflect.Value, t *qapi.Builtin) []spoiled {
	switch t.JSONKind() {
	case qapi.KindString:
		return []spoiled{func() { v.SetString("a\xc3(") }}
	case qapi.KindNumber:
		return []spoiled{func() { v.SetFloat(math.NaN()) }, func() { v.SetFloat(math.Inf(-1)) }}
	case qapi.KindValue:
		return []spoiled{func() { v.SetBytes([]byte(`{"a":1,}`)) }, func() { v.SetBytes([]byte(`1 2`)) }}
	}
	return nil
}

func (b *bindings) spoilsAlternate(v reflect.Value, t *qapi.Alternate) []spoiled {
	all := []spoiled{v.SetZero}
	for i := range v.NumField() {
		f := v.Field(i)
		switch {
		case f.IsNil():
			all = append(all, func() { f.Set(something(f.Type())) })
		case i < len(t.Alternatives):
			all = append(all, b.spoils(f, t.Alternatives[i].Type)...)
		}
	}
	return all
}

// something is a pointer or a slice that is not nil.
func something(t reflect.Type) reflect.Value {
	if t.Kind() == reflect.Slice {
		return reflect.MakeSlice(t, 0, 0)
	}
	return reflect.New(t.Elem())
}

func (b *bindings) spoilsObject(v reflect.Value, t qapi.ObjectType) []spoiled {
	var all []spoiled
	for i, m := range t.AllMembers() {
		all = append(all, b.spoils(v.Field(i), m.Type)...)
	}
	if v.NumField() == len(t.AllMembers()) {
		return all
	}
	last := v.Field(v.NumField() - 1)
	u, ok := t.(*qapi.Union)
	if !ok {
		return append(all, func() { last.Set(reflect.ValueOf(qmp.Args{"x": make(chan int)})) })
	}
	tag := v.Field(tagIndex(u))
	all = append(all, func() { last.SetZero(); tag.SetString("") })
	if last.IsNil() {
		return all
	}
	all = append(all, func() { last.Set(reflect.Zero(last.Elem().Type())) })
	if held := last.Elem().Elem(); held.Type() != b.rawBranch {
		tagged, _ := b.tag(u, v)
		branch, _ := findBranch(u, tagged)
		if m := b.data(branch); m != nil {
			all = append(all, b.spoils(held, m.Type)...)
		} else {
			all = append(all, b.spoilsObject(held, branch.Type)...)
		}
		all = append(all, func() { tag.SetString("no-such-branch") })
	} else if b.needs[u].sent {
		all = append(all, func() { tag.SetString("") })
	}
	return all
}
