//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package qmp

import (
	"errors"
	"net"
	"os"
)

// socketsKnown is false: what is written goes through the connection's Write, and no
// descriptors are sent.
const socketsKnown = false

// rights do not exist here.
type rights struct{}

func (*rights) close() {}

func duplicate([]*os.File) (*rights, error) { return nil, errNoFiles }

func duplicateListener(net.Listener) (deadlineListener, error) { return nil, errors.ErrUnsupported }

func sendmsg(uintptr, []byte, *rights) (int, error) { return 0, errNoFiles }

func readSocket(uintptr, []byte) (int, error) { return 0, errNoFiles }
