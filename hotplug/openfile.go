package hotplug

import (
	"context"
	"errors"

	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// openTree opens the files of a disk. The tree is empty for a disk whose files QEMU opens itself.
// The caller closes it.
func (d *Disk) openTree() (*nodeTree, error) {
	if d.Path == "" && d.Open == nil {
		return &nodeTree{}, nil
	}
	options := d.Node
	if d.Path != "" {
		options = d.pathNode()
	}
	t, err := readTree(options)
	if err != nil {
		return nil, err
	}
	if d.Open != nil {
		if err := t.closeImages(d.Open); err != nil {
			return nil, err
		}
	}
	for _, f := range t.files {
		if f.files, err = d.openFile(f.use, f.path); err != nil {
			return nil, errors.Join(err, t.close())
		}
	}
	if d.Path != "" {
		f := t.files[0]
		if f.node["driver"], err = qmpfd.Driver(f.files[0]); err != nil {
			return nil, errors.Join(err, t.close())
		}
	}
	return t, nil
}

func (d *Disk) openFile(use qmpfd.Use, path string) (qmpfd.Files, error) {
	if d.Open != nil {
		return use.OpenWith(d.Open, path)
	}
	return use.Open(path)
}

// close closes the files. QEMU has its own by then, or is not to have any.
func (t *nodeTree) close() error {
	var errs []error
	for _, f := range t.files {
		errs = append(errs, f.files.Close())
	}
	return errors.Join(errs...)
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
