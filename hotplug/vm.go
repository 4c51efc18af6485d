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
	// Fallback makes the drives of disks in a QEMU that has no blockdev-add. Without it AddDisk
	// returns an error there that matches [errors.ErrUnsupported].
	Fallback *Fallback
}

// A VM is a running QEMU whose devices come and go. [New] makes it; the methods of a zero VM return an
// error. Any number of goroutines can call the methods. A VM does one operation at a time, and the
// others wait until their contexts end. A guest that never answers a removal holds them all up: give
// each context a deadline. Operations of different VM values, on one QEMU, do not wait for each other.
type VM struct {
	fallback *Fallback

	conn      qmp.Conn
	operation wait.Mutex // held by the operation that runs

	commands            wait.Answer[map[string]bool]
	dynamicAutoReadOnly wait.Answer[bool]
	busTypes            wait.Answer[kinds]
	pciTypes            wait.Answer[pciKinds]
	pciSeen             atomic.Pointer[seenRoots] // by the last walk
	asked               wait.Answer[qmp.Version]  // without a greeting
	deviceTypes         sync.Map                  // deviceType by its name
}

// New returns the VM at the other end of a connection, which remains the caller's. opts may be nil.
func New(conn qmp.Conn, opts *Options) *VM {
	if opts == nil {
		opts = &Options{}
	}
	return &VM{fallback: opts.Fallback, conn: conn}
}

var errNotMade = errors.New("the VM was not made by New, or has no connection")

// made checks that a VM was made by New. Every method does so, before it waits for anything.
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
