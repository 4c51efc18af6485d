package fakeqemu

import (
	"context"
	"fmt"
	"sync"

	"github.com/qmpkit/qmpkit/qmp"
)

// Fault is a way in which a command goes wrong.
type Fault string

const (
	Refused    Fault = "refused"                    // the answer is that it failed
	CtxEnds    Fault = "context ends before"        // the caller has given up already
	LostAfter  Fault = "context ends, executed"     // the caller does not learn how it ended
	LostBefore Fault = "context ends, not executed" // nor whether it did
)

// Faults are all of them.
var Faults = []Fault{Refused, CtxEnds, LostAfter, LostBefore}

// Faulty is a connection on which a command goes wrong. Those after it are executed, as they are
// on one that outlives a command.
type Faulty struct {
	*qmp.Client
	Fault  Fault
	At     int                // the number of the command, counting from 0
	Cancel context.CancelFunc // of the context of what is tested
	Met    string             // the command, once it was met

	mu    sync.Mutex
	count int
}

// Execute executes a command, unless it is the one.
func (f *Faulty) Execute(ctx context.Context, call *qmp.Call) error {
	f.mu.Lock()
	n := f.count
	f.count++
	if n == f.At {
		f.Met = call.Command
	}
	f.mu.Unlock()
	if n != f.At {
		return f.Client.Execute(ctx, call)
	}
	switch f.Fault {
	case Refused:
		return &qmp.Error{Command: call.Command, Class: qmp.ErrGeneric, Desc: "injected"}
	case CtxEnds:
		f.Cancel()
		return f.Client.Execute(ctx, call)
	case LostAfter:
		_ = f.Client.Execute(ctx, call) // as if the answer came too late
	}
	f.Cancel()
	return fmt.Errorf("%w: %w", qmp.ErrOutcomeUnknown, context.Canceled)
}

// AtEveryStep lets the first command of do go wrong, then its second, and so on until there is
// none at the place. After each, failed is called with the command and with do's error, if there
// is one. AtEveryStep returns the commands, and the error of the last time, without a fault.
func AtEveryStep(ctx context.Context, c *qmp.Client, fault Fault,
	do func(ctx context.Context, conn *Faulty) error, failed func(command string, err error)) (met []string, err error) {
	for at := 0; ; at++ {
		ctx, cancel := context.WithCancel(ctx)
		f := &Faulty{Client: c, Fault: fault, At: at, Cancel: cancel}
		err := do(ctx, f)
		cancel()
		if f.Met == "" {
			return met, err
		}
		met = append(met, f.Met)
		failed(f.Met, err)
	}
}
