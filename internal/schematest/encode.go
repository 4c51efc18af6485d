package schematest

import (
	"math"
	"reflect"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
)

// encoder is the reference encoder: it makes the bytes that a Go value stands for, which must
// be valid for sending.
type encoder struct {
	*bindings
	mask bool // write "***" for secrets
}

// encode returns the bytes of a subject's value: for the wire, or for people if mask is set.
func (b *bindings) encode(s subject, v reflect.Value, mask bool) []byte {
	return encoder{b, mask}.value(nil, s.typ, v, false)
}

func (e encoder) value(b []byte, t qapi.Type, v reflect.Value, secret bool) []byte {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch t := t.(type) {
	case *qapi.Builtin:
		return e.builtin(b, t, v, secret)
	case *qapi.Enum:
		return appendQuote(b, v.String())
	case *qapi.Array:
		b = append(b, '[')
		for i := range v.Len() {
			b = e.value(comma(b, i), t.Element, v.Index(i), secret)
		}
		return append(b, ']')
	case *qapi.Alternate:
		for i, a := range t.Alternatives {
			if !v.Field(i).IsNil() {
				return e.value(b, a.Type, v.Field(i), false)
			}
		}
		if other := v.Field(len(t.Alternatives)); !other.IsNil() {
			return appendCompact(b, other.Bytes())
		}
		panic(t.Name + " without a value is not valid for sending")
	default:
		b = e.members(append(b, '{'), t.(qapi.ObjectType), v)
		return append(b, '}')
	}
}

func (e encoder) builtin(b []byte, t *qapi.Builtin, v reflect.Value, secret bool) []byte {
	switch kind := t.JSONKind(); {
	case secret:
		return append(b, `"***"`...)
	case kind == qapi.KindString:
		return appendQuote(b, v.String())
	case kind == qapi.KindBoolean:
		return strconv.AppendBool(b, v.Bool())
	case kind == qapi.KindNumber:
		return appendNumber(b, v.Float())
	case kind == qapi.KindInt && t.Signed():
		return strconv.AppendInt(b, v.Int(), 10)
	case kind == qapi.KindInt:
		return strconv.AppendUint(b, v.Uint(), 10)
	case kind == qapi.KindNull || v.IsNil():
		return append(b, "null"...)
	default:
		return appendCompact(b, v.Bytes())
	}
}

// members writes the members of an object without the braces, those of its branch last.
func (e encoder) members(b []byte, t qapi.ObjectType, v reflect.Value) []byte {
	members := t.AllMembers()
	u, isUnion := t.(*qapi.Union)
	for i, m := range members {
		f := v.Field(i)
		switch {
		case isUnion && m.Name == u.Discriminator.Name:
			if tag, sent := e.tag(u, v); sent {
				b = appendQuote(name(b, m.Name), tag)
			}
		case m.Optional && f.IsNil():
		default:
			secret := e.mask && e.secrets[Secret{t.Head().Name, m.Name}]
			b = e.value(name(b, m.Name), m.Type, f, secret)
		}
	}
	if v.NumField() == len(members) {
		return b
	}
	last := v.Field(v.NumField() - 1)
	if !isUnion {
		return e.args(b, last.Interface().(qmp.Args))
	}
	if last.IsNil() {
		return b
	}
	held := last.Elem().Elem()
	if held.Type() == e.rawBranch {
		return e.args(b, held.Field(0).Interface().(qmp.Args))
	}
	tag, _ := e.tag(u, v)
	branch, _ := findBranch(u, tag)
	if m := e.data(branch); m != nil {
		return e.value(name(b, m.Name), m.Type, held, false)
	}
	return e.members(b, branch.Type, held)
}

// tag is the discriminator to send: the one that is set, or the one that the type of the branch
// stands for. A RawBranch may have none.
func (b *bindings) tag(u *qapi.Union, v reflect.Value) (tag string, sent bool) {
	if tag := v.Field(tagIndex(u)).String(); tag != "" {
		return tag, true
	}
	held := v.Field(v.NumField() - 1).Elem().Elem().Type()
	if held == b.rawBranch {
		return "", false
	}
	for _, branch := range u.Branches {
		if branch.Type != nil && b.branchType(u, branch) == held {
			return branch.Value, true
		}
	}
	panic(u.Name + " without a discriminator is not valid for sending")
}

// name begins a member.
func name(b []byte, name string) []byte {
	if n := len(b); n > 0 && b[n-1] != '{' {
		b = append(b, ',')
	}
	return append(appendQuote(b, name), ':')
}

func appendQuote(b []byte, s string) []byte {
	b, err := jsontext.AppendQuote(b, s)
	if err != nil {
		panic(err)
	}
	return b
}

// appendNumber writes a number as ECMAScript does. A negative zero keeps its sign: QEMU reads
// -0 as an integer, which has none.
func appendNumber(b []byte, v float64) []byte {
	if v == 0 && math.Signbit(v) {
		return append(b, "-0.0"...)
	}
	return append(b, jsontext.Float(v).String()...)
}

func appendCompact(b, text []byte) []byte {
	v := jsontext.Value(text).Clone()
	if err := v.Compact(); err != nil {
		panic(err)
	}
	return append(b, v...)
}
