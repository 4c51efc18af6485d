//go:build !linux

package qmpfd

// Both are 0: the platform does not have the flag, or QEMU does not use it.
const (
	directFlag openFlags = 0
	pathFlag   openFlags = 0
)
