//go:build linux || darwin || freebsd

package qmpfd

import (
	"os"
	"syscall"
)

// getFlags asks the kernel.
func getFlags(fd uintptr) (openFlags, error) {
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0)
	if errno != 0 {
		return 0, os.NewSyscallError("fcntl", errno)
	}
	return openFlags(flags), nil
}
