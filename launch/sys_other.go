//go:build !unix

package launch

import (
	"os"
	"syscall"
)

const canPassDescriptors = false

var terminateSignal = os.Kill

func isFault(os.Signal) bool                         { return false }
func signalOf(*os.ProcessState) os.Signal            { return nil }
func processAttributes(bool) *syscall.SysProcAttr    { return nil }
func duplicate(*os.File) (*os.File, error)           { return nil, errNoDescriptors }
func socketPair() (ours, theirs *os.File, err error) { return nil, nil, errNoDescriptors }
func lockFolder(string) (*os.File, error)            { return nil, errNoDescriptors }

func listensAt(string) bool { return false }
