//go:build !linux

package hotplug

import (
	"errors"
	"os"
)

func tapOf(*os.File) (tap, error) { return tap{}, errors.ErrUnsupported }

func setQueue(*os.File, uint16) error { return errors.ErrUnsupported }

func vhostFeatures(*os.File) (uint64, error) { return 0, errors.ErrUnsupported }

func usbDevice(*os.File) error { return errors.ErrUnsupported }
