//go:build !unix

package main

import "os"

// resizeSignals is empty: this system has no signal for it.
var resizeSignals []os.Signal

// continueSignals is empty, too.
var continueSignals []os.Signal

// endSignals is empty, too.
var endSignals []os.Signal
