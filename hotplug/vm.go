package hotplug

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
)

// Options configures a VM.
type Options struct {
	// Fallback adds and removes the drives of disks in a QEMU without blockdev-add. If it is nil, AddDisk
	// returns an error that matches [errors.ErrUnsupported] on such a QEMU.
	Fallback *Fallback
}

// A VM adds devices to a running QEMU and removes them. [New] makes a VM; the methods of a zero VM return
// an error.
//
// Any number of goroutines can call the methods. A VM does one operation at a time, and the others wait
// until their contexts end. A guest that never answers a removal blocks them all: give each context a
// deadline. Operations of different VM values do not wait for each other, even on one QEMU.
type VM struct {
	fallback *Fallback

	conn      qmp.Conn
	operation wait.Mutex // held by the operation that runs

	commands            wait.Answer[map[string]bool]
	dynamicAutoReadOnly wait.Answer[bool]
	sharedMemory        wait.Answer[bool]
	busTypes            wait.Answer[kinds]
	pciTypes            wait.Answer[pciKinds]
	pciSeen             atomic.Pointer[seenRoots] // by the last walk
	asked               wait.Answer[qmp.Version]  // if the connection has no greeting
	deviceTypes         sync.Map                  // from the name of a type to its deviceType
}

// New returns a VM that sends its commands over conn. The caller still owns conn and closes it. opts may be
// nil.
func New(conn qmp.Conn, opts *Options) *VM {
	if opts == nil {
		opts = &Options{}
	}
	return &VM{fallback: opts.Fallback, conn: conn}
}

var errNotMade = errors.New("the VM was not made by New, or has no connection")

// made checks that New made the VM. Every method calls it first.
func (vm *VM) made() error {
	if vm.conn == nil {
		return errNotMade
	}
	return nil
}

// begin waits until no other operation runs. The caller's operation runs until the caller calls end.
func (vm *VM) begin(ctx context.Context) (end func(), err error) {
	if err := cmp.Or(vm.made(), wait.Err(ctx)); err != nil {
		return nil, err
	}
	if err := vm.operation.Lock(ctx); err != nil {
		return nil, err
	}
	return vm.operation.Unlock, nil
}
