package hotplug

import (
	"context"
	"errors"

	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// tree is what is added for a disk, with its files still to be opened. It is empty for a disk whose
// files QEMU opens itself.
func (d *Disk) tree() (*nodeTree, error) {
	switch {
	case d.Path != "":
		return readTree(d.pathNode())
	case d.Open != nil:
		return readTree(d.Node)
	}
	return &nodeTree{}, nil
}

// open opens the files of a disk's tree, which is to be closed also after an error.
func (t *nodeTree) open(d *Disk) (err error) {
	if d.Open != nil {
		if err := t.closeImages(d.Open); err != nil {
			return err
		}
	}
	for _, f := range t.files {
		if f.files, err = d.openFile(f.use, f.path); err != nil {
			return err
		}
	}
	if d.Path != "" {
		f := t.files[0]
		f.node["driver"], err = qmpfd.Driver(f.files[0])
	}
	return err
}

func (d *Disk) openFile(use qmpfd.Use, path string) (qmpfd.Files, error) {
	if d.Open != nil {
		return use.OpenWith(d.Open, path)
	}
	return use.Open(path)
}

// close closes the files.
func (t *nodeTree) close() {
	for _, f := range t.files {
		_ = f.files.Close() // nothing was written
	}
}

// addFdsets gives QEMU the files, a set for each node.
func (t *nodeTree) addFdsets(ctx context.Context, vm *VM, undo *rollback, id string) error {
	for _, f := range t.files {
		path, err := vm.addFdset(ctx, undo, id, f.files)
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
