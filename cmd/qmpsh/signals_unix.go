//go:build unix

package main

import (
	"os"
	"syscall"
)

// resizeSignals report that the terminal has another size.
var resizeSignals = []os.Signal{syscall.SIGWINCH}

// continueSignals report that the program was stopped, and continues. A shell may have changed the modes of the terminal.
var continueSignals = []os.Signal{syscall.SIGCONT}

// endSignals ask the program to end.
var endSignals = []os.Signal{syscall.SIGTERM, syscall.SIGHUP}
