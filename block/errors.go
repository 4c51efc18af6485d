package block

import (
	"errors"
	"fmt"
	"strings"
)

// ErrBusy means that jobs run on the disk, or have ended and were not dismissed. The error is a [*BusyError]. The
// operation has changed nothing.
var ErrBusy = errors.New("jobs run on the disk")

// ErrNotEmpty means that the file for a new image has content. The operation has changed nothing.
var ErrNotEmpty = errors.New("file is not empty")

// ErrSize means that an image does not have the size of the disk. The operation has changed nothing.
var ErrSize = errors.New("size differs from the disk's")

// ErrNoDisk means that there is no device with the ID, that it is not a disk, or that it has no medium. The operation
// has changed nothing.
var ErrNoDisk = errors.New("no such disk")

// ErrNoLayer means that a node is not a layer of the disk, or that no layer is below it. The operation has changed nothing.
var ErrNoLayer = errors.New("no such layer")

// ErrNoSnapshot means that a disk has no internal snapshot with the name. The operation has changed nothing.
var ErrNoSnapshot = errors.New("no such snapshot")

// A BusyError names the jobs of a disk. It matches [ErrBusy].
type BusyError struct{ Jobs []string }

// Error names the jobs.
func (e *BusyError) Error() string { return fmt.Sprintf("%v: %s", ErrBusy, strings.Join(e.Jobs, ", ")) }

// Is reports whether target is ErrBusy.
func (e *BusyError) Is(target error) bool { return target == ErrBusy }

// because returns an error that matches err and has another text.
func because(err error, format string, args ...any) error {
	return &reason{fmt.Sprintf(format, args...), err}
}

type reason struct {
	text string
	err  error
}

func (e *reason) Error() string { return e.text }
func (e *reason) Unwrap() error { return e.err }
