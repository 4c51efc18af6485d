package hotplug

import (
	"context"

	"github.com/qmpkit/qmpkit/qmp"
)

// Conn is a connection to a QEMU: a [*qmp.Client], or what stands in its place.
type Conn interface {
	qmp.Executor
	qmp.EventSource
}

// A VM is a running QEMU whose devices come and go. Its methods can be called by any number of
// goroutines; it does one operation at a time, and the others wait until their contexts end. A
// guest that never answers a removal holds them all up: give each context a deadline. Operations of
// different VM values, on one QEMU, do not wait for each other.
type VM struct {
	// Fallback, for a QEMU without blockdev-add, may be set before the first operation.
	Fallback *Fallback

	conn Conn
	turn chan struct{} // holds an element while there is an operation

	commands            kept[map[string]bool]
	dynamicAutoReadOnly kept[bool]
}

// New returns the VM at the other end of a connection, which remains the caller's.
func New(conn Conn) *VM {
	return &VM{
		conn:                conn,
		turn:                make(chan struct{}, 1),
		commands:            newKept[map[string]bool](),
		dynamicAutoReadOnly: newKept[bool](),
	}
}

// begin waits for the VM's turn, which ends when end is called.
func (vm *VM) begin(ctx context.Context) (end func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case vm.turn <- struct{}{}:
		return func() { <-vm.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
