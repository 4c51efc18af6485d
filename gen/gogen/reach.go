package gogen

import "github.com/qmpkit/qmpkit/qapi"

// reach says which types a program sends and which it receives: the ones reached from the
// arguments of commands, and from results and event data.
type reach struct{ sent, received qapi.Reach }

func reached(schema *qapi.Schema) *reach {
	r := &reach{qapi.Reach{}, qapi.Reach{}}
	for _, c := range schema.Commands() {
		r.sent.Add(c.Arg)
		r.received.Add(c.Returns)
	}
	for _, e := range schema.Events() {
		r.received.Add(e.Arg)
	}
	return r
}

func (r *reach) codec(t qapi.Type) codec {
	return codec{sent: r.sent[t], received: r.received[t]}
}
