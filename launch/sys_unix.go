//go:build unix

package launch

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
)

const canPassDescriptors = true

const terminateSignal = syscall.SIGTERM

// isFault reports whether a signal shows a fault of the program.
func isFault(s os.Signal) bool {
	return slices.Contains([]os.Signal{
		syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL, syscall.SIGFPE, syscall.SIGSYS, syscall.SIGTRAP,
	}, s)
}

// signalOf returns the signal that has ended a process, or nil.
func signalOf(state *os.ProcessState) os.Signal {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal()
	}
	return nil
}

// processAttributes adds to the attributes of a child. QEMU does not get the signals of the terminal, so that the
// program can end it in its own way.
func processAttributes(attr *syscall.SysProcAttr, outlive bool) *syscall.SysProcAttr {
	if attr == nil {
		attr = &syscall.SysProcAttr{}
	}
	attr.Setsid = attr.Setsid || outlive
	attr.Setpgid = !attr.Setsid
	if !outlive {
		endWithParent(attr)
	}
	return attr
}

var errLocked = errors.New("somebody else holds the lock of the folder (flock)")

// lockFolder opens a folder and takes its lock, which Close releases. It waits until ctx ends or the limit has passed: a
// program can hold the lock of its folder for another purpose.
func lockFolder(ctx context.Context, path string, limit time.Duration) (*os.File, error) {
	folder, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		err = syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return folder, nil
		case errors.Is(err, syscall.EWOULDBLOCK) && time.Now().After(deadline):
			err = errLocked
		case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
			if err = wait.Err(ctx); err == nil {
				continue
			}
		}
		folder.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
}
