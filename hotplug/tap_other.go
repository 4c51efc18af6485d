//go:build !linux

package hotplug

import (
	"errors"
	"os"
)

func tapOf(*os.File) (tap, error) { return tap{}, errors.ErrUnsupported }

func attach(*os.File) error { return errors.ErrUnsupported }

func vhostFeatures(*os.File) (uint64, error) { return 0, errors.ErrUnsupported }
