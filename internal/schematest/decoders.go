package schematest

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
)

// Decoders are what a generated package decodes: the results of its commands and the data of its
// events.
type Decoders struct {
	Schema *qapi.Schema

	// Requests holds a request of each command of the schema, in any order.
	Requests []any

	// DecodeEvent is the function of that name; nil if the schema has no events.
	DecodeEvent func(qmp.RawEvent) (qmp.EventData, error)
}

// decoding is one of them.
type decoding struct {
	name   string    // of the command or the event
	typ    qapi.Type // of what is decoded; nil: anything, which is dropped
	decode func(text []byte) (reflect.Value, error)
}

// table lists them in the order of the schema. It is an error if a command has no request, or an
// event no type: what is not in the table is not tested.
func (d *Decoders) table() ([]decoding, error) {
	requests, err := d.byCommand()
	if err != nil {
		return nil, err
	}
	var all []decoding
	for _, c := range d.Schema.Commands() {
		request, ok := requests[c.Name]
		if !ok {
			return nil, fmt.Errorf("the command %s is missing among the requests", c.Name)
		}
		delete(requests, c.Name)
		all = append(all, decoding{c.Name, c.Returns, decodeResult(request)})
	}
	for name := range requests {
		return nil, fmt.Errorf("there is a request of the command %s, which the schema does not have", name)
	}
	for _, e := range d.Schema.Events() {
		if d.DecodeEvent == nil {
			return nil, fmt.Errorf("there is no DecodeEvent for the event %s", e.Name)
		}
		x := decoding{e.Name, inline(e.Name, e.Arg), d.decodeData(e.Name)}
		if _, err := x.decode([]byte(`{}`)); errors.Is(err, qmp.ErrUnknownEvent) {
			return nil, fmt.Errorf("the event %s is missing in DecodeEvent", e.Name)
		}
		all = append(all, x)
	}
	return all, nil
}

// byCommand returns the requests by the names of their commands.
func (d *Decoders) byCommand() (map[string]reflect.Value, error) {
	requests := map[string]reflect.Value{}
	for _, r := range d.Requests {
		name, err := commandName(reflect.TypeOf(r))
		if err != nil {
			return nil, err
		}
		if other, ok := requests[name]; ok {
			return nil, fmt.Errorf("%s and %T are both the command %s", other.Type(), r, name)
		}
		requests[name] = reflect.ValueOf(r)
	}
	return requests, nil
}

// decodeResult lets the request's Do decode a text that an Executor has for it.
func decodeResult(request reflect.Value) func(text []byte) (reflect.Value, error) {
	return func(text []byte) (reflect.Value, error) {
		return execute(request, func(call *qmp.Call) error { return call.Decode(text) })
	}
}

// decodeData decodes a text as the data of an event.
func (d *Decoders) decodeData(event string) func(text []byte) (reflect.Value, error) {
	return func(text []byte) (reflect.Value, error) {
		data, err := d.DecodeEvent(qmp.RawEvent{Name: event, Data: text})
		return reflect.ValueOf(data), err
	}
}
