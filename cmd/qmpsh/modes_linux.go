package main

import "golang.org/x/sys/unix"

const (
	readModes  = unix.TCGETS
	writeModes = unix.TCSETS
)

// dropInput drops the keys that a terminal has and nobody has read.
func dropInput(fd int) { _ = unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH) }
