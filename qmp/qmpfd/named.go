package qmpfd

import (
	"context"
	"errors"
	"os"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Send gives QEMU a descriptor under a name (getfd), for what takes one by name: netdev_add, a
// migration to "fd:NAME", a character device. Names belong to the monitor, not to the connection:
// they are still there for the next client. One that is in use is closed and replaced. What uses
// a descriptor takes its name away; one that nothing uses is taken back with [Close].
//
// The name must not be empty or begin with a digit, and the file not be open with O_PATH: such an
// error matches [qmp.ErrNotSent], and nothing was sent. When the answer does not come, because the
// context ended, Send takes the name back, also one that it would have replaced, in 15 seconds at
// most. Where that fails the error is an [*UndoError]. The file remains the caller's.
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

// Close has QEMU close a descriptor that it was given under a name (closefd). A name that it does
// not have, because something uses the descriptor or it was closed, is no error.
func Close(ctx context.Context, x qmp.Executor, name string) error {
	err := qemu.CloseFD{FDName: name}.Do(ctx, x)
	if errors.Is(err, qmp.ErrGeneric) {
		return nil // closefd fails for no other reason
	}
	return err
}
