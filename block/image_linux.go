package block

import (
	"io"
	"os"
	"syscall"
)

const ofdGetLock = 36 // F_OFD_GETLK

// locked reports whether a QEMU uses a file through another open file than this one. QEMU locks the bytes from 100 to 300 of
// an image, see raw_apply_lock_bytes in block/file-posix.c.
func locked(file *os.File) bool {
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: 100, Len: 200}
	err := syscall.FcntlFlock(file.Fd(), ofdGetLock, &lock)
	return err != nil || lock.Type != syscall.F_UNLCK
}
