//go:build unix

package main

import (
	"os"
	"syscall"
)

// resizeSignals report that the terminal has another size.
var resizeSignals = []os.Signal{syscall.SIGWINCH}

// endSignals ask the program to end.
var endSignals = []os.Signal{syscall.SIGTERM, syscall.SIGHUP}
