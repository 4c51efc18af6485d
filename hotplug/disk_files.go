package hotplug

import (
	"context"
	"errors"
	"os"

	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// open opens the files of a tree, by a function of the caller's if there is one. The tree is to be closed
// also after an error.
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

// setDriver sets the driver of a node to that for the kind of file that it has.
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

// Sets of descriptors are QEMU's, shared by all its monitors. A set stays as long as its disk, since
// QEMU opens the file again from its set when a node is reopened. QEMU chooses the number of a set.
// The opaque text of its descriptors says whose it is.

// opaque is that text for a device.
func opaque(id string) string { return "qmpkit:" + id }

// addFDSet makes a set of the files for a device, as a step of an operation, and returns the
// path by which QEMU opens one of them.
func (vm *VM) addFDSet(ctx context.Context, undo *rollback, id string, files qmpfd.Files) (path string, err error) {
	what := "descriptors of " + id
	set, err := qmpfd.AddSet(ctx, vm.conn, opaque(id), files...)
	if left, ok := errors.AsType[*qmpfd.UndoError](err); ok {
		undo.done(what, func(ctx context.Context) error { return vm.removeFDSets(ctx, id) }) // once more
		return "", left.Err
	}
	if err != nil {
		return "", err // and there is none
	}
	undo.done(what, set.Remove)
	return set.Path(), nil
}

// removeFDSets removes a device's sets, of which there may be none.
func (vm *VM) removeFDSets(ctx context.Context, id string) error {
	return qmpfd.RemoveSets(ctx, vm.conn, opaque(id))
}
