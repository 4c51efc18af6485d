package hotplug

import (
	"context"
	"os"
	"slices"
	"strconv"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Sets of descriptors are QEMU's, shared by all its monitors. Theirs are kept as long as the
// disk: QEMU opens the file again, from its set, when a node with auto-read-only changes
// between reading and writing, and when a node is reopened. The number of a set is chosen by
// QEMU; what tells whose it is is the opaque text of its descriptors.

// opaque is that text for a device.
func opaque(id string) string { return "qmpkit:" + id }

// addFdset makes a set of the files for a device, as a step of an operation, and returns the
// path by which QEMU opens one of them.
func (vm *VM) addFdset(ctx context.Context, undo *rollback, id string, files []*os.File) (path string, err error) {
	var set *int64 // QEMU chooses a number for the first file, and the others join it
	add := func(f *os.File) error {
		added, err := qemu.AddFd{FdsetID: set, Opaque: new(opaque(id))}.Do(ctx, vm.conn, qmp.WithFile(f))
		if err == nil {
			set = &added.FdsetID
		}
		return err
	}
	remove := func(ctx context.Context) error {
		if set == nil {
			return vm.removeFdsets(ctx, id)
		}
		return vm.removeSets(ctx, id, []int64{*set})
	}
	err = undo.step("descriptors of "+id, func() error { return add(files[0]) }, remove)
	for _, f := range files[1:] {
		if err == nil {
			err = add(f)
		}
	}
	if err != nil {
		return "", err
	}
	return "/dev/fdset/" + strconv.FormatInt(*set, 10), nil
}

// fdsets returns the numbers of a device's sets.
func (vm *VM) fdsets(ctx context.Context, id string) (sets []int64, err error) {
	all, err := qemu.QueryFdsets{}.Do(ctx, vm.conn)
	for _, set := range all {
		for _, fd := range set.Fds {
			if qmp.Value(fd.Opaque) == opaque(id) {
				sets = append(sets, set.FdsetID)
				break
			}
		}
	}
	return sets, err
}

// removeFdsets removes a device's sets, of which there may be none.
func (vm *VM) removeFdsets(ctx context.Context, id string) error {
	sets, err := vm.fdsets(ctx, id)
	if err != nil {
		return err
	}
	return vm.removeSets(ctx, id, sets)
}

// removeSets removes some of a device's sets, which may be gone already.
func (vm *VM) removeSets(ctx context.Context, id string, sets []int64) error {
	if len(sets) == 0 {
		return nil
	}
	for _, set := range sets {
		err := qemu.RemoveFd{FdsetID: set}.Do(ctx, vm.conn)
		if err != nil && !refused(err) { // it refuses what is not there
			return err
		}
	}
	left, err := vm.fdsets(ctx, id)
	if err != nil {
		return err
	}
	for _, set := range left {
		if slices.Contains(sets, set) {
			return ErrDescriptorsKept
		}
	}
	return nil
}
