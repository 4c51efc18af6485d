//go:build !linux

package qmpfd

// Both are 0: there is no such flag, or none that QEMU uses.
const (
	directFlag openFlags = 0
	pathFlag   openFlags = 0
)
