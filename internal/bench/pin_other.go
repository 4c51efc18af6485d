//go:build !linux

package main

import (
	"errors"
	"os/exec"
)

// startPinned fails: only Linux lets a program choose its CPU.
func startPinned(*exec.Cmd) error { return &cannotPin{errors.ErrUnsupported} }
