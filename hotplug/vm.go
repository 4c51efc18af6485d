package hotplug

import (
	"cmp"
	"context"
	"errors"

	"github.com/qmpkit/qmpkit/qmp"
)

// Conn is [qmp.Conn].
type Conn = qmp.Conn

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

	conn Conn
	turn chan struct{} // holds an element while there is an operation

	commands            kept[map[string]bool]
	dynamicAutoReadOnly kept[bool]
	busTypes            kept[kinds]
}

// New returns the VM at the other end of a connection, which remains the caller's. opts may be nil.
func New(conn Conn, opts *Options) *VM {
	if opts == nil {
		opts = &Options{}
	}
	return &VM{
		fallback:            opts.Fallback,
		conn:                conn,
		turn:                make(chan struct{}, 1),
		commands:            newKept[map[string]bool](),
		dynamicAutoReadOnly: newKept[bool](),
		busTypes:            newKept[kinds](),
	}
}

var errNotMade = errors.New("the VM was not made by New, or has no connection")

// made checks that a VM was made by New. Every method does so, before it waits for anything.
func (vm *VM) made() error {
	if vm.conn == nil {
		return errNotMade
	}
	return nil
}

// begin waits for the VM's turn, which ends when end is called.
func (vm *VM) begin(ctx context.Context) (end func(), err error) {
	if err := cmp.Or(vm.made(), ctx.Err()); err != nil {
		return nil, err
	}
	select {
	case vm.turn <- struct{}{}:
		return func() { <-vm.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
