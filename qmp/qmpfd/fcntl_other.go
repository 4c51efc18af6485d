//go:build !(linux || darwin || freebsd)

package qmpfd

import "errors"

func getFlags(uintptr) (openFlags, error) { return 0, errors.ErrUnsupported }
