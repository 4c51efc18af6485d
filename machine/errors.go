package machine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
)

// ErrDumpFailed means that QEMU did not complete a dump. The error has QEMU's reason. The writer has got an
// incomplete dump. The machine runs again if it ran before.
var ErrDumpFailed = errors.New("dump failed")

// ErrDumping means that QEMU writes another dump at the moment, or that another [DumpMemory] has not returned. Nothing has changed.
var ErrDumping = errors.New("another dump is in progress")

// ErrDumpGoesOn means that only the wait for a dump has ended: QEMU goes on with the dump, and the machine stays paused until
// it has. [qemu.QueryDump] returns its state.
var ErrDumpGoesOn = errors.New("dump goes on")

// An HMPError reports that a command of the human monitor has failed.
type HMPError struct {
	Line   string // the command
	Output string // of the command, with QEMU's reason
}

// Error returns the command without its arguments, which may be secret, and the reason.
func (e *HMPError) Error() string {
	redacted := (&qmp.Error{Desc: reason(e.Output)}).Error() // hides secrets
	return "machine: " + nameOf(e.Line) + ": " + strings.TrimPrefix(redacted, "qmp: ")
}

// refused reports whether the server answered that a command failed.
func refused(err error) bool {
	_, ok := errors.AsType[*qmp.Error](err)
	return ok
}

// failed adds what failed to an error.
func failed(operation string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("machine: %s: %w", operation, err)
}
