//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package main

import "golang.org/x/sys/unix"

const (
	readModes  = unix.TIOCGETA
	writeModes = unix.TIOCSETA
)

// dropInput drops the keys that a terminal has and nobody has read.
func dropInput(fd int) { _ = unix.IoctlSetPointerInt(fd, unix.TIOCFLUSH, unix.TCIFLUSH) }
