package hotplug

import (
	"context"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// nodeExists tells whether the block layer has a node of this name. QEMU before 5.0 does not know
// "flat", which leaves out what each node repeats of those below it.
func (vm *VM) nodeExists(ctx context.Context, name string) (bool, error) {
	nodes, err := qemu.QueryNamedBlockNodes{Flat: new(true)}.Do(ctx, vm.conn)
	if refused(err) {
		nodes, err = qemu.QueryNamedBlockNodes{}.Do(ctx, vm.conn)
	}
	for _, node := range nodes {
		if qmp.Value(node.NodeName) == name {
			return true, err
		}
	}
	return false, err
}

// removeNode removes a node, which may be gone already, and waits a while for its users to
// leave.
func (vm *VM) removeNode(ctx context.Context, name string) error {
	return removeBusy(ctx,
		func() error { return qemu.BlockdevDel{NodeName: name}.Do(ctx, vm.conn) },
		func() (bool, error) { return vm.nodeExists(ctx, name) })
}
