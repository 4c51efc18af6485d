package schematest

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
)

func (b *bindings) commandCheck() check {
	c := check{name: "commands"}
	for _, d := range b.Schema.Commands() {
		n := 1
		if d.Returns != nil {
			n = turns(d.Returns)
		}
		run := func(g *generator, turn int) error { return b.command(g, d, turn) }
		c.trials = append(c.trials, trial{d.Name, n, run})
	}
	return c
}

func (b *bindings) eventCheck() check {
	unknown := func(*generator, int) error { return b.unknownEvent() }
	c := check{"events", []trial{{"an unknown event", 1, unknown}}}
	for _, d := range b.Schema.Events() {
		run := func(g *generator, turn int) error { return b.event(g, d, turn) }
		c.trials = append(c.trials, trial{d.Name, 1, run})
	}
	return c
}

// command checks what an Executor is given for a command, and what Do returns for the result
// that the Executor decodes.
func (b *bindings) command(g *generator, c *qapi.Command, turn int) error {
	s := b.subject(c)
	request := reflect.Zero(s.goType)
	var arguments []byte
	if c.Arg != nil {
		request = b.request(g, s, turn)
		arguments = b.encode(s, request, false)
	}
	if string(arguments) == "{}" {
		arguments = nil
	}
	g.noise = g.anyNoise()
	doc, text := &node{}, []byte("{}")
	if c.Returns != nil {
		doc = g.document(c.Returns, turn)
		text = g.text(doc)
	}
	result, err := execute(request, func(call *qmp.Call) error {
		if call.Command != c.Name || call.NoReply != c.NoReply || call.AllowOOB != c.AllowOOB {
			return fmt.Errorf("the call is %+v", call)
		}
		got, err := call.AppendArgs(nil)
		if err != nil {
			return err
		}
		if string(got) != string(arguments) {
			return fmt.Errorf("the arguments are\n%s, want\n%s", got, arguments)
		}
		return call.Decode(text)
	})
	if err != nil {
		return fmt.Errorf("%w\nfor %s and the result %s", err, show(request), text)
	}
	return b.result(c.Returns, result, doc)
}

// result checks what Do returned.
func (b *bindings) result(t qapi.Type, got reflect.Value, doc *node) error {
	if t == nil || !got.IsValid() {
		if t != nil || got.IsValid() {
			return errors.New("has a result in Go only, or in the schema only")
		}
		return nil
	}
	if got.Type() != b.goType(t) {
		return fmt.Errorf("the result is a %s, not a %s", got.Type(), b.goType(t))
	}
	want := reflect.New(got.Type()).Elem()
	b.set(want, t, doc)
	if d := diff(got, want); d != "" {
		return fmt.Errorf("the result is wrong: %s", d)
	}
	return nil
}

// event checks that the table of events has the event, and decodes its data.
func (b *bindings) event(g *generator, e *qapi.Event, turn int) error {
	s := b.subject(e)
	g.noise = g.anyNoise()
	raw, want := qmp.RawEvent{Name: e.Name}, reflect.New(s.goType).Elem()
	if e.Arg != nil || turn%2 == 0 {
		doc := g.document(s.typ, turn)
		raw.Data, want = g.text(doc), b.value(s, doc)
	}
	got, err := b.DecodeEvent(raw)
	if err != nil {
		return fmt.Errorf("%w\nin %s", err, raw.Data)
	}
	if got.EventName() != e.Name || reflect.TypeOf(got) != reflect.PointerTo(s.goType) {
		return fmt.Errorf("is decoded as a %T of the name %s", got, got.EventName())
	}
	if d := diff(reflect.ValueOf(got).Elem(), want); d != "" {
		return fmt.Errorf("%s\nin %s", d, raw.Data)
	}
	raw.Data = qmp.RawJSON(`{"a":}`)
	if _, err := b.DecodeEvent(raw); !errors.As(err, new(*qmp.DecodeError)) {
		return fmt.Errorf("broken data give the error %v", err)
	}
	return nil
}

// unknownEvent checks what the table of events says of an event that it does not have.
func (b *bindings) unknownEvent() error {
	if b.DecodeEvent == nil {
		return nil
	}
	if ev, err := b.DecodeEvent(qmp.RawEvent{Name: "NO_SUCH_EVENT"}); !errors.Is(err, qmp.ErrUnknownEvent) {
		return fmt.Errorf("is decoded as %v with the error %v", ev, err)
	}
	return nil
}
