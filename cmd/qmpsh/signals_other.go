//go:build !unix

package main

import "os"

// resizeSignals is empty: this system has no signal for it.
var resizeSignals []os.Signal

// endSignals is empty, too.
var endSignals []os.Signal
