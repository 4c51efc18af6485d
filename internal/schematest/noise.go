package schematest

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/qmpkit/qmpkit/qapi"
)

// stranger is a name that no schema has.
func (g *generator) stranger() string {
	s := "unknown-" + pick(g, "a", "b", "c") + g.str()
	if g.oneIn(16) {
		s += strings.Repeat("x", 80)
	}
	return s
}

// strangers adds members that the object's type does not have: some with names of their own,
// some with names that other branches have.
func (g *generator) strangers(o *objectDraft) {
	most := 2
	if o.raw {
		most = 5
	}
	for range g.IntN(most) {
		name := g.stranger()
		if len(o.others) > 0 && g.oneIn(2) {
			name = pick(g, o.others...)
		}
		if o.known[name] || o.node.lookup(name) != nil {
			continue
		}
		g.add(o, name, g.any())
	}
}

// foreign is a value of a kind that is not among the alternatives; nil if there is none.
func (g *generator) foreign(t *qapi.Alternate) *node {
	kinds := []qapi.JSONKind{
		qapi.KindString, qapi.KindNumber, qapi.KindBoolean, qapi.KindNull, qapi.KindObject, qapi.KindArray,
	}
	for _, a := range t.Alternatives {
		kind := a.Type.JSONKind()
		if kind == qapi.KindInt {
			kind = qapi.KindNumber
		}
		kinds = slices.DeleteFunc(kinds, func(k qapi.JSONKind) bool { return k == kind })
	}
	if len(kinds) == 0 {
		return nil
	}
	switch pick(g, kinds...) {
	case qapi.KindString:
		return g.quoted(g.str())
	case qapi.KindNumber:
		return literal(g.number())
	case qapi.KindBoolean:
		return literal("true")
	case qapi.KindNull:
		return literal("null")
	case qapi.KindObject:
		return literal(`{"a":[]}`)
	default:
		return literal(`[1,{}]`)
	}
}

// any is a value that no schema types.
func (g *generator) any() *node {
	text := string(g.appendAny(nil, 3))
	return &node{kind: jsontext.Value(text).Kind(), text: text}
}

// appendAny appends random JSON of at most the given depth, without blanks around it.
func (g *generator) appendAny(b []byte, depth int) []byte {
	kinds := 6
	if depth == 0 {
		kinds = 4
	}
	switch g.IntN(kinds) {
	case 0:
		return append(b, g.quote(g.str())...)
	case 1:
		return append(b, g.number()...)
	case 2:
		return append(b, pick(g, "true", "false", "null")...)
	case 3:
		return append(b, pick(g, "18446744073709551615", "-9223372036854775808", "123456789012345678901234567890", "{}", "[]")...)
	case 4:
		b = append(b, '[')
		for i := range g.IntN(4) {
			b = append(comma(b, i), g.blank()...)
			b = append(g.appendAny(b, depth-1), g.blank()...)
		}
		return append(b, ']')
	default:
		b = append(b, '{')
		for i := range g.IntN(4) {
			b = append(comma(b, i), g.blank()...)
			b = append(b, g.quote(string(rune('a'+i))+g.str())...)
			b = append(append(b, g.blank()...), ':')
			b = g.appendAny(b, depth-1)
		}
		return append(b, '}')
	}
}
