package qmp

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// Args are the members of an object that is not in the schema: the properties of device_add, the
// arguments of a [Raw], the members of a branch that the generated package does not know. They are
// sent sorted by name.
//
// A value is sent as follows. The first row that fits decides:
//
//	nil                                       null
//	a nil pointer                             left out; see below
//	another pointer                           the value that it points to
//	Args, a type of a generated package       the object, or the value of the alternate
//	Null                                      null
//	RawJSON, json.RawMessage, another type    the JSON that MarshalJSON returns, checked; a nil
//	with a MarshalJSON method                 RawJSON is null
//	net.IP, netip.Addr, another type          a string
//	with a MarshalText method
//	json.Number                               a number, as it is written
//	a string type                             a string, which must be UTF-8
//	bool                                      true or false
//	an integer type, uintptr                  a number, all 64 bits of it
//	float32, float64                          a number; NaN and infinite ones are an error
//	a slice or an array of bytes              an error: JSON has no bytes, see below
//	another slice or array                    an array; a nil slice is []
//	a map whose key is a string type          an object, sorted by name; a nil map is {}
//	a struct with a json tag on each field,   an object; fields with omitzero are left out
//	with no option but omitzero               if they are zero
//	another map or struct, complex64,         an error
//	complex128, chan, func, unsafe.Pointer
//
// A named type is treated like its underlying type, and an element of a slice or map like a value
// of Args. Methods with a pointer receiver count, too.
//
// A member whose value is a nil pointer is left out, like an optional member of a generated type.
// Assign nil to send null. An element of a slice cannot be left out: a nil pointer there is an
// error.
//
// The schema says how to send bytes: text as a string, binary data as base64 in a string, JSON as a
// RawJSON.
//
// If a value cannot be sent, the error is an [*EncodeError] with the value's path.
//
// UnmarshalJSON, and a generated type with Args in it, decode JSON into these Go types:
//
//	null               nil
//	true, false        bool
//	a string           string
//	an integer         int, or uint64 if it is too large for int
//	another number     float64, or RawJSON if float64 would change the digits
//	an array           []any
//	an object          Args
type Args map[string]any

// EncodeMembers writes the members, without braces.
func (a Args) EncodeMembers(e *wire.Encoder) {
	names := make([]string, 0, len(a))
	for name, value := range a {
		if !leadsToNil(value) {
			i, _ := slices.BinarySearch(names, name) // package slices' sorting is ten times as large
			names = slices.Insert(names, i, name)
		}
	}
	for _, name := range names {
		encodeAny(e.ExtraName(name), a[name])
	}
}

// MarshalJSON returns the members as a JSON object.
func (a Args) MarshalJSON() ([]byte, error) { return Marshal(a) }

// UnmarshalJSON sets a to the members of a JSON object. It is strict; see [Unmarshal].
func (a *Args) UnmarshalJSON(text []byte) error {
	*a = Args{}
	return Unmarshal(text, a)
}

// UnmarshalMember adds a member.
func (a *Args) UnmarshalMember(d *wire.Decoder, name []byte) int {
	if *a == nil {
		*a = Args{}
	}
	(*a)[string(name)] = decodeAny(d)
	return wire.Unnumbered
}

// decodeAny reads a value of Args.
func decodeAny(d *wire.Decoder) any {
	switch d.Kind() {
	case wire.KindString:
		return d.String()
	case wire.KindBool:
		return d.Bool()
	case wire.KindNumber:
		return numberOf(d.Raw())
	case wire.KindArray:
		elements := []any{}
		for ok := d.Array(); ok; ok = d.More() {
			elements = append(elements, decodeAny(d))
		}
		return elements
	case wire.KindObject:
		members := Args{}
		d.Unmarshal(&members)
		return members
	default:
		d.Null()
		return nil
	}
}

// numberOf returns a number as a Go value that is sent with the same digits.
func numberOf(text RawJSON) any {
	if i, err := strconv.Atoi(string(text)); err == nil && string(text) != "-0" {
		return i
	}
	if u, err := strconv.ParseUint(string(text), 10, 64); err == nil {
		return u
	}
	if f, err := strconv.ParseFloat(string(text), 64); err == nil {
		e := wire.NewEncoder(nil)
		if e.Float(f); string(e.Bytes()) == string(text) {
			return f
		}
	}
	return text
}

// String returns the members as a JSON object without secrets; see [Redact].
func (a Args) String() string { return Format(a) }

// encodeAny writes a value of Args. Most are of the types that it looks for first.
func encodeAny(e *wire.Encoder, value any) {
	switch v := value.(type) {
	case string:
		e.String(v)
	case Args:
		e.Object(v)
	default:
		encodeValue(e, reflect.ValueOf(value))
	}
}

// encodeValue writes a value of any type.
func encodeValue(e *wire.Encoder, v reflect.Value) {
	v, isNil := follow(v)
	switch {
	case isNil:
		e.Fail("an element that is a nil pointer cannot be left out: use nil to send null")
	case !v.IsValid():
		e.Null()
	case !encodeByMethod(e, v):
		encodeKind(e, v)
	}
}

// maxPointers is how many pointers may lead to a value: a pointer can lead to itself.
const maxPointers = 100

// follow returns what pointers and interfaces lead to. isNil reports whether that is a nil pointer.
// The value is not valid for a nil interface. Of pointers that lead to themselves it returns one.
func follow(v reflect.Value) (_ reflect.Value, isNil bool) {
	for range maxPointers {
		switch v.Kind() {
		case reflect.Pointer:
			if v.IsNil() {
				return v, true
			}
			v = v.Elem()
		case reflect.Interface:
			v = v.Elem()
		default:
			return v, false
		}
	}
	return v, false
}

