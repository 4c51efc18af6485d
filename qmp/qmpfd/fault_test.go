package qmpfd_test

import (
	"context"
	"errors"
	"fmt"

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

// A faulty executor makes the command with the number at, counting from 0, go wrong. Those after
// it are executed.
type faulty struct {
	qmp.Executor
	fault  fault
	at     int
	cancel context.CancelFunc // of the context of what is tested

	count int
	met   string // the command that went wrong
}

func (f *faulty) Execute(ctx context.Context, call *qmp.Call) error {
	n := f.count
	f.count++
	if n != f.at {
		return f.Executor.Execute(ctx, call)
	}
	f.met = call.Command
	lost := fmt.Errorf("%w: %w", qmp.ErrOutcomeUnknown, context.Canceled)
	switch f.fault {
	case isRefused:
		return &qmp.Error{Command: call.Command, Class: qmp.ErrGeneric, Desc: "injected"}
	case ctxEnds:
		f.cancel()
		return f.Executor.Execute(ctx, call)
	case lostAfter:
		if err := f.Executor.Execute(ctx, call); err != nil {
			return err
		}
	}
	f.cancel()
	return lost
}

// atEveryStep lets do's first command go wrong, its second, and so on until there is none at the
// place. It returns the commands; check is called after each, with do's error.
func atEveryStep(ctx context.Context, x qmp.Executor, fault fault,
	do func(ctx context.Context, x qmp.Executor) error, check func(command string, err error)) (met []string, err error) {
	for at := 0; ; at++ {
		ctx, cancel := context.WithCancel(ctx)
		f := &faulty{Executor: x, fault: fault, at: at, cancel: cancel}
		err := do(ctx, f)
		cancel()
		if f.met == "" {
			return met, err
		}
		met = append(met, f.met)
		if err == nil {
			return met, errors.New("no error: " + f.met)
		}
		check(f.met, err)
	}
}
