package hotplug

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// ResizeDisk changes the size of a disk, in bytes, while the guest uses it (block_resize); the
// guest is told. The size of a file or an image is changed with it. A block device of the host, or
// storage in the network, has been made larger before, and size is its new one.
//
// QEMU rounds a size that is no multiple of 512, up or down depending on the storage, or refuses
// it. A disk that is made smaller loses what is behind the new end, without another question; that
// is refused only where the storage cannot do it. Resizing again to the same size is no error. A
// raw file that was added with [Disk.AutoReadOnly] cannot be resized.
func (vm *VM) ResizeDisk(ctx context.Context, id string, size int64) error {
	end, err := vm.begin(ctx)
	if err == nil {
		defer end()
		err = vm.resizeDisk(ctx, id, size)
	}
	if err != nil {
		return fmt.Errorf("hotplug: disk %q is not resized: %w", id, err)
	}
	return nil
}

func (vm *VM) resizeDisk(ctx context.Context, id string, size int64) error {
	if err := checkID(id); err != nil {
		return err
	}
	if size <= 0 {
		return fmt.Errorf("a size of %d bytes", size)
	}
	return qemu.BlockResize{NodeName: &id, Size: size}.Do(ctx, vm.conn)
}
