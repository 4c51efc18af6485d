package hotplug

import (
	"context"

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
