package schematest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

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

// sent checks the bytes that MarshalJSON and String make of a value.
func (b *bindings) sent(g *generator, s subject, turn int) error {
	v := b.request(g, s, turn)
	got, err := v.Interface().(json.Marshaler).MarshalJSON()
	if err != nil {
		return err
	}
	if want := b.encode(s, v, false); string(got) != string(want) {
		return fmt.Errorf("MarshalJSON gives\n%s, want\n%s", got, want)
	}
	// As a member: an alternate by itself may be a string, which Redact takes for a result.
	shown := fmt.Sprintf(`{"v":%s}`, v)
	if want := qmp.Redact(fmt.Appendf(nil, `{"v":%s}`, b.encode(s, v, true))); shown != string(want) {
		return fmt.Errorf("String gives\n%s, want\n%s", shown, want)
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
	got, err := v.Interface().(json.Marshaler).MarshalJSON()
	if e := (*qmp.EncodeError)(nil); !errors.As(err, &e) || !errors.Is(err, qmp.ErrNotSent) || e.Reason == "" {
		return fmt.Errorf("MarshalJSON gives %s and the error %v for %s", got, err, show(v))
	}
	return nil
}

// roundTrip checks that decoding gives back what was encoded.
func (b *bindings) roundTrip(g *generator, s subject, turn int) error {
	g.noise = noise{unknown: g.oneIn(2)}
	want := b.value(s, g.document(s.typ, turn))
	text, err := want.Interface().(json.Marshaler).MarshalJSON()
	if err != nil {
		return err
	}
	got, err := decode(s, text)
	if err != nil {
		return fmt.Errorf("%w\nin %s", err, text)
	}
	if d := diff(got, want); d != "" {
		return fmt.Errorf("%s\nin %s", d, text)
	}
	return nil
}
