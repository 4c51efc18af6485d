//go:build !linux

package main

import (
	"errors"
	"os"
)

func openTap(string, int) ([]*os.File, error) {
	return nil, errors.New("taps need Linux")
}
