//go:build !linux

package qemutest

import (
	"errors"
	"os"
	"syscall"
)

func endWithParent() *syscall.SysProcAttr { return nil }

func leaveNonBlocking(f *os.File) (*os.File, error) { return f, nil }

func tryLock(*os.File) (bool, error) { return true, nil }

func descriptors(int) ([]string, error) { return nil, errors.ErrUnsupported }
