//go:build !unix

package launch

import (
	"context"
	"os"
	"syscall"
	"time"
)

const canPassDescriptors = false

var terminateSignal = os.Kill

func isFault(os.Signal) bool              { return false }
func signalOf(*os.ProcessState) os.Signal { return nil }

func listensAt(string) bool { return false }

func processAttributes(attr *syscall.SysProcAttr, _ bool) *syscall.SysProcAttr { return attr }

func lockFolder(context.Context, string, time.Duration) (*os.File, error) {
	return nil, errNoDescriptors
}
