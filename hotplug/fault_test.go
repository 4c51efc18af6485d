package hotplug_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
)

// A fault is a way in which a command goes wrong.
type fault string

const (
	isRefused  fault = "refused"                    // QEMU answers that it failed
	ctxEnds    fault = "context ends before"        // the caller has given up already
	lostAfter  fault = "context ends, executed"     // QEMU executes it, the caller does not learn of it
	lostBefore fault = "context ends, not executed" // QEMU will not, and the caller does not know
)

var faults = []fault{isRefused, ctxEnds, lostAfter, lostBefore}

// A faulty connection makes the command with the number at, counting from 0, go wrong. Those
// after it are executed, as they are on a connection that outlives a command.
type faulty struct {
	hotplug.Conn
	fault  fault
	at     int
	cancel context.CancelFunc // of the context of the operation

	count int
	met   string // the command that went wrong
}

func (f *faulty) Execute(ctx context.Context, call *qmp.Call) error {
	n := f.count
	f.count++
	if n != f.at {
		return f.Conn.Execute(ctx, call)
	}
	f.met = call.Command
	lost := fmt.Errorf("%w: %w", qmp.ErrOutcomeUnknown, context.Canceled)
	switch f.fault {
	case isRefused:
		return &qmp.Error{Command: call.Command, Class: qmp.ErrGeneric, Desc: "injected"}
	case ctxEnds:
		f.cancel()
		return f.Conn.Execute(ctx, call)
	case lostAfter:
		err := f.Conn.Execute(ctx, call)
		f.cancel()
		return errors.Join(lost, err)
	default:
		f.cancel()
		return lost
	}
}
