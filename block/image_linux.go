package block

import (
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/qmpkit/qmpkit/hotplug"
)

// The commands of fcntl for locks that belong to an open file.
const (
	ofdGetLock = 36 // F_OFD_GETLK
	ofdSetLock = 37 // F_OFD_SETLK
)

// qemuLock is a lock of the bytes from 100 to 300 of an image, which QEMU locks, see raw_apply_lock_bytes in
// block/file-posix.c.
func qemuLock(kind int16) *syscall.Flock_t {
	return &syscall.Flock_t{Type: kind, Whence: io.SeekStart, Start: 100, Len: 200}
}

// locked reports whether a QEMU uses a file through another open file than this one.
func locked(file *os.File) bool {
	lock := qemuLock(syscall.F_WRLCK)
	err := syscall.FcntlFlock(file.Fd(), ofdGetLock, lock)
	return err != nil || lock.Type != syscall.F_UNLCK
}

// lock keeps QEMUs and other callers of lock away from a file until unlock. Not every file system has locks.
func lock(file *os.File) (unlock func(), err error) {
	if err := syscall.FcntlFlock(file.Fd(), ofdSetLock, qemuLock(syscall.F_WRLCK)); errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		return nil, because(hotplug.ErrInUse, "another program uses file %s", file.Name())
	}
	return func() { _ = syscall.FcntlFlock(file.Fd(), ofdSetLock, qemuLock(syscall.F_UNLCK)) }, nil
}
