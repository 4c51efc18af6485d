package qmp

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// Redacted returns a value for logs that prints and marshals v without secrets. The result is the JSON
// of v with "***" in place of each secret: those that the schema marks in the type of v, and those that
// [Redact] finds.
//
//	slog.Info("sending", "request", qmp.Redacted(request))
//	fmt.Println(qmp.Redacted(info))
//
// v is a request, a result, an event or any other Go value. A pointer is shown as the value that it points to. A
// struct without json tags, such as those of package hotplug, is shown with the names of its fields. Do not change v
// before it is printed.
func Redacted(v any) RedactedValue { return RedactedValue{func() any { return v }} }

// A RedactedValue is a value without its secrets; see [Redacted].
type RedactedValue struct {
	value func() any // a function, of which fmt shows no secret for any verb: %#v does not call String
}

// String returns the JSON, or the reason if there is none.
func (r RedactedValue) String() string { return formatted(r.encode) }

// MarshalJSON returns the JSON. The error is an [*EncodeError].
func (r RedactedValue) MarshalJSON() ([]byte, error) {
	text, err := redacted(r.encode)
	if err != nil {
		return nil, encodeError("", err)
	}
	return text, nil
}

func (r RedactedValue) encode(e *wire.Encoder) {
	if r.value == nil {
		e.Null()
		return
	}
	printed{reflect.ValueOf(r.value())}.EncodeValue(e)
}

// printed is any value, written for people. It takes more values than [Args].
type printed struct{ reflect.Value }

// EncodeValue writes the value.
func (p printed) EncodeValue(e *wire.Encoder) {
	v, isNil := follow(p.Value)
	if isNil || !v.IsValid() {
		e.Null()
		return
	}
	switch m := reflect.New(v.Type()); m.Interface().(type) {
	case *Null, wire.MemberEncoder, wire.ValueEncoder, wire.MemberMarshaler, jsonMarshaler, textMarshaler, numberText:
		encodeValue(e, v)
		return
	case error, stringer:
		m.Elem().Set(v)
		e.String(textOf(m.Interface()))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		e.Object(printedFields{v})
	case reflect.Slice, reflect.Array:
		p.encodeSlice(e, v)
	case reflect.Map:
		p.encodeMap(e, v)
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		e.String(v.Type().String())
	default:
		encodeKind(e, v)
	}
}

func (printed) encodeSlice(e *wire.Encoder, v reflect.Value) {
	if isBytes(v) {
		e.String(strconv.Itoa(v.Len()) + " bytes")
		return
	}
	e.BeginArray()
	for i := 0; i < v.Len() && e.OK(); i++ {
		printed{v.Index(i)}.EncodeValue(e.Elem())
	}
	e.EndArray()
}

func (printed) encodeMap(e *wire.Encoder, v reflect.Value) {
	if v.Type().Key().Kind() != reflect.String {
		encodeMap(e, v) // which says why it cannot
		return
	}
	members := make(Args, v.Len())
	for member := v.MapRange(); member.Next(); {
		if _, isNil := follow(member.Value()); !isNil {
			members[member.Key().String()] = printed{member.Value()}
		}
	}
	e.Object(members)
}

// printedFields are the exported fields of a struct.
type printedFields struct{ reflect.Value }

// EncodeMembers writes the fields that are not nil, with their names in JSON or else in Go.
func (p printedFields) EncodeMembers(e *wire.Encoder) {
	for i := range p.NumField() {
		field, v := p.Type().Field(i), p.Field(i)
		name, omitzero := strings.CutSuffix(field.Tag.Get("json"), ",omitzero")
		if name == "" {
			name = field.Name
		}
		if at, isNil := follow(v); !isNil && at.IsValid() && field.IsExported() && !(omitzero && v.IsZero()) {
			printed{v}.EncodeValue(e.ExtraName(name))
		}
	}
}

type stringer interface{ String() string }

func textOf(v any) string {
	if err, ok := v.(error); ok {
		return err.Error()
	}
	return v.(stringer).String()
}
