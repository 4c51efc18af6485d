package qmptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// marshal returns the JSON of what a test wants to be sent. It is encoding/json's, but for the
// generated types that a server sends only: encoding/json puts the branch of a union into a member
// of its own, and writes an alternate as an object. Their members have the names of their json
// tags.
func marshal(value any) (json.RawMessage, error) {
	v := reflect.ValueOf(value)
	if isTooDeep(v) {
		return nil, errors.New("the value contains itself, or is nested too deeply")
	}
	if !holdsReceived(v) {
		return toJSON(value)
	}
	e := &encoder{wire.NewEncoder(nil)}
	e.value(v)
	return e.Bytes(), e.Err()
}

// toJSON is json.Marshal without escapes for HTML, which no QEMU writes.
func toJSON(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// alternate is what a generated alternate has.
type alternate interface{ DecodeValue(d *wire.Decoder) }

var (
	memberDecoder = reflect.TypeFor[wire.MemberDecoder]()
	valueDecoder  = reflect.TypeFor[alternate]()
	marshaler     = reflect.TypeFor[json.Marshaler]()
)

// isReceived reports whether a type is one of a generated package that is received only. It has code
// to decode it, and none to encode it.
func isReceived(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t.Kind() == reflect.Struct && !p.Implements(marshaler) && (p.Implements(memberDecoder) || p.Implements(valueDecoder))
}

// holdsReceived reports whether a value is, or holds, one of a type that is received only.
func holdsReceived(v reflect.Value) bool {
	return holds(v, 0, func(v reflect.Value, _ int) bool { return isReceived(v.Type()) })
}

// maxDepth is how deeply a value may be nested. One that contains itself has no end.
const maxDepth = 1000

func isTooDeep(v reflect.Value) bool {
	return holds(v, 0, func(_ reflect.Value, depth int) bool { return depth > maxDepth })
}

// holds reports whether found is true of a value or of one inside it. It does not look into values
// that have MarshalJSON.
func holds(v reflect.Value, depth int, found func(v reflect.Value, depth int) bool) bool {
	if !v.IsValid() || v.Type().Implements(marshaler) {
		return false
	}
	if found(v, depth) {
		return true
	}
	depth++
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return holds(v.Elem(), depth, found)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if holds(v.Index(i), depth, found) {
				return true
			}
		}
	case reflect.Map:
		for _, value := range v.Seq2() {
			if holds(value, depth, found) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && holds(v.Field(i), depth, found) {
				return true
			}
		}
	}
	return false
}

// An encoder writes values that hold some of types that are received only.
type encoder struct{ *wire.Encoder }

// value writes any value.
func (e *encoder) value(v reflect.Value) {
	if !holdsReceived(v) {
		e.plain(v)
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		e.value(v.Elem())
	case reflect.Slice, reflect.Array:
		e.array(v, e.value)
	case reflect.Map:
		e.mapping(v)
	case reflect.Struct:
		e.received(v)
	}
}

// plain writes a value that encoding/json can write. One that has an encoder writes itself, so that
// an error says where it is.
func (e *encoder) plain(v reflect.Value) {
	if v.IsValid() {
		p := reflect.New(v.Type())
		p.Elem().Set(v)
		switch p := p.Interface().(type) {
		case wire.MemberEncoder:
			e.Object(p)
			return
		case wire.ValueEncoder:
			p.EncodeValue(e.Encoder)
			return
		}
	}
	var value any
	if v.IsValid() {
		value = v.Interface()
	}
	text, err := toJSON(value)
	if err != nil {
		e.Fail(err.Error())
		return
	}
	e.Raw(text)
}

func (e *encoder) array(v reflect.Value, element func(reflect.Value)) {
	e.BeginArray()
	for i := range v.Len() {
		e.Elem()
		element(v.Index(i))
	}
	e.EndArray()
}

