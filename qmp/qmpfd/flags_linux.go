package qmpfd

import "syscall"

const (
	// directFlag opens a file past the page cache.
	directFlag openFlags = syscall.O_DIRECT

	// pathFlag opens a place in the file system and no file; package syscall does not have it.
	pathFlag openFlags = 0x200000
)
