package schematest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
)

// args makes members that no schema types, of the Go types that a program would use.
func (g *generator) args(depth int) qmp.Args {
	args := qmp.Args{}
	for range g.IntN(4) {
		args[g.stranger()] = g.arg(depth)
	}
	return args
}

func (g *generator) arg(depth int) any {
	kinds := 12
	if depth == 0 {
		kinds = 9
	}
	switch g.IntN(kinds) {
	case 0:
		return g.str()
	case 1:
		return qapi.JSONKind(g.str()) // a string by its kind
	case 2:
		return g.oneIn(2)
	case 3:
		return g.Int()
	case 4:
		return new(uint8(g.IntN(256)))
	case 5:
		return g.Uint64()
	case 6:
		return g.NormFloat64()
	case 7:
		return nil
	case 8:
		return qmp.RawJSON(g.any().text)
	case 9:
		return []string{g.str(), g.str()}
	case 10:
		return []qmp.Args{g.args(depth - 1), g.args(depth - 1)}
	default:
		return g.args(depth - 1)
	}
}

// args writes such members, sorted by name.
func (e encoder) args(b []byte, args qmp.Args) []byte {
	for _, key := range slices.Sorted(maps.Keys(args)) {
		b = e.arg(name(b, key), args[key])
	}
	return b
}

func (e encoder) arg(b []byte, arg any) []byte {
	switch arg := arg.(type) {
	case nil:
		return append(b, "null"...)
	case qmp.Args:
		return append(e.args(append(b, '{'), arg), '}')
	case qmp.RawJSON:
		return appendCompact(b, arg)
	}
	switch v := reflect.ValueOf(arg); v.Kind() {
	case reflect.String:
		return appendQuote(b, v.String())
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	case reflect.Int:
		return strconv.AppendInt(b, v.Int(), 10)
	case reflect.Uint8, reflect.Uint64:
		return strconv.AppendUint(b, v.Uint(), 10)
	case reflect.Float64:
		return appendNumber(b, v.Float())
	case reflect.Pointer:
		return e.arg(b, v.Elem().Interface())
	case reflect.Slice:
		b = append(b, '[')
		for i := range v.Len() {
			b = e.arg(comma(b, i), v.Index(i).Interface())
		}
		return append(b, ']')
	}
	panic(fmt.Sprintf("no encoding for a %T", arg))
}

// argOf is the Go value that JSON is decoded to where no schema types it.
func argOf(text []byte) any {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	return nextArg(d)
}

func nextArg(d *jsontext.Decoder) any {
	switch d.PeekKind() {
	case '[':
		token(d)
		elements := []any{}
		for d.PeekKind() != ']' {
			elements = append(elements, nextArg(d))
		}
		token(d)
		return elements
	case '{':
		token(d)
		args := qmp.Args{}
		for d.PeekKind() != '}' {
			var name string
			if err := json.Unmarshal([]byte(value(d)), &name); err != nil {
				panic(err)
			}
			args[name] = nextArg(d)
		}
		token(d)
		return args
	case '0':
		return numberArg(value(d))
	default:
		var v any
		if err := json.Unmarshal([]byte(value(d)), &v); err != nil {
			panic(err)
		}
		return v
	}
}

// numberArg is an int or a uint64 if the text is one, a float64 if that is written like the text, or else the
// text.
func numberArg(text string) any {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(i, 10) == text {
		return int(i)
	}
	if u, err := strconv.ParseUint(text, 10, 64); err == nil && strconv.FormatUint(u, 10) == text {
		return u
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && string(appendNumber(nil, f)) == text {
		return f
	}
	return qmp.RawJSON(text)
}
