//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package main

import "golang.org/x/sys/unix"

// hush lets a terminal keep the keys that are typed until somebody reads them, as they are and without an echo. Ctrl-C and the
// output work as before.
func hush(fd int) {
	modes, err := unix.IoctlGetTermios(fd, readModes)
	if err != nil {
		return
	}
	modes.Lflag &^= unix.ECHO | unix.ICANON | unix.IEXTEN
	modes.Iflag &^= unix.ICRNL
	modes.Cc[unix.VMIN], modes.Cc[unix.VTIME] = 1, 0
	_ = unix.IoctlSetTermios(fd, writeModes, modes)
}
