package qmpfd

import (
	"context"
	"errors"
	"os"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Send gives QEMU a descriptor under a name (getfd), for commands that take such a name: netdev_add, a
// migration to "fd:NAME", a character device. The names belong to the monitor, not to the connection: the next
// client finds them. If the name exists, QEMU closes its descriptor and replaces it. A command
// that uses a descriptor removes its name. [Close] closes an unused descriptor. The file remains the caller's.
//
// If QEMU does not answer, for example because ctx ends, Send closes the name in QEMU, in 15 seconds at most,
// even if the name existed before. The error matches:
//   - [qmp.ErrNotSent]: the name is empty or begins with a digit, or the file is open with O_PATH.
//   - [*UndoError]: QEMU did not answer, and closing the name failed, too.
func Send(ctx context.Context, x qmp.Executor, name string, f *os.File) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := checkSendable(f); err != nil {
		return err
	}
	err := qemu.GetFD{FDName: name}.Do(ctx, x, qmp.WithFile(f))
	if err != nil && qmp.MayHaveExecuted(err) {
		return undone(ctx, err, func(ctx context.Context) error { return Close(ctx, x, name) })
	}
	return err
}

// checkName checks a name by the rule of QEMU's qmp_getfd (monitor/fds.c), which lets an empty one
// pass that nothing can be told to use.
func checkName(name string) error {
	switch {
	case name == "":
		return errNoName
	case '0' <= name[0] && name[0] <= '9':
		return errDigit
	}
	return nil
}

// Close makes QEMU close the descriptor with this name (closefd). If QEMU does not know the name, because a
// command uses the descriptor or closed it, Close succeeds.
func Close(ctx context.Context, x qmp.Executor, name string) error {
	err := qemu.CloseFD{FDName: name}.Do(ctx, x)
	if errors.Is(err, qmp.ErrGeneric) {
		return nil // closefd fails for no other reason
	}
	return err
}
