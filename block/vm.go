package block

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A VM does operations on the disks of a running QEMU. [New] makes a VM; the methods of a zero VM return an error.
//
// Any number of goroutines can call the methods. A disk has one operation at a time: a second operation does not wait for
// the first; its error matches [ErrBusy].
type VM struct {
	plug *hotplug.VM
	conn qmp.Conn
}

// New returns a VM that sends its commands over conn. The caller still owns conn and closes it.
func New(conn qmp.Conn) *VM { return &VM{plug: hotplug.New(conn, nil), conn: conn} }

var errNotMade = errors.New("block: the VM was not made by New, or has no connection")

// made checks that New made the VM, and that ctx has not ended. Every method calls it first.
func (vm *VM) made(ctx context.Context) error {
	if vm == nil || vm.conn == nil {
		return errNotMade
	}
	return wait.Err(ctx)
}

// version returns the version in the greeting, if the connection has that, and else asks QEMU.
func (vm *VM) version(ctx context.Context) (qmp.Version, error) {
	if greeted, ok := vm.conn.(interface{ Version() qmp.Version }); ok {
		return greeted.Version(), nil
	}
	info, err := qemu.QueryVersion{}.Do(ctx, vm.conn)
	return qmp.Version{Major: int(info.QEMU.Major), Minor: int(info.QEMU.Minor), Micro: int(info.QEMU.Micro)}, err
}

// do does an operation on a disk, or on the thing with another name.
func (vm *VM) do(ctx context.Context, operation, name string, run func() error) error {
	err := vm.made(ctx)
	if err == nil {
		err = run()
	}
	if err == nil {
		return nil
	}
	if e, ok := err.(*diskError); ok && e.id == name {
		err = e.err // the text names a single disk once
	}
	return fmt.Errorf("block: %s %q: %w", operation, name, err)
}

// changing does an operation of several steps. If one fails, changing undoes those before it.
func (vm *VM) changing(ctx context.Context, operation, name string, steps func(undo *rollback) error) error {
	return vm.do(ctx, operation, name, func() error {
		var undo rollback
		if err := steps(&undo); err != nil {
			return undo.run(ctx, err)
		}
		return nil
	})
}
