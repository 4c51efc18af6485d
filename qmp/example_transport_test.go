package qmp_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A tunnel is a transport: it carries whole QMP messages to a QEMU, here to a function. It executes commands and has the
// events of its EventHub, so it is a qmp.Conn.
type tunnel struct {
	qmp.EventHub
	server qmp.Server

	// exchange sends a request and returns the reply. sent reports whether the request may have arrived.
	exchange func(ctx context.Context, request []byte) (reply []byte, sent bool, err error)
}

func (t *tunnel) Server() *qmp.Server { return &t.server }

func (t *tunnel) Execute(ctx context.Context, call *qmp.Call) error {
	if len(call.Files) > 0 {
		return qmp.NotSent(call.Command, errors.ErrUnsupported)
	}
	request, err := call.AppendRequest(nil)
	if err != nil {
		return err
	}
	reply, sent, err := t.exchange(ctx, request)
	switch {
	case err == nil:
		return call.DecodeReply(reply)
	case sent:
		return qmp.OutcomeUnknown(call.Command, err)
	}
	return qmp.NotSent(call.Command, err)
}

// A transport of your own needs a few lines for a command, and an EventHub for events.
func Example_transport() {
	t := new(tunnel)
	t.exchange = func(_ context.Context, request []byte) ([]byte, bool, error) {
		fmt.Printf("%s\n", request)
		t.Publish(qmp.RawEvent{Name: "STOP"})
		return []byte(`{"return": {}}`), true, nil
	}
	stops := qmp.Subscribe[qemu.StopEvent](t)
	if err := (qemu.Stop{}).Do(context.Background(), t); err != nil {
		fmt.Println(err)
	}
	for _, err := range stops.Queued() {
		fmt.Println("stopped", err)
	}
	t.End(errors.New("the tunnel has ended"))
	_, err := stops.Next(context.Background())
	fmt.Println(err)
	// Output:
	// {"execute":"stop"}
	// stopped <nil>
	// the tunnel has ended
}
