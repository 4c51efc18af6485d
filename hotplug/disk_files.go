package hotplug

import (
	"context"
	"errors"
	"os"

	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// open opens the files of a tree, by the caller's function if that is not nil. The tree must be closed even
// after an error.
func (t *nodeTree) open(open func(path string, flags int) (*os.File, error)) (err error) {
	if open != nil {
		if err := t.closeImages(open); err != nil {
			return err
		}
	}
	for _, f := range t.files {
		if open == nil {
			f.files, err = f.use.Open(f.path)
		} else {
			f.files, err = f.use.OpenWith(open, f.path)
		}
		if err != nil {
			return err
		}
		t.opened = append(t.opened, f.files)
	}
	return nil
}

// setDriver sets the driver of a node to the driver for its kind of file.
func (f *treeFile) setDriver() (err error) {
	f.node["driver"], err = qmpfd.Driver(f.files[0])
	return err
}

// close closes the files that open opened.
func (t *nodeTree) close() {
	for _, files := range t.opened {
		_ = files.Close() // nothing was written
	}
}

// addFDSets gives QEMU the files, a set for each node.
func (t *nodeTree) addFDSets(ctx context.Context, vm *VM, undo *rollback, id string) error {
	for _, f := range t.files {
		path, err := vm.addFDSet(ctx, undo, id, f.files)
		if err != nil {
			return err
		}
		f.node["filename"] = path
	}
	return nil
}

// All monitors of QEMU share the sets of descriptors. A set stays as long as its disk, because QEMU opens the file again
// from the set when it reopens a node. QEMU chooses the number of a set. The opaque text of the descriptors names the
// owner.

// opaque returns the opaque text for a device.
func opaque(id string) string { return "qmpkit:" + id }

// addFDSet adds a set with the files for a device, as a step of an operation. It returns the path by which
// QEMU opens one of them.
func (vm *VM) addFDSet(ctx context.Context, undo *rollback, id string, files qmpfd.Files) (path string, err error) {
	what := "descriptors of " + id
	set, err := qmpfd.AddSet(ctx, vm.conn, opaque(id), files...)
	if left, ok := errors.AsType[*qmpfd.UndoError](err); ok {
		undo.done(what, func(ctx context.Context) error { return vm.removeFDSets(ctx, id) }) // once more
		return "", left.Err
	}
	if err != nil {
		return "", err // and there is no set
	}
	undo.done(what, set.Remove)
	return set.Path(), nil
}

// removeFDSets removes all sets of a device.
func (vm *VM) removeFDSets(ctx context.Context, id string) error {
	return qmpfd.RemoveSets(ctx, vm.conn, opaque(id))
}
