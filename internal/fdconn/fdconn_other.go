//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package fdconn

import (
	"errors"
	"net"
	"os"
)

// New returns a Conn of c. No descriptors pass on this platform.
func New(c net.Conn) Conn { return plain{c} }

// Pair returns errors.ErrUnsupported.
func Pair() (a, b *os.File, err error) { return nil, nil, errors.ErrUnsupported }

// Duplicate returns errors.ErrUnsupported if there are files.
func Duplicate(files []*os.File) ([]*os.File, error) {
	if len(files) == 0 {
		return nil, nil
	}
	return nil, errors.ErrUnsupported
}
