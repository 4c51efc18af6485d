package qmpfd

import (
	"errors"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
)

// ErrKept means that QEMU has not closed the descriptors of a set that [Set.Remove] or [RemoveSets] removed.
// QEMU 5.2 and 7.2 keep them open while the machine is stopped; QEMU 10.0 closes them. Remove the set again
// when the machine runs.
var ErrKept = errors.New("qmpfd: QEMU keeps the descriptors while the machine is stopped")

var (
	errNoFiles  = unsent("no files", nil)
	errNoDirect = unsent("this platform has no O_DIRECT", errors.ErrUnsupported)
	errNoSet    = unsent("the Set was not made by AddSet", nil)
	errNoOpaque = unsent("the opaque text is empty", nil)
	errNoName   = unsent("the descriptor's name is empty", nil)
	errDigit    = unsent("the descriptor's name begins with a digit", nil)
)

// An UndoError is the error of AddSet and Send if they failed and could not undo their work with certainty.
// QEMU may still have the descriptors, with the opaque text or under the name. errors.Is and errors.As look
// into both errors.
type UndoError struct {
	Err  error // why it failed
	Undo error // why it could not be undone
}

// Error returns both errors in one line.
func (e *UndoError) Error() string {
	return e.Err.Error() + "; it could not be undone: " + e.Undo.Error()
}

// Unwrap returns both errors.
func (e *UndoError) Unwrap() []error { return []error{e.Err, e.Undo} }

// MayHaveExecuted is for [qmp.MayHaveExecuted]. It returns true, even if one of the two errors says that its own
// command was not sent or was refused.
func (e *UndoError) MayHaveExecuted() bool { return true }

// An unsentError is an error before which nothing was sent.
type unsentError struct {
	text  string
	cause error // may be nil
}

func unsent(what string, cause error) error {
	if cause != nil {
		what += ": " + strings.TrimPrefix(cause.Error(), "qmpfd: ")
	}
	return &unsentError{"qmpfd: " + what, cause}
}

func (e *unsentError) Error() string { return e.text }

func (e *unsentError) Unwrap() []error {
	if e.cause == nil {
		return []error{qmp.ErrNotSent}
	}
	return []error{qmp.ErrNotSent, e.cause}
}
