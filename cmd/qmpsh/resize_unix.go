//go:build unix

package main

import (
	"os"
	"syscall"
)

// resizeSignals report that the terminal has another size.
var resizeSignals = []os.Signal{syscall.SIGWINCH}
