//go:build !linux

package launch

import (
	"errors"
	"net"
	"os"
)

const canAttach = false

type foundProcess struct{ *os.Process }

func peerOf(net.Conn) (int, error)                       { return 0, errors.ErrUnsupported }
func newFoundProcess(*os.Process) (*foundProcess, error) { return nil, errors.ErrUnsupported }
func (p *foundProcess) wait()                            {}
func (p *foundProcess) close()                           {}
