package block

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// ErrTrayLocked means that the guest has locked the tray of a drive, and has not opened it. QEMU has sent the guest an eject
// request, as the button of a drive does, so the guest may still open the tray.
var ErrTrayLocked = errors.New("guest has locked the tray")

// ErrNotRemovable means that the medium of a disk cannot be changed. The operation has changed nothing.
var ErrNotRemovable = errors.New("disk has no removable medium")

// MediumOptions configures [VM.ChangeMedium].
type MediumOptions struct {
	// NodeName names the node of the medium. By default, the name is the drive's ID and a random text: "cd1.k3fa5c". It must
	// be empty for a Node.
	NodeName string

	// Force opens the tray even if the guest has locked it. The guest may then use a medium that is not there.
	Force bool
}

// ChangeMedium changes the medium of a CD-ROM, closes the tray, and removes the nodes of the old medium. medium is a
// [hotplug.File], a [hotplug.Descriptor], a [hotplug.Blockdev] or a [hotplug.Node]. If medium is nil, ChangeMedium ejects
// the medium and leaves the tray open.
//
// The new medium is read-only: ChangeMedium opens a File with O_RDONLY, and a Descriptor must be open with O_RDONLY. A Node
// should be read-only.
//
// If the guest has locked the tray, QEMU sends it an eject request, and ChangeMedium waits until the guest opens the tray or
// ctx ends: give ctx a deadline. Most guests lock the tray while the medium is mounted, and ignore the request.
//
// kept lists old nodes and descriptors that are still in QEMU.
//
// If ChangeMedium fails or ctx ends, the old medium is in the drive, the tray is as before, and the new node is removed,
// unless the error is a [*hotplug.RollbackError]. A medium of "-cdrom" or "-drive" cannot be put back: QEMU closes it when it
// leaves the drive. The error matches:
//   - [ErrNoDisk]: there is no such drive.
//   - [ErrNotRemovable]: the device has no removable medium.
//   - [ErrBusy]: jobs run on the medium.
//   - [ErrTrayLocked] and the error of ctx: the guest has not opened the tray.
//   - [*qmp.Error]: QEMU refused a command.
//
// Source: blockdev-open-tray, blockdev-remove-medium, blockdev-insert-medium, blockdev-close-tray, DEVICE_TRAY_MOVED.
func (vm *VM) ChangeMedium(ctx context.Context, id string, medium hotplug.DiskBackend, opts *MediumOptions) (kept []hotplug.Kept, err error) {
	if opts == nil {
		opts = &MediumOptions{}
	}
	var old []Layer
	err = vm.changing(ctx, "change medium of", id, func(undo *rollback) error {
		old, err = vm.changeMedium(ctx, undo, id, medium, opts)
		return err
	})
	if err != nil || len(old) == 0 {
		return nil, err
	}
	return vm.release(ctx, id, old), nil
}

// changeMedium changes a medium and returns the layers of the old one.
func (vm *VM) changeMedium(ctx context.Context, undo *rollback, id string, medium hotplug.DiskBackend, opts *MediumOptions) (old []Layer, err error) {
	d, err := vm.look(ctx, id)
	if err != nil {
		return nil, err
	}
	before, err := vm.drive(ctx, d.Path)
	switch {
	case err != nil:
		return nil, err
	case !before.Removable:
		return nil, ErrNotRemovable
	}
	if err := d.busy(); err != nil {
		return nil, err
	}
	node, err := vm.addMedium(ctx, undo, id, medium, opts.NodeName)
	if err != nil {
		return nil, err
	}
	root := ""
	if len(d.Layers) > 0 {
		root = d.root()
		if root == node {
			return nil, fmt.Errorf("node %q is in the drive already", node)
		}
	}
	moved := qmp.Subscribe[qemu.DeviceTrayMovedEvent](vm.conn)
	defer moved.Close()
	undo.add("medium", func(ctx context.Context) error { return vm.putBack(ctx, d.Path, root, before) })
	err = vm.trayOpen(ctx, d.Path, opts.Force, moved, func() error {
		return qemu.BlockdevRemoveMedium{ID: d.Path}.Do(ctx, vm.conn)
	})
	if err != nil || medium == nil {
		return d.Layers, err
	}
	err = vm.trayOpen(ctx, d.Path, opts.Force, moved, func() error {
		return qemu.BlockdevInsertMedium{ID: d.Path, NodeName: node}.Do(ctx, vm.conn)
	})
	if err != nil {
		return nil, err
	}
	return d.Layers, vm.closeTray(ctx, d.Path)
}

