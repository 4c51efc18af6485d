package wire_test

import (
	"bytes"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// A tree is any JSON value: nil, bool, string, number, []any or object. The functions below
// make one of a text, with this package and with jsontext, and write one.
type (
	number string
	object map[string]any
)

// DecodeMember takes every member.
func (o object) DecodeMember(d *wire.Decoder, name []byte) int {
	o[string(name)] = readTree(d)
	return wire.Unnumbered
}

// EncodeMembers writes the members sorted by name.
func (o object) EncodeMembers(e *wire.Encoder) {
	var names []string
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		writeTree(e.ExtraName(name), o[name])
	}
}

func readTree(d *wire.Decoder) any {
	switch d.Kind() {
	case wire.KindString:
		return d.String()
	case wire.KindNumber:
		return number(d.Raw())
	case wire.KindBool:
		return d.Bool()
	case wire.KindNull:
		d.Null()
		return nil
	case wire.KindObject:
		o := object{}
		d.Object(o)
		return o
	case wire.KindArray:
		values := make([]any, 0, d.Room())
		for ok := d.Array(); ok; ok = d.More() {
			values = append(values, readTree(d))
		}
		return values
	default:
		d.Skip() // fails
		return nil
	}
}

func writeTree(e *wire.Encoder, tree any) {
	switch v := tree.(type) {
	case nil:
		e.Null()
	case bool:
		e.Bool(v)
	case string:
		e.String(v)
	case number:
		e.Raw([]byte(v))
	case object:
		e.Object(v)
	case []any:
		e.BeginArray()
		for _, element := range v {
			writeTree(e.Elem(), element)
		}
		e.EndArray()
	}
}

// decodeTree makes the tree of a text with this package.
func decodeTree(text []byte) (any, error) {
	d := wire.NewDecoder(text)
	tree := readTree(d)
	return tree, d.End()
}

// oracleTree makes the tree of a text with jsontext. Repeated names are an error unless an option
// allows them.
func oracleTree(text []byte, opts ...jsontext.Options) (any, error) {
	d := jsontext.NewDecoder(bytes.NewReader(text), opts...)
	tree, err := oracleValue(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, io.ErrUnexpectedEOF
	}
	return tree, nil
}

func oracleValue(d *jsontext.Decoder) (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return token.Bool(), nil
	case '"':
		return token.String(), nil
	case '0':
		return number(token.String()), nil
	case '[':
		values := []any{}
		for d.PeekKind() != ']' {
			v, err := oracleValue(d)
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
		_, err := d.ReadToken()
		return values, err
	case '{':
		o := object{}
		for d.PeekKind() != '}' {
			name, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			key := name.String()
			if o[key], err = oracleValue(d); err != nil {
				return nil, err
			}
		}
		_, err := d.ReadToken()
		return o, err
	default:
		return nil, io.ErrUnexpectedEOF
	}
}

// depth is the deepest nesting of a tree.
func depth(tree any) int {
	deepest := 0
	switch v := tree.(type) {
	case []any:
		for _, element := range v {
			deepest = max(deepest, depth(element))
		}
	case object:
		for _, element := range v {
			deepest = max(deepest, depth(element))
		}
	default:
		return 0
	}
	return deepest + 1
}
