//go:build darwin || freebsd || linux

package main

import (
	"math"
	"syscall"
)

// maxFiles returns how many files the process may have open. Go has raised it already as far as
// it may.
func maxFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 256
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
