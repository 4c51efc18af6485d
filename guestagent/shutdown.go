package guestagent

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A ShutdownMode is how a guest shuts down.
type ShutdownMode string

// The modes of the agent.
const (
	PowerDown ShutdownMode = "powerdown"
	Halt      ShutdownMode = "halt"
	Reboot    ShutdownMode = "reboot"
)

// Shutdown makes the guest shut down, and waits until it has. It returns nil when QEMU reports the end of the guest, or
// when QEMU has ended, which closes both the monitor and the channel. A guest that halts only closes the port, and Shutdown
// returns nil when it has. Give ctx a deadline.
//
// Without [Options.VM], Shutdown returns nil when the channel is closed, which QEMU does when it ends. So Halt and Reboot
// need Options.VM, and Halt needs [Options.Port].
//
// The error matches:
//   - [*qmp.Error]: the agent cannot shut down the guest.
//   - the error of ctx and [qmp.ErrOutcomeUnknown]: ctx ended first. The guest may still shut down.
//   - the errors of [Agent.Execute].
//
// Source: guest-shutdown; SHUTDOWN, RESET, VSERPORT_CHANGE.
func (a *Agent) Shutdown(ctx context.Context, mode ShutdownMode) error {
	return fail("shut down", string(mode), a.shutdown(ctx, mode))
}

var errNeedsVM = errors.New("Options.VM is needed to see that the guest halts or reboots, and Options.Port to see that it halts")

func (a *Agent) shutdown(ctx context.Context, mode ShutdownMode) error {
	if mode == Reboot && a.opts.VM == nil || mode == Halt && (a.opts.VM == nil || a.opts.Port == "") {
		return notSent("guest-shutdown", errNeedsVM)
	}
	// The command has no reply. If its context ended by a deadline, it would succeed.
	waiting, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	defer context.AfterFunc(ctx, func() { end(wait.Err(ctx)) })()
	done := make(chan struct{})
	if a.opts.VM == nil {
		close(done)
	} else {
		events := a.opts.VM.Events(qemu.EventShutdown, qemu.EventReset, qemu.EventVserportChange)
		go func() {
			defer close(done)
			if reason := a.awaitEnd(waiting, events, mode); reason != nil {
				end(reason)
			}
		}()
		defer func() {
			end(nil)
			<-done
			_ = events.Close() // returns nil
		}()
	}
	err := guest.GuestShutdown{Mode: new(string(mode))}.Do(waiting, unwatched{a})
	if err == nil { // the channel has ended; QEMU may go on
		if <-done; ctx.Err() != nil && !errors.Is(context.Cause(waiting), errGuestEnded) {
			err = fmt.Errorf("%w: %w", qmp.ErrOutcomeUnknown, wait.Err(ctx))
		}
	}
	err = a.because(ctx, waiting, err)
	if errors.Is(err, errGuestEnded) || errors.Is(err, ErrVMEnded) {
		return nil
	}
	return err
}

// errGuestEnded is why the wait for an error of guest-shutdown ends if the guest has shut down.
var errGuestEnded = errors.New("guest has shut down")

// awaitEnd waits for the event by which a mode shows. It returns nil if ctx or the monitor ends first.
func (a *Agent) awaitEnd(ctx context.Context, events qmp.EventStream, mode ShutdownMode) error {
	for {
		event, err := events.Next(ctx)
		switch {
		case errors.Is(err, qmp.ErrEventsLost):
		case err != nil: // if QEMU has ended, the channel ends too
			return nil
		case event.Name == qemu.EventShutdown, event.Name == qemu.EventReset && mode == Reboot:
			return errGuestEnded
		case mode == Halt:
			change, ok, err := qmp.EventAs[qemu.VserportChangeEvent](event)
			if ok && err == nil && change.ID == a.opts.Port && !change.Open {
				return errGuestEnded
			}
		}
	}
}
