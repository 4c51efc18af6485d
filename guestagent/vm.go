package guestagent

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// lookInterval is how often a command that waits looks at the port: the event may have come before the command.
const lookInterval = time.Second

// WaitReady waits until the agent answers: the guest has booted, and the agent runs. One request waits in the channel,
// so WaitReady does not have to be called again; it connects again if the connection ends and [Options.Redial] is
// set. Give ctx a deadline.
//
// It returns a [*NotReadyError] that matches:
//   - the error of ctx: ctx ended first.
//   - [ErrVMEnded]: QEMU has ended or the guest has shut down. This needs [Options.VM].
//   - [ErrAgentGone]: the connection has ended, and Options.Redial is nil.
//
// Source: guest-ping; qom-get, query-chardev, query-status, VSERPORT_CHANGE, SHUTDOWN.
func (a *Agent) WaitReady(ctx context.Context) error {
	var opened atomic.Bool
	watched, stop := a.watchPort(ctx, false, &opened)
	defer stop()
	for {
		err := guest.GuestPing{}.Do(watched, unwatched{a})
		if err == nil || refused(err) { // an agent that refuses runs
			return nil
		}
		err = a.because(ctx, watched, err)
		if watched.Err() == nil && a.opts.Redial != nil && !a.isClosed() && !errors.Is(err, ErrVMEnded) {
			_ = pause(watched, readyPause)
			continue
		}
		return fail("wait", "", a.notReady(ctx, opened.Load(), err))
	}
}

// unwatched executes commands without a watch of the machine.
type unwatched struct{ agent *Agent }

func (u unwatched) Execute(ctx context.Context, call *qmp.Call) error {
	return u.agent.execute(ctx, call)
}

// refused reports whether the agent has answered that a command failed.
func refused(err error) bool {
	_, ok := errors.AsType[*qmp.Error](err)
	return ok
}

// notReady makes the error of an agent that does not answer.
func (a *Agent) notReady(ctx context.Context, opened bool, err error) error {
	e := &NotReadyError{PortOpened: opened, Known: opened, Err: err}
	if a.opts.VM == nil || errors.Is(err, ErrVMEnded) {
		return e
	}
	ctx, cancel := wait.Detach(ctx, lookInterval)
	defer cancel()
	if status, err := (qemu.QueryStatus{}).Do(ctx, a.opts.VM); err == nil {
		e.RunState = status.Status
	}
	if open, known := a.portOpen(ctx); known {
		e.Known, e.PortOpened = true, e.PortOpened || open
	}
	return e
}

// portOpen reports whether a program in the guest has the port open. known is false if QEMU does not report it.
func (a *Agent) portOpen(ctx context.Context) (open, known bool) {
	if a.opts.Port == "" {
		return false, false
	}
	value, err := qemu.QOMGet{Path: "/machine/peripheral/" + a.opts.Port, Property: "chardev"}.Do(ctx, a.opts.VM)
	if err != nil {
		return false, false
	}
	label, err := strconv.Unquote(string(value))
	if err != nil {
		return false, false
	}
	all, err := qemu.QueryChardev{}.Do(ctx, a.opts.VM)
	if err != nil {
		return false, false
	}
	for _, c := range all {
		if c.Label == label {
			return c.FrontendOpen, true
		}
	}
	return false, false
}

// watch returns a context that ends when the machine or the agent ends.
func (a *Agent) watch(ctx context.Context, agent bool) (watched context.Context, stop func()) {
	return a.watchPort(ctx, agent, new(atomic.Bool))
}

// watchPort is watch, which also sets opened when a program opens the port. Without agent, the end of the agent does not
// end the context.
func (a *Agent) watchPort(ctx context.Context, agent bool, opened *atomic.Bool) (watched context.Context, stop func()) {
	if a.opts.VM == nil {
		return ctx, func() {}
	}
	watched, cancel := context.WithCancelCause(ctx)
	events := a.opts.VM.Events(qemu.EventShutdown, qemu.EventVserportChange)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for watched.Err() == nil {
			switch reason := a.next(watched, events, opened); {
			case reason == errStopWatch:
				return
			case reason == ErrVMEnded, reason != nil && agent:
				cancel(reason)
			}
		}
	}()
	return watched, func() {
		cancel(nil)
		<-done
		_ = events.Close() // returns nil
	}
}

// because adds to an error that the machine or the agent has ended. The connection can end before the watch notices.
func (a *Agent) because(ctx, watched context.Context, err error) error {
	if err == nil || refused(err) || a.opts.VM == nil || errors.Is(err, ErrVMEnded) || ctx.Err() != nil {
		return err
	}
	if _, notEncoded := errors.AsType[*qmp.EncodeError](err); notEncoded {
		return err
	}
	_ = pause(watched, readyPause) // QEMU closes the channel and the monitor one after the other
	reason := context.Cause(watched)
	if over := ended(a.opts.VM); over != nil && !errors.Is(over, qmp.ErrClosed) && a.disconnected() {
		reason = ErrVMEnded
	}
	if reason == nil || errors.Is(err, reason) {
		return err
	}
	return &kindError{reason, err}
}

// errStopWatch is the reason if nothing can be learned from the monitor any more. The guest can run without it.
var errStopWatch = errors.New("monitor is closed")

// errPortClosed is the reason if the agent has closed its port.
var errPortClosed error = &kindError{ErrAgentGone, errors.New("it has closed its port")}

// next waits for an event, for a while. It returns why the agent has ended, or nil.
func (a *Agent) next(ctx context.Context, events qmp.EventStream, opened *atomic.Bool) error {
	short, cancel := context.WithTimeout(ctx, lookInterval)
	defer cancel()
	event, err := events.Next(short)
	switch {
	case err == nil && event.Name == qemu.EventShutdown:
		return ErrVMEnded
	case err == nil:
		change, ok, err := qmp.EventAs[qemu.VserportChangeEvent](event)
		if !ok || err != nil || change.ID != a.opts.Port {
			return nil
		}
		if change.Open {
			opened.Store(true)
			return nil
		}
		return errPortClosed
	case ctx.Err() != nil, errors.Is(err, qmp.ErrEventsLost):
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		if open, known := a.portOpen(ctx); known && !open {
			return errPortClosed
		} else if known {
			opened.Store(true)
		}
		return nil
	}
	return errStopWatch // if QEMU has ended, the channel ends too
}
