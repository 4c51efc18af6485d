package fakeqemu

import (
	"context"
	"fmt"
	"sync"

	"github.com/qmpkit/qmpkit/qmp"
)

// A Fault is a way in which a command goes wrong.
type Fault string

const (
	Refused    Fault = "refused"                    // QEMU answers with an error
	CtxEnds    Fault = "context ends before"        // the context ends before the command is sent
	LostAfter  Fault = "context ends, executed"     // QEMU executes the command, and the caller does not get the answer
	LostBefore Fault = "context ends, not executed" // QEMU does not execute the command, and the caller does not know that
)

// Faults lists all faults.
var Faults = []Fault{Refused, CtxEnds, LostAfter, LostBefore}

// A Faulty is a connection on which one command goes wrong. It executes all other commands.
type Faulty struct {
	*qmp.Client
	Fault  Fault
	At     int                // the number of the command, counting from 0; see polls
	Cancel context.CancelFunc // ends the context of the tested operation
	Met    string             // the name of the command that went wrong

	mu    sync.Mutex
	count int
	last  string // the name of the last command
	polls int    // queries of jobs that follow another one: how many there are depends on time, so At does not count them
}

// Execute executes a command. If the command has the number At, it goes wrong as Fault says.
func (f *Faulty) Execute(ctx context.Context, call *qmp.Call) error {
	f.mu.Lock()
	n := f.count - f.polls
	f.count++
	poll := call.Command == "query-jobs" && f.last == call.Command
	if poll {
		f.polls++
	}
	f.last = call.Command
	wrong := n == f.At && !poll
	if wrong {
		f.Met = call.Command
	}
	f.mu.Unlock()
	if !wrong {
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

// Count returns the number of commands so far.
func (f *Faulty) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// AtEveryStep calls do several times: the first command goes wrong, then the second one, and so on until do
// has no more commands. After each fault, it calls failed with the command and with the error of do, if
// there is one. It returns the names of the commands, and the error of the last call, which has no fault.
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
