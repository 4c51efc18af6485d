package hotplug

import (
	"context"
	"errors"

	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// Sets of descriptors are QEMU's, shared by all its monitors. A set stays as long as its disk, since
// QEMU opens the file again from its set when a node is reopened. QEMU chooses the number of a set.
// The opaque text of its descriptors says whose it is.

// opaque is that text for a device.
func opaque(id string) string { return "qmpkit:" + id }

// addFdset makes a set of the files for a device, as a step of an operation, and returns the
// path by which QEMU opens one of them.
func (vm *VM) addFdset(ctx context.Context, undo *rollback, id string, files qmpfd.Files) (path string, err error) {
	what := "descriptors of " + id
	set, err := qmpfd.AddSet(ctx, vm.conn, opaque(id), files...)
	if left, ok := errors.AsType[*qmpfd.UndoError](err); ok {
		undo.done(what, func(ctx context.Context) error { return vm.removeFdsets(ctx, id) }) // once more
		return "", left.Err
	}
	if err != nil {
		return "", err // and there is none
	}
	undo.done(what, set.Remove)
	return set.Path(), nil
}

// removeFdsets removes a device's sets, of which there may be none.
func (vm *VM) removeFdsets(ctx context.Context, id string) error {
	return qmpfd.RemoveSets(ctx, vm.conn, opaque(id))
}
