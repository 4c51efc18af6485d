package schematest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
)

// request is a value that a program could send.
func (b *bindings) request(g *generator, s subject, turn int) reflect.Value {
	g.noise = noise{unknown: g.oneIn(2)}
	v := b.value(s, g.document(s.typ, turn))
	if g.oneIn(2) {
		b.vary(g, v, s.typ)
	}
	return v
}

// marshal returns the bytes of a value that has an encoder.
func marshal(v reflect.Value) ([]byte, error) { return qmp.Marshal(pointerTo(v)) }

// pointerTo returns a pointer to a copy of a value.
func pointerTo(v reflect.Value) any {
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p.Interface()
}

// sent checks the bytes that the encoder makes of a value.
func (b *bindings) sent(g *generator, s subject, turn int) error {
	v := b.request(g, s, turn)
	got, err := marshal(v)
	if err != nil {
		return err
	}
	if want := b.encode(s, v, false); string(got) != string(want) {
		return fmt.Errorf("the encoder gives\n%s, want\n%s", got, want)
	}
	return nil
}

// notSent checks that a value of which one place was spoilt is an error.
func (b *bindings) notSent(g *generator, s subject, turn int) error {
	v := b.request(g, s, turn)
	spoils := b.spoils(v, s.typ)
	if len(spoils) == 0 {
		return nil
	}
	pick(g, spoils...)()
	got, err := marshal(v)
	if e := (*qmp.EncodeError)(nil); !errors.As(err, &e) || !errors.Is(err, qmp.ErrNotSent) || e.Reason == "" {
		return fmt.Errorf("the encoder gives %s and the error %v for %s", got, err, show(v))
	}
	return nil
}

// json checks that a value's JSON says what the reference encoder's bytes say, and that reading it gives
// the value again.
func (b *bindings) json(g *generator, s subject, turn int) error {
	g.noise = noise{unknown: g.oneIn(2)}
	v := b.value(s, g.document(s.typ, turn))
	varied := g.oneIn(2)
	if varied {
		b.vary(g, v, s.typ)
	}
	want := b.encode(s, v, false)
	text, err := toJSON(v.Interface())
	if err != nil {
		return fmt.Errorf("%w: %s", err, show(v))
	}
	if got, want := canonical(text), canonical(want); got != want {
		return fmt.Errorf("JSON is\n%s, want\n%s", got, want)
	}
	p := reflect.New(s.goType)
	if s.need.json { // encoding/json keeps what the text does not have
		p.Elem().Set(b.value(s, g.document(s.typ, 0)))
	}
	if err := json.Unmarshal(text, p.Interface()); err != nil {
		return fmt.Errorf("%w\nin %s", err, text)
	}
	got := p.Elem()
	if varied { // it has nil arrays, or discriminators and branches that were left out
		if b.hasNilBranch(v, s.typ) {
			return nil
		}
		if again := b.encode(s, got, false); canonical(again) != canonical(want) {
			return fmt.Errorf("read again, it is\n%s, want\n%s", again, want)
		}
		return nil
	}
	if d := diff(settled(got), settled(v)); d != "" {
		return fmt.Errorf("%s\nin %s", d, text)
	}
	return nil
}

// toJSON is json.Marshal without escapes for HTML.
func toJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// canonical returns JSON with sorted members and with its numbers as they are written.
func canonical(text []byte) string {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic(fmt.Sprintf("%v in %s", err, text))
	}
	out, err := toJSON(v)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// printed checks that people are shown a value without its secrets.
func (b *bindings) printed(g *generator, s subject, turn int) error {
	v := b.request(g, s, turn)
	want := string(qmp.Redact(fmt.Appendf(nil, `{"v":%s}`, b.encode(s, v, true))))
	// As a member: an alternate by itself may be a string, which Redact takes for a result.
	if s.need.text {
		if shown := fmt.Sprintf(`{"v":%s}`, v); shown != want {
			return fmt.Errorf("String gives\n%s, want\n%s", shown, want)
		}
	}
	for _, v := range []any{v.Interface(), pointerTo(v)} {
		if shown := qmp.Redacted(qmp.Args{"v": v}).String(); shown != want {
			return fmt.Errorf("Redacted of a %T gives\n%s, want\n%s", v, shown, want)
		}
	}
	return nil
}

// hasNilBranch reports whether a value has a union without the branch that its discriminator has: what is
// read has one, without any of its members.
func (b *bindings) hasNilBranch(v reflect.Value, t qapi.Type) bool {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return false
		}
		v = v.Elem()
	}
	switch t := t.(type) {
	case *qapi.Array:
		for i := range v.Len() {
			if b.hasNilBranch(v.Index(i), t.Element) {
				return true
			}
		}
	case *qapi.Alternate:
		for i, a := range t.Alternatives {
			if !v.Field(i).IsNil() && b.hasNilBranch(v.Field(i), a.Type) {
				return true
			}
		}
	case qapi.ObjectType:
		for i, m := range t.AllMembers() {
			if b.hasNilBranch(v.Field(i), m.Type) {
				return true
			}
		}
		u, ok := t.(*qapi.Union)
		if !ok {
			return false
		}
		held := v.Field(v.NumField() - 1)
		if held.IsNil() {
			return true
		}
		tag, _ := b.tag(u, v)
		branch, known := findBranch(u, tag)
		switch {
		case held.Elem().Elem().Type() == b.rawBranch:
			return known // it is read as the branch's type
		case known && b.data(branch) == nil:
			return b.hasNilBranch(held.Elem(), branch.Type)
		case known:
			return b.hasNilBranch(held.Elem(), b.data(branch).Type)
		}
	}
	return false
}