// addMedium adds the node of a medium, read-only.
func (vm *VM) addMedium(ctx context.Context, undo *rollback, id string, medium hotplug.DiskBackend, name string) (node string, err error) {
	medium = pointedTo(medium)
	switch b := medium.(type) {
	case nil:
		return "", nil
	case hotplug.File:
		b.ReadOnly = true
		return vm.addNode(ctx, undo, id, name, b)
	case hotplug.Descriptor:
		return vm.addMediumOf(ctx, undo, id, name, b)
	case hotplug.Blockdev:
		if b.Options.ReadOnly != nil && !*b.Options.ReadOnly {
			return "", errors.New("a medium must be read-only")
		}
		b.Options.ReadOnly = new(true)
		if name == "" {
			name = qmp.Value(b.Options.NodeName)
		}
		return vm.addNode(ctx, undo, id, name, b)
	case hotplug.Node:
		if name != "" {
			return "", errors.New("a Node has a name: NodeName must be empty")
		}
		return b.Name, nil
	}
	return "", fmt.Errorf("medium is a %T: it must be a File, a Descriptor, a Blockdev or a Node", medium)
}

// addMediumOf is addMedium for a file of the caller.
func (vm *VM) addMediumOf(ctx context.Context, undo *rollback, id, name string, b hotplug.Descriptor) (node string, err error) {
	if b.File == nil {
		return "", errors.New("medium needs a File")
	}
	use, err := qmpfd.UseOf(b.File)
	switch {
	case err != nil:
		return "", err
	case !use.ReadOnly:
		return "", fmt.Errorf("file %s is open for writing: a medium must be open with O_RDONLY", b.File.Name())
	}
	return vm.addNode(ctx, undo, id, name, b)
}

// drive asks for a drive by its path.
func (vm *VM) drive(ctx context.Context, path string) (*qemu.BlockInfo, error) {
	blocks, err := qemu.QueryBlock{}.Do(ctx, vm.conn)
	if err != nil {
		return nil, err
	}
	for i := range blocks {
		if qmp.Value(blocks[i].Qdev) == path {
			return &blocks[i], nil
		}
	}
	return nil, ErrNoDisk
}

// trayOpen does a step that needs an open tray. The guest can close the tray at any time: then trayOpen tries again.
func (vm *VM) trayOpen(
	ctx context.Context, path string, force bool, moved *qmp.Subscription[qemu.DeviceTrayMovedEvent], step func() error,
) error {
	for try := 1; ; try++ {
		if err := vm.openTray(ctx, path, force, moved); err != nil {
			return err
		}
		err := step()
		if !refused(err) || try == attempts {
			return err
		}
		if b, lookErr := vm.drive(ctx, path); lookErr != nil || b.TrayOpen == nil || *b.TrayOpen {
			return errors.Join(err, lookErr)
		}
	}
}

// openTray opens the tray of a drive, if it has one, and waits until it is open.
func (vm *VM) openTray(ctx context.Context, path string, force bool, moved *qmp.Subscription[qemu.DeviceTrayMovedEvent]) error {
	for asked := false; ; {
		b, err := vm.drive(ctx, path)
		if err != nil || b.TrayOpen == nil || *b.TrayOpen {
			return err
		}
		if !asked {
			asked = true
			if err := (qemu.BlockdevOpenTray{ID: new(path), Force: new(force)}).Do(ctx, vm.conn); err != nil {
				return err
			}
			continue
		}
		if err := next(ctx, moved); err != nil && ctx.Err() != nil { // QEMU opens a tray at once if it is not locked
			return fmt.Errorf("%w: %w", ErrTrayLocked, err)
		} else if err != nil {
			return err
		}
		asked = false // if the tray was open, the guest has closed it: firmware does that while it looks for a disk to boot
	}
}

// closeTray closes the tray of a drive, if it has one.
func (vm *VM) closeTray(ctx context.Context, path string) error {
	b, err := vm.drive(ctx, path)
	if err != nil || b.TrayOpen == nil || !*b.TrayOpen {
		return err
	}
	return qemu.BlockdevCloseTray{ID: new(path)}.Do(ctx, vm.conn)
}

// putBack makes a drive have the medium with this root node, or none, and closes the tray if it was closed before.
func (vm *VM) putBack(ctx context.Context, path, root string, before *qemu.BlockInfo) error {
	now, err := vm.drive(ctx, path)
	if err != nil {
		return err
	}
	has := ""
	if now.Inserted != nil {
		has = qmp.Value(now.Inserted.NodeName)
	}
	if has != root {
		moved := qmp.Subscribe[qemu.DeviceTrayMovedEvent](vm.conn)
		defer moved.Close()
		err := vm.trayOpen(ctx, path, true, moved, func() error { return qemu.BlockdevRemoveMedium{ID: path}.Do(ctx, vm.conn) })
		if err == nil && root != "" {
			err = vm.trayOpen(ctx, path, true, moved, func() error {
				return qemu.BlockdevInsertMedium{ID: path, NodeName: root}.Do(ctx, vm.conn)
			})
		}
		if err != nil {
			return err
		}
	}
	if before.TrayOpen == nil || !*before.TrayOpen {
		return vm.closeTray(ctx, path)
	}
	return nil
}
