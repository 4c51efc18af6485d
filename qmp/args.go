package qmp

import (
	"reflect"
	"slices"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// Args are members that no schema types: the properties of device_add and object-add, the
// arguments of [Raw], the members of a branch that the generated package does not know. They
// are sent sorted by name.
//
// A value is one of:
//   - anything with a string kind, boolean, integer or float;
//   - Args or map[string]any, sent as objects;
//   - a type of a generated package that can be sent, or a pointer to one;
//   - [RawJSON];
//   - slices of these: []any, []Args, and those of scalars;
//   - a pointer to a scalar, and nil, which is sent as null. A nil pointer to a generated type is
//     an error.
//
// Other types are errors, byte slices among them: JSON has no bytes, and the schema says
// whether it wants base64 text or something else.
type Args map[string]any

// EncodeMembers writes the members, without braces.
func (a Args) EncodeMembers(e *wire.Encoder) {
	names := make([]string, 0, len(a))
	for name := range a {
		i, _ := slices.BinarySearch(names, name) // package slices' sorting is ten times as large
		names = slices.Insert(names, i, name)
	}
	for _, name := range names {
		encodeAny(e.ExtraName(name), a[name])
	}
}

// MarshalJSON returns the members as a JSON object.
func (a Args) MarshalJSON() ([]byte, error) { return Marshal(a) }

// String returns the members as a JSON object. What is a secret nobody knows here: nothing is
// left out but the secrets of generated types.
func (a Args) String() string { return Format(a) }

// encodeAny writes a value of Args.
func encodeAny(e *wire.Encoder, value any) {
	switch v := value.(type) {
	case nil:
		e.Null()
	case string:
		e.String(v)
	case RawJSON:
		e.Raw(v)
	case map[string]any:
		e.Object(Args(v))
	case []any:
		encodeSlice(e, v, encodeAny)
	case []Args:
		encodeSlice(e, v, func(e *wire.Encoder, a Args) { e.Object(a) })
	case []map[string]any:
		encodeSlice(e, v, func(e *wire.Encoder, a map[string]any) { e.Object(Args(a)) })
	case wire.MemberEncoder:
		if !failNil(e, v) {
			e.Object(v)
		}
	case wire.ValueEncoder:
		if !failNil(e, v) {
			v.EncodeValue(e)
		}
	case sentValue:
		encodeSent(e, v)
	default:
		encodeKind(e, reflect.ValueOf(value))
	}
}

// A sentValue is a type of a generated package that can be sent. Its methods for the encoder are
// those of its pointer, which cannot be had without reflection of a size that nobody wants.
type sentValue interface {
	MarshalJSON() ([]byte, error)
	String() string
}

// encodeSent writes the JSON that v makes of itself.
func encodeSent(e *wire.Encoder, v sentValue) {
	if e.Redacted() {
		e.Raw([]byte(v.String()))
		return
	}
	text, err := v.MarshalJSON()
	switch at, ok := err.(*EncodeError); {
	case err == nil:
		e.Raw(text)
	case ok && at.Path != "":
		e.Fail(at.Path + ": " + at.Reason)
	case ok:
		e.Fail(at.Reason)
	default:
		e.Fail(err.Error())
	}
}

// encodeSlice writes an array.
func encodeSlice[T any](e *wire.Encoder, values []T, element func(*wire.Encoder, T)) {
	e.BeginArray()
	for _, v := range values {
		element(e.Elem(), v)
	}
	e.EndArray()
}

// failNil fails for a nil pointer to a type whose methods would follow it.
func failNil(e *wire.Encoder, value any) bool {
	v := reflect.ValueOf(value)
	isNil := v.Kind() == reflect.Pointer && v.IsNil()
	if isNil {
		e.Fail("value is a nil pointer")
	}
	return isNil
}

// encodeKind writes a scalar, or an array of scalars, by its kind: the enum types of generated
// packages are strings. This needs no more of package reflect than 16 KB; the types of elements,
// or values made of them, would need 60 KB more in every program with Args.
func encodeKind(e *wire.Encoder, v reflect.Value) {
	switch kind := v.Kind(); kind {
	case reflect.String:
		e.String(v.String())
	case reflect.Bool:
		e.Bool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.Int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		e.Uint(v.Uint())
	case reflect.Float32, reflect.Float64:
		e.Float(v.Float())
	case reflect.Pointer:
		if v.IsNil() {
			e.Null()
		} else {
			encodeKind(e, v.Elem())
		}
	case reflect.Slice, reflect.Array:
		e.BeginArray()
		for i := range v.Len() {
			encodeKind(e.Elem(), v.Index(i))
		}
		e.EndArray()
	default:
		e.Fail("a " + kind.String() + " cannot be sent")
	}
}
