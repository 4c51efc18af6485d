package hotplug

import (
	"context"
	"errors"

	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// Sets of descriptors are QEMU's, shared by all its monitors. Theirs are kept as long as the
// disk: QEMU opens the file again, from its set, when a node with auto-read-only changes
// between reading and writing, and when a node is reopened. The number of a set is chosen by
// QEMU; what tells whose it is is the opaque text of its descriptors.

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
