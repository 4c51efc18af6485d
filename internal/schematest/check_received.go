package schematest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// decode decodes a text into a new value of the subject's type. A panic says in what.
func decode(s subject, text []byte) (reflect.Value, error) {
	defer func() {
		if p := recover(); p != nil {
			panic(fmt.Sprintf("%v\nin %q", p, text))
		}
	}()
	p := reflect.New(s.goType)
	d := wire.NewDecoder(text)
	d.Generated(p.Interface())
	return p.Elem(), d.End()
}

// anyNoise is what servers of other versions may send.
func (g *generator) anyNoise() noise {
	return noise{unknown: g.oneIn(2), missing: g.oneIn(4), blanks: g.oneIn(2)}
}

// received checks the value that a document is decoded to.
func (b *bindings) received(g *generator, s subject, turn int) error {
	g.noise = g.anyNoise()
	doc := g.document(s.typ, turn)
	text := g.text(doc)
	got, err := decode(s, text)
	if err != nil {
		return fmt.Errorf("%w\nin %s", err, text)
	}
	if d := diff(got, b.value(s, doc)); d != "" {
		return fmt.Errorf("%s\nin %s", d, text)
	}
	return nil
}

// undecided checks that nothing of a union is lost if its discriminator is missing.
func (b *bindings) undecided(g *generator, s subject, turn int) error {
	u, ok := s.typ.(*qapi.Union)
	if !ok {
		return nil
	}
	g.noise = noise{}
	doc := g.document(u, turn)
	doc.members = slices.DeleteFunc(doc.members, func(m member) bool { return m.name == u.Discriminator.Name })
	text := g.text(doc)
	got, err := decode(s, text)
	if err != nil {
		return fmt.Errorf("%w\nin %s", err, text)
	}
	if d := diff(got, b.value(s, doc)); d != "" {
		return fmt.Errorf("%s\nin %s", d, text)
	}
	if s.need.sent {
		return nil // it cannot be sent so
	}
	again := reflect.New(s.goType)
	if text, err = toJSON(got.Interface()); err == nil {
		err = json.Unmarshal(text, again.Interface())
	}
	if err != nil {
		return err
	}
	if d := diff(settled(again.Elem()), settled(got)); d != "" {
		return fmt.Errorf("after JSON: %s\nin %s", d, text)
	}
	return nil
}

// repeated checks that a document in which one object has a member twice is an error at the second
// one, whatever the member is and whatever stands around it.
func (b *bindings) repeated(g *generator, s subject, turn int) error {
	g.noise = noise{unknown: g.oneIn(2), missing: g.oneIn(4), blanks: g.oneIn(2)}
	doc := g.document(s.typ, turn)
	var objects []*node
	doc.walk(func(n *node) {
		if _, ok := n.typ.(qapi.ObjectType); ok && len(n.members) > 0 {
			objects = append(objects, n)
		}
	})
	if len(objects) == 0 {
		return nil
	}
	n := pick(g, objects...)
	again := pick(g, n.members...)
	again.text = g.quote(again.name)
	n.members = slices.Insert(n.members, g.IntN(len(n.members)+1), again)
	text := g.text(doc)
	_, err := decode(s, text)
	if e := (*wire.Error)(nil); !errors.As(err, &e) || e.Reason != "repeated member" {
		return fmt.Errorf("the member %q twice gives the error %v\nin %s", again.name, err, text)
	}
	return nil
}

// wrong checks that a document with one value of a wrong kind, or out of range, is an error at
// that value.
func (b *bindings) wrong(g *generator, s subject, turn int) error {
	g.noise = noise{unknown: g.oneIn(2), blanks: g.oneIn(2)}
	doc := g.document(s.typ, turn)
	var typed []*node
	doc.walk(func(n *node) {
		if len(wrongFor(n.typ)) > 0 {
			typed = append(typed, n)
		}
	})
	if len(typed) == 0 {
		return nil
	}
	n := pick(g, typed...)
	n.text = pick(g, wrongFor(n.typ)...)
	text := g.text(doc)
	_, err := decode(s, text)
	if e := (*wire.Error)(nil); !errors.As(err, &e) || e.Offset < n.start || e.Offset > n.end || e.Reason == "" {
		return fmt.Errorf("%s at bytes %d to %d gives the error %v\nin %s", n.text, n.start, n.end, err, text)
	}
	return nil
}

// wrongFor lists values that a type does not have. There are none for a type of any values, nor
// for alternates, which take new kinds of values for those of a newer server.
func wrongFor(t qapi.Type) []string {
	switch t := t.(type) {
	case *qapi.Enum:
		return []string{"1", "null", "true", "{}", `["a"]`}
	case *qapi.Array:
		return []string{"0", "null", "{}", `""`, `{"a":[]}`}
	case qapi.ObjectType:
		return []string{"0", "null", "[]", `""`, "false"}
	case *qapi.Builtin:
		return wrongForBuiltin(t)
	}
	return nil
}

func wrongForBuiltin(t *qapi.Builtin) []string {
	switch t.JSONKind() {
	case qapi.KindString:
		return []string{"1", "null", "true", "{}", `["a"]`}
	case qapi.KindBoolean:
		return []string{"1", "0", "null", `"true"`, "[true]"}
	case qapi.KindNumber:
		return []string{"null", `"1"`, "true", "[]", "1e999", "-1e999"}
	case qapi.KindInt:
		return append([]string{"null", `"1"`, "true", "[1]", "1.0", "1e3", "0.5"}, outOfRange(t)...)
	}
	return nil
}

// outOfRange lists the integers next to those that an integer type has, and some far away.
func outOfRange(t *qapi.Builtin) []string {
	least, greatest := limits(t)
	const much = "36893488147419103232"
	below, above := "-1", much
	if least < 0 {
		// One below has one more than the magnitude of the least.
		below = "-" + strconv.FormatUint(uint64(-(least+1))+2, 10)
	}
	if greatest+1 != 0 {
		above = strconv.FormatUint(greatest+1, 10)
	}
	return []string{below, above, much, "-" + much, "18446744073709551616"}
}

// broken checks that a text which was cut off or changed anywhere makes no panic, is an error
// unless it still is JSON, and that the error has a place in the text.
func (b *bindings) broken(g *generator, s subject, turn int) error {
	g.noise = g.anyNoise()
	text := g.text(g.document(s.typ, turn))
	for range 4 {
		if err := survives(s, g.broken(text)); err != nil {
			return err
		}
	}
	return nil
}

// broken is a text with something missing, changed or added.
func (g *generator) broken(text []byte) []byte {
	at := g.IntN(len(text))
	out := append([]byte(nil), text[:at]...)
	switch g.IntN(5) {
	case 0:
		return out
	case 1:
		return append(out, text[at+1:]...)
	case 2:
		out = append(out, byte(g.IntN(256)))
		return append(out, text[at+1:]...)
	case 3:
		out = append(out, pick(g, `"`, `\`, `{`, `}`, `[`, `]`, `,`, `:`, `-`, `.`, `\ud800`, "\xff", "\x00", "0", "e")...)
		return append(out, text[at:]...)
	default:
		out = append(out, text[g.IntN(at+1):]...) // a piece is there twice
		return out
	}
}

func survives(s subject, text []byte) error {
	_, err := decode(s, text)
	valid := jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true))
	if err == nil && !valid {
		return fmt.Errorf("text that is not JSON was decoded: %q", text)
	}
	if e := (*wire.Error)(nil); err != nil && (!errors.As(err, &e) || e.Offset < 0 || e.Offset > len(text)) {
		return fmt.Errorf("the error %v has no place in the text: %q", err, text)
	}
	return nil
}
