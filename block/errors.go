package block

import (
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/hotplug"
)

// ErrBusy means that the disk has jobs. They run, or have ended and were not dismissed. The error is a [*BusyError], or
// matches [ErrFrozen]. The operation has changed nothing.
var ErrBusy = hotplug.ErrBusy

// A BusyError names the jobs of a disk. It matches [ErrBusy].
type BusyError = hotplug.BusyError

// ErrFrozen means that a backup or a frozen view of the disk is open. If its process has ended, call [VM.AbortBackups]. The
// error also matches [ErrBusy]. The operation has changed nothing.
var ErrFrozen = because(ErrBusy, "a backup or a frozen view of the disk is open; AbortBackups ends it")

// ErrNotEmpty means that the file for a new image has content. The operation has changed nothing.
var ErrNotEmpty = errors.New("file is not empty")

// ErrSize means that an image does not have the size of the disk. The operation has changed nothing.
var ErrSize = errors.New("size differs from the disk's")

// ErrNoDisk means that there is no device with the ID, that it is not a disk, or that it has no medium. The operation
// has changed nothing.
var ErrNoDisk = errors.New("no such disk")

// ErrNoBitmap means that the disk has no bitmap with the name. The operation has changed nothing.
var ErrNoBitmap = errors.New("no such bitmap")

// ErrInconsistent means that a bitmap cannot be used, because the QEMU that wrote it was killed. It can only be
// removed. The operation has changed nothing.
var ErrInconsistent = errors.New("bitmap is inconsistent")

// ErrBitmapBusy means that a job or an export uses a bitmap. The operation has changed nothing.
var ErrBitmapBusy = errors.New("bitmap is in use")

// ErrHasBitmaps means that a disk has bitmaps, which would not record a change of the disk. The next increments would be
// wrong. The operation has changed nothing.
var ErrHasBitmaps = hotplug.ErrHasBitmaps

// ErrEncrypted means that the image of a disk is encrypted, and its overlay would not be. The operation has changed nothing.
var ErrEncrypted = errors.New("image is encrypted")

// ErrNeedFull means that a disk needs a full backup before the next increment. If its bitmap is missing, the error also
// matches [ErrNoBitmap], and if it is inconsistent, [ErrInconsistent]. Otherwise the bitmap is disabled. The operation has
// changed nothing.
var ErrNeedFull = errors.New("take a full backup first")

// ErrBitmapsUnknown means that a backup is complete, but QEMU did not answer when its bitmaps were updated. Keep the
// backup: the next increment follows it, and may need it.
var ErrBitmapsUnknown = errors.New("backup is complete, state of its bitmaps unknown")

// ErrNoView means that no frozen view of the disks is open. It was closed, or QEMU was restarted.
var ErrNoView = errors.New("no frozen view is open")

// A needFullError is why an increment is impossible.
type needFullError struct{ reason error }

func (e *needFullError) Error() string   { return fmt.Sprintf("%v: %v", e.reason, ErrNeedFull) }
func (e *needFullError) Unwrap() []error { return []error{ErrNeedFull, e.reason} }

// ErrNoLayer means that a node is not a layer of the disk, or that no layer is below it. The operation has changed nothing.
var ErrNoLayer = errors.New("no such layer")

// ErrNoFileName means that the header of an image needs the name of the image below it, and neither the caller nor QEMU
// knows the name, or QEMU knows it relative to its own working directory. The operation has changed nothing.
var ErrNoFileName = errors.New("name of an image's file is not known")

// ErrNoSnapshot means that a disk has no internal snapshot with the name. The operation has changed nothing.
var ErrNoSnapshot = errors.New("no such snapshot")

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
