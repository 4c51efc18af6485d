package guestagent

import (
	"errors"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ErrUnavailable means that the agent does not have the command: it is too old, or built for another operating
// system. The error also matches [errors.ErrUnsupported].
var ErrUnavailable = errors.New("guest agent does not have the command")

// ErrDisabled means that the agent has the command, and that its configuration in the guest disables it. Some
// distributions disable guest-exec and the commands for files.
var ErrDisabled = errors.New("configuration of the guest agent disables the command")

// ErrFrozen means that file systems of the guest are frozen: the agent executes almost no commands until they are
// thawed. [Agent.Thaw] thaws them.
var ErrFrozen = errors.New("file systems of the guest are frozen")

// ErrAgentGone means that the agent or its channel ended while it executed the command, or before: it was restarted,
// the guest was reset or suspended, or QEMU has ended. If the error also matches [qmp.ErrNotSent], the agent has not
// executed the command. If it matches [qmp.ErrOutcomeUnknown], the outcome is unknown.
var ErrAgentGone = errors.New("guest agent is gone")

// ErrVMEnded means that QEMU has ended or that the guest has shut down. It matches ErrAgentGone.
var ErrVMEnded error = &kindError{kind: ErrAgentGone, err: errors.New("virtual machine has ended")}

// ErrNotFound means that the guest does not have the program, or cannot execute it.
var ErrNotFound = errors.New("guest does not have the program, or cannot execute it")

// ErrTruncated means that a program wrote more to its output than the agent keeps, 16 MiB for each stream. The Result
// has the beginning.
var ErrTruncated = errors.New("output is longer than 16 MiB, and the rest is lost")

// ErrNoProcess means that the agent does not know the process: the agent was restarted, or another client has taken
// the result.
var ErrNoProcess = errors.New("guest agent does not know the process")

// ErrNotAllFrozen means that a freeze has frozen fewer file systems than it should: none at all, or not each of
// [FreezeOptions.Mountpoints].
var ErrNotAllFrozen = errors.New("not all file systems were frozen")

// ErrThawedEarly means that file systems were thawed before the end of the freeze, by another client or in the guest.
// A snapshot that was taken in this time may be inconsistent.
var ErrThawedEarly = errors.New("file systems were thawed before the end of the freeze")

// ErrFreezeLimit means that the function of [Agent.WhileFrozen] had not returned when its time was over. The file
// systems were thawed at that moment.
var ErrFreezeLimit = errors.New("time limit of the freeze has passed")

// A kindError is an error of a certain kind. A refusal with the class CommandNotFound matches
// [errors.ErrUnsupported] only if the agent lacks the command.
type kindError struct {
	kind error
	err  error
}

func (e *kindError) Error() string {
	if e.kind == ErrAgentGone && errors.Is(e.err, ErrAgentGone) || e == ErrVMEnded {
		return text(e.err)
	}
	return e.kind.Error() + ": " + text(e.err)
}

func (e *kindError) Is(target error) bool {
	if target == error(e) || errors.Is(e.kind, target) {
		return true
	}
	switch target {
	case errors.ErrUnsupported, qmp.ErrCommandNotFound:
		return e.kind == ErrUnavailable
	}
	return errors.Is(e.err, target)
}

func (e *kindError) As(target any) bool { return errors.As(e.err, target) }

// text returns the text of an error behind another text.
func text(err error) string { return strings.TrimPrefix(err.Error(), "guestagent: ") }

// fail introduces the error of an operation.
func fail(operation, object string, err error) error {
	switch {
	case err == nil:
		return nil
	case object == "":
		return fmt.Errorf("guestagent: %s: %w", operation, err)
	}
	return fmt.Errorf("guestagent: %s %q: %w", operation, object, err)
}

// notSent is the error of a command that was not sent, for a reason.
func notSent(command string, reason error) error {
	return &unsentError{command, reason}
}

type unsentError struct {
	command string
	reason  error
}

func (e *unsentError) Error() string   { return e.command + " was not sent: " + text(e.reason) }
func (e *unsentError) Unwrap() []error { return []error{qmp.ErrNotSent, e.reason} }

// An ExitError reports that a program ended with a status other than 0, or by a signal.
type ExitError struct {
	Path     string
	ExitCode int    // -1 after a signal
	Signal   int    // 0 without a signal
	Stderr   []byte // what the program has written to its standard error, if it was captured
}

// Error gives the status, and the beginning of Stderr.
func (e *ExitError) Error() string {
	s := fmt.Sprintf("exit status %d", e.ExitCode)
	if e.Signal != 0 {
		s = fmt.Sprintf("killed by signal %d", e.Signal)
	}
	const most = 200
	said := strings.TrimSpace(string(e.Stderr[:min(most, len(e.Stderr))]))
	if said != "" {
		s += fmt.Sprintf(": %q", said)
	}
	return s
}

// A StillRunningError reports that a program may still run in the guest. Pass PID to [Agent.Process] to wait for the
// program or to kill it.
type StillRunningError struct {
	PID int64
	Err error
}

// Error names the process.
func (e *StillRunningError) Error() string {
	return fmt.Sprintf("process %d may still run in the guest: %s", e.PID, text(e.Err))
}

// Unwrap returns Err.
func (e *StillRunningError) Unwrap() error { return e.Err }

// MayHaveExecuted returns true: the program has begun.
func (e *StillRunningError) MayHaveExecuted() bool { return true }

// A ThawError reports that file systems of the guest may still be frozen. Call [Agent.Thaw].
type ThawError struct{ Err error }

// Error says that file systems may be frozen.
func (e *ThawError) Error() string {
	return "file systems of the guest may still be frozen: " + text(e.Err)
}

// Unwrap returns Err.
func (e *ThawError) Unwrap() error { return e.Err }

// MayHaveExecuted returns true: the freeze has begun.
func (e *ThawError) MayHaveExecuted() bool { return true }

// A NotReadyError reports that no agent has answered. The fields except Err need [Options.VM], and PortOpened also
// needs Port.
type NotReadyError struct {
	PortOpened bool          // a program in the guest has opened the port
	RunState   qemu.RunState // of the machine, if QEMU has reported it
	Known      bool          // QEMU has reported the state of the port
	Err        error
}

// Error says what is known about the machine.
func (e *NotReadyError) Error() string {
	s := "guest agent is not ready: "
	switch {
	case e.RunState != "" && e.RunState != qemu.RunStateRunning:
		s += "machine does not run (" + string(e.RunState) + "): "
	case e.Known && e.PortOpened:
		s += "a program in the guest has opened the port and does not answer: "
	case e.Known:
		s += "no program in the guest has opened the port: "
	}
	return s + text(e.Err)
}

// Unwrap returns Err.
func (e *NotReadyError) Unwrap() error { return e.Err }
