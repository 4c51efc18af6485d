package qmplibvirt

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/internal/libvirt"
	"github.com/qmpkit/qmpkit/qmp"
)

// ErrStopped means that this run of the machine has ended. The error is a [*StoppedError], except that of
// [Conn.Domain].
var ErrStopped = errors.New("qmplibvirt: machine does not run")

// ErrUntracked means that a command was not sent because libvirt would not notice what it changes; see
// [Domain.AllowUntracked]. The error also matches [qmp.ErrNotSent].
var ErrUntracked = errors.New("libvirt would not notice this change, and could not restore or migrate the machine (see AllowUntracked)")

// ErrProtocol means that the daemon sent something that is not libvirt's protocol. The connection ends.
var ErrProtocol = errors.New("the daemon broke libvirt's protocol")

// errClosed is the error of a Conn after Close.
var errClosed = &wrappedError{"qmplibvirt: the connection is closed", qmp.ErrClosed}

// A StoppedError reports how a machine has ended. It matches [ErrStopped].
type StoppedError struct {
	Name   string // of the machine
	Detail StopDetail
}

// Error names the machine and says how it has ended.
func (e *StoppedError) Error() string {
	return "qmplibvirt: machine " + strconv.Quote(e.Name) + " has stopped: " + e.Detail.String()
}

// Is reports whether target is [ErrStopped].
func (e *StoppedError) Is(target error) bool { return target == ErrStopped }

// A StopDetail says how a machine has ended. Newer daemons may have further values. After quit, it is StoppedShutdown or, if
// libvirt loses the monitor before it sees QEMU's last event, StoppedFailed.
type StopDetail int

// The ways in which a machine ends.
const (
	StoppedShutdown     StopDetail = iota // the guest shut down, or QEMU got quit or a signal
	StoppedDestroyed                      // libvirt killed QEMU because a client asked for it
	StoppedCrashed                        // QEMU ended unexpectedly
	StoppedMigrated                       // the machine runs on another host
	StoppedSaved                          // the machine was saved to a file
	StoppedFailed                         // libvirt could not go on with the machine
	StoppedFromSnapshot                   // the machine was reverted to a snapshot
)

var stopDetails = [...]string{"shut down", "destroyed", "crashed", "migrated", "saved", "failed", "reverted to a snapshot"}

// String returns the detail in words.
func (d StopDetail) String() string {
	if d >= 0 && int(d) < len(stopDetails) {
		return stopDetails[d]
	}
	return "detail " + strconv.Itoa(int(d))
}

// An Error is an error of libvirt itself. QEMU's answers are [*qmp.Error]. It matches [os.ErrPermission] if the
// daemon refused the login, or if the connection is read-only or lacks the permission, [errors.ErrUnsupported] if libvirt lacks the function or the machine
// has no channel for a guest agent, and [os.ErrNotExist] if there is no such machine.
type Error struct {
	Code    int    // libvirt's number (virErrorNumber)
	Message string // for people
}

// Error returns the message and the number. A message can contain filenames, so Error hides secrets in it like
// [qmp.Redact].
func (e *Error) Error() string {
	text := (&qmp.Error{Class: qmp.ErrGeneric, Desc: e.Message}).Error() // which hides secrets
	return "libvirt: " + strings.TrimPrefix(text, "qmp: ") + " (code " + strconv.Itoa(e.Code) + ")"
}

// The numbers of libvirt's errors by which this package decides.
const (
	codeNoSupport       = 3
	codeInvalidArg      = 8
	codeOperationFailed = 9
	codeOperationDenied = 29
	codeSystemError     = 38
	codeRPC             = 39 // an unknown procedure, or a message that is too long
	codeNoDomain        = 42
	codeAuthFailed      = 45
	codeNotRunning      = 55
	codeLockTimeout     = 68
	codeNoAgentChannel  = 74
	codeAuthCancelled   = 79
	codeAccessDenied    = 88
	codeAuthUnavailable = 94
	codeAgentRefused    = 113
)

// Unwrap returns the general error that belongs to the number, or nil.
func (e *Error) Unwrap() error {
	switch e.Code {
	case codeOperationDenied, codeAccessDenied, codeAuthFailed, codeAuthCancelled, codeAuthUnavailable:
		return os.ErrPermission
	case codeNoSupport, codeNoAgentChannel:
		return errors.ErrUnsupported
	case codeNoDomain:
		return os.ErrNotExist
	}
	return nil
}

// notSent reports whether libvirt reports this error before it sends a command to QEMU or the agent. Every other
// number may come after that, too: 9 is a full queue, and also a machine that has ended while the command was executed.
func (e *Error) notSent() bool {
	switch e.Code {
	case codeNoDomain, codeNotRunning, codeLockTimeout, codeOperationDenied, codeAccessDenied, codeNoSupport,
		codeInvalidArg, codeNoAgentChannel:
		return true
	}
	return false
}

// monitorLost reports whether libvirt reports this error when QEMU ends while it executes a command.
func (e *Error) monitorLost() bool { return e.Code == codeOperationFailed || e.Code == codeSystemError }

// newError reads the body of a failed reply.
func newError(body []byte) error {
	var e libvirt.Error
	if err := libvirt.Decode(body, &e); err != nil {
		return broken("error", err)
	}
	text := "no message"
	if e.Message != nil {
		text = *e.Message
	}
	return &Error{int(e.Code), text}
}

// broken is the error of something that the daemon should not have sent.
func broken(what string, reason error) error {
	return &wrappedError{"qmplibvirt: " + ErrProtocol.Error() + ": " + what + ": " + reason.Error(), errors.Join(ErrProtocol, reason)}
}

// A wrappedError is an error with another text.
type wrappedError struct {
	text string
	err  error
}

func (e *wrappedError) Error() string { return e.text }
func (e *wrappedError) Unwrap() error { return e.err }

// because puts a text before an error.
func because(text string, err error) error {
	return &wrappedError{text + ": " + strings.TrimPrefix(err.Error(), "qmplibvirt: "), err}
}
