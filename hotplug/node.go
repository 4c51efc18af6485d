package hotplug

import (
	"context"
	"errors"
	"time"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// nodeGrace is how long a node may stay in use after its device is gone. QEMU lets go of it
// when no virtual CPU looks at the device's memory any more: at once with KVM, but under TCG a
// CPU that does nothing has taken seconds. What uses the node otherwise (a block job, an export)
// does not end by itself, so the wait must.
const nodeGrace = 10 * time.Second

// The time between two attempts to remove a node that is in use: the first and the longest.
const (
	nodeRetry    = 10 * time.Millisecond
	maxNodeRetry = 160 * time.Millisecond
)

// nodeExists tells whether the block layer has a node of this name.
func (vm *VM) nodeExists(ctx context.Context, name string) (bool, error) {
	nodes, err := qemu.QueryNamedBlockNodes{Flat: new(true)}.Do(ctx, vm.conn)
	for _, node := range nodes {
		if node.NodeName == name {
			return true, err
		}
	}
	return false, err
}

// removeNode removes a node, which may be gone already, and waits a while for its users to
// leave.
func (vm *VM) removeNode(ctx context.Context, name string) error {
	pause := nodeRetry
	for deadline := time.Now().Add(nodeGrace); ; pause = min(2*pause, maxNodeRetry) {
		err := qemu.BlockdevDel{NodeName: name}.Do(ctx, vm.conn)
		if !refused(err) || errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		// It is not there or in use; the text of the error would tell, but differs from version
		// to version.
		exists, lookErr := vm.nodeExists(ctx, name)
		if lookErr != nil {
			return errors.Join(err, lookErr)
		}
		if !exists {
			return nil
		}
		if !time.Now().Before(deadline) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}
