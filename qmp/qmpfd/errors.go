package qmpfd

import (
	"errors"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
)

// ErrKept is matched by the error of a removal after which QEMU has descriptors left that it was
// told to close. QEMU 5.2 and 7.2 close none while the machine is stopped, 10.0 does. When it runs,
// removing again closes them.
var ErrKept = errors.New("qmpfd: QEMU keeps the descriptors while the machine is stopped")

var (
	errNoFiles  = unsent("no files", nil)
	errNoDirect = unsent("Direct", errors.ErrUnsupported)
	errNoSet    = unsent("a Set is made by AddSet", nil)
	errNoOpaque = unsent("a set needs a text by which it is found", nil)
	errNoName   = unsent("a descriptor needs a name", nil)
	errDigit    = unsent("the name of a descriptor does not begin with a digit", nil)
)

// An UndoError is the error of [AddSet] and [Send] when they failed and what they had done could
// not be undone, or not for certain: QEMU may have descriptors left, of the text or under the name
// that they were given. errors.Is and errors.As look into both of its errors.
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

// MayHaveExecuted is for [qmp.MayHaveExecuted]: there may be something left to undo, even if one of the
// two errors says of its own command that it was not sent, or refused.
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