// leadsToNil reports whether value is a nil pointer, or a pointer to one.
func leadsToNil(value any) bool {
	_, isNil := follow(reflect.ValueOf(value))
	return isNil
}

// encodeByMethod writes a value whose type, or the pointer to it, has a method for that. It returns
// false for others.
func encodeByMethod(e *wire.Encoder, v reflect.Value) bool {
	if v.Type().PkgPath() == "" && v.Kind() != reflect.Struct {
		return false // the types without a name, and those of the language, have no methods
	}
	if !v.CanAddr() {
		c := reflect.New(v.Type()).Elem()
		c.Set(v)
		v = c
	}
	switch m := v.Addr().Interface().(type) {
	case *Null:
		e.Null()
	case wire.MemberEncoder, wire.ValueEncoder, wire.MemberMarshaler:
		e.Generated(m)
	case jsonMarshaler:
		text, err := m.MarshalJSON()
		encodeMarshaled(e, text, err)
	case textMarshaler:
		text, err := m.MarshalText()
		if err != nil {
			e.Fail(err.Error())
		}
		e.String(string(text))
	case numberText:
		if v.Kind() != reflect.String {
			return false
		}
		text := m.String()
		if text == "" || text[0] != '-' && (text[0] < '0' || '9' < text[0]) {
			e.Fail("the text is not a JSON number")
		}
		e.Raw([]byte(text))
	default:
		return false
	}
	return true
}

// The interfaces of types that other packages send as JSON.
type (
	jsonMarshaler interface{ MarshalJSON() ([]byte, error) }
	textMarshaler interface{ MarshalText() ([]byte, error) }

	// numberText is json.Number, which is a string and would be sent as one.
	numberText interface {
		String() string
		Int64() (int64, error)
		Float64() (float64, error)
	}
)

// encodeMarshaled writes what MarshalJSON returned.
func encodeMarshaled(e *wire.Encoder, text []byte, err error) {
	switch {
	case err != nil:
		e.Fail(strings.TrimPrefix(err.Error(), "qmp: cannot encode: ")) // of an *EncodeError
	case len(text) == 0:
		e.Fail("MarshalJSON returned nothing")
	default:
		e.Raw(text)
	}
}

// encodeKind writes a value by the kind of its type.
func encodeKind(e *wire.Encoder, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		e.String(v.String())
	case reflect.Bool:
		e.Bool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.Int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		e.Uint(v.Uint())
	case reflect.Float32:
		encodeFloat32(e, v.Float())
	case reflect.Float64:
		e.Float(v.Float())
	case reflect.Slice, reflect.Array:
		encodeSlice(e, v)
	case reflect.Map:
		encodeMap(e, v)
	case reflect.Struct:
		e.Object(tagged{v})
	case reflect.Pointer, reflect.Interface:
		e.Fail("the pointer leads to itself")
	default:
		e.Fail(typeName(v) + " cannot be sent: JSON has no such value")
	}
}

// encodeFloat32 writes 0.1 for a float32 of 0.1, which is 0.10000000149011612 as a float64.
func encodeFloat32(e *wire.Encoder, f float64) {
	if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		e.Float(f)
		return
	}
	e.Raw(strconv.AppendFloat(nil, f, 'f', -1, 32))
}

func typeName(v reflect.Value) string { return "a value of type " + v.Type().String() }

// encodeSlice writes an array.
func encodeSlice(e *wire.Encoder, v reflect.Value) {
	if isBytes(v) {
		e.Fail(typeName(v) + " cannot be sent: use a string for text, base64 in a string for binary data, RawJSON for JSON")
		return
	}
	e.BeginArray()
	for i := range v.Len() {
		if !e.OK() {
			return // in particular at the depth bound: the slice may lead back to itself
		}
		encodeValue(e.Elem(), v.Index(i))
	}
	e.EndArray()
}

// isBytes reports whether the elements of a slice or an array are bytes, and not of a type that
// says how it is sent.
func isBytes(v reflect.Value) bool {
	elem := v.Type().Elem()
	if elem.Kind() != reflect.Uint8 {
		return false
	}
	switch reflect.New(elem).Interface().(type) {
	case wire.ValueEncoder, jsonMarshaler, textMarshaler:
		return false
	}
	return true
}

// tagged is a struct whose fields have json tags, like those of a generated type without an encoder.
type tagged struct{ reflect.Value }

// EncodeMembers writes the fields.
func (v tagged) EncodeMembers(e *wire.Encoder) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, optional := strings.CutSuffix(field.Tag.Get("json"), ",omitzero")
		switch {
		case !field.IsExported() || name == "" || strings.Contains(name, ","):
			e.Fail(typeName(v.Value) + " cannot be sent: use a generated type, Args or RawJSON")
			return
		case !optional || !v.Field(i).IsZero():
			encodeValue(e.ExtraName(name), v.Field(i))
		}
	}
}

// encodeMap writes an object.
func encodeMap(e *wire.Encoder, v reflect.Value) {
	if v.Type().Key().Kind() != reflect.String {
		e.Fail(typeName(v) + " cannot be sent: use a map whose keys are strings")
		return
	}
	members := make(Args, v.Len())
	for member := v.MapRange(); member.Next(); {
		members[member.Key().String()] = member.Value().Interface()
	}
	e.Object(members)
}