// mapping writes a map with string keys, sorted as encoding/json does.
func (e *encoder) mapping(v reflect.Value) {
	if v.Type().Key().Kind() != reflect.String {
		e.Fail(fmt.Sprintf("a %s that holds generated values: its keys are no strings", v.Type()))
		return
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	e.BeginObject()
	for _, key := range keys {
		e.ExtraName(key.String())
		e.value(v.MapIndex(key))
	}
	e.EndObject()
}

// received writes a value of a type that is received only.
func (e *encoder) received(v reflect.Value) {
	switch p := reflect.PointerTo(v.Type()); {
	case !isReceived(v.Type()):
		e.Fail(fmt.Sprintf("a %s holds a value of a generated package that encoding/json does not write as QEMU does: "+
			"use a map or a slice instead of the struct", v.Type()))
	case p.Implements(memberDecoder):
		e.BeginObject()
		e.members(v)
		e.EndObject()
	default:
		e.alternate(v)
	}
}

// field writes the value of a field of a generated type, in which a nil slice is an empty array.
func (e *encoder) field(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Slice && !v.Type().Implements(marshaler):
		e.array(v, e.field)
	case v.Kind() == reflect.Pointer && v.IsNil():
		e.Fail("a mandatory member is nil")
	case v.Kind() == reflect.Pointer:
		e.field(v.Elem())
	case v.Kind() == reflect.String:
		e.String(v.String())
	default:
		e.value(v)
	}
}

// members writes the members of an object that is received only, those of its branch last.
func (e *encoder) members(v reflect.Value) {
	u := unionOf(v)
	if u != nil && !e.fits(u) {
		return
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, optional := strings.CutSuffix(f.Tag.Get("json"), ",omitzero")
		switch {
		case u != nil && (i == u.branchField || i == u.tagField && u.tag == ""):
		case name == "":
			e.Fail(fmt.Sprintf("field %s of %s has no json tag: qapigen did not make this type", f.Name, v.Type()))
		case optional && v.Field(i).IsNil():
		default:
			e.Name(name)
			e.field(v.Field(i))
		}
	}
	if u == nil || u.branch.IsNil() || !e.OK() {
		return
	}
	if m, ok := u.branch.Interface().(wire.MemberEncoder); ok {
		m.EncodeMembers(e.Encoder)
		return
	}
	e.members(u.branch.Elem().Elem())
}

// A union is the part of a value that depends on its discriminator.
type union struct {
	tagField, branchField int
	tag                   string
	branch                reflect.Value // an interface
	want                  reflect.Type  // of a pointer that it holds for the discriminator; nil: none
}

// unionOf returns the union that a value is, nil if it is none.
func unionOf(v reflect.Value) *union {
	t := v.Type()
	p := reflect.New(t)
	decoder, ok := p.Interface().(wire.UnionDecoder)
	if !ok {
		return nil
	}
	u := &union{}
	tag, _ := decoder.Discriminator()
	for i := range t.NumField() {
		switch f := t.Field(i); {
		case f.Type.Kind() == reflect.Interface:
			u.branchField, u.branch = i, v.Field(i)
		case f.Tag.Get("json") == tag:
			u.tagField, u.tag = i, v.Field(i).String()
		}
	}
	p.Elem().Field(u.tagField).SetString(u.tag)
	u.want = reflect.TypeOf(decoder.DecodeBranch())
	return u
}

// fits fails if the branch is none for the discriminator. A RawBranch is one for any, and for a
// discriminator that the server did not send.
func (e *encoder) fits(u *union) bool {
	switch {
	case u.branch.IsNil() && u.tag != "":
	case u.branch.IsNil():
		e.Fail("discriminator is empty")
	case u.branch.Elem().IsNil():
		e.Fail("Branch holds a nil pointer")
	case u.branch.Elem().Type().Elem().Name() == "RawBranch":
	case u.tag == "":
		e.Fail(fmt.Sprintf("discriminator is empty, and Branch holds a %s: set the discriminator, which a server sends always",
			u.branch.Elem().Type()))
	case u.branch.Elem().Type() != u.want:
		e.Fail(fmt.Sprintf("discriminator %q disagrees with Branch, which holds a %s", u.tag, u.branch.Elem().Type()))
	}
	return e.OK()
}

// alternate writes the one alternative that is set.
func (e *encoder) alternate(v reflect.Value) {
	var set []reflect.Value
	for i := range v.NumField() {
		if !v.Field(i).IsNil() {
			set = append(set, v.Field(i))
		}
	}
	if len(set) != 1 {
		e.Fail(fmt.Sprintf("exactly one field of %s must be set, not %d", v.Type(), len(set)))
		return
	}
	e.field(set[0])
}
