package hotplug_test

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// opened opens a file that the test closes.
func opened(t *testing.T, path string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flags, 0)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// TestDescriptor has disks of files that the caller has opened, and keeps.
func TestDescriptor(t *testing.T) {
	qemutest.CheckFds(t)
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm, c := startUSB(t, q)
		vm := hotplug.New(c, nil)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		qcow2 := image(t)
		makeQcow2(t, q, qcow2)
		for _, kind := range []struct {
			name     string
			file     hotplug.Descriptor
			readOnly bool
		}{
			{"read and write", hotplug.Descriptor{File: opened(t, image(t), os.O_RDWR)}, false},
			{"read", hotplug.Descriptor{File: opened(t, image(t), os.O_RDONLY)}, true},
			{"qcow2", hotplug.Descriptor{File: opened(t, qcow2, os.O_RDWR), Format: qemu.BlockdevDriverQcow2}, false},
			{"qcow2, read", hotplug.Descriptor{File: opened(t, qcow2, os.O_RDONLY), Format: qemu.BlockdevDriverQcow2}, true},
			{"direct", hotplug.Descriptor{}, false},
		} {
			t.Run(kind.name, func(t *testing.T) {
				direct := kind.file.File == nil
				if direct {
					path := image(t)
					needsDirect(t, path)
					files, err := qmpfd.Use{Direct: true}.Open(path)
					require.NoError(t, err)
					defer files.Close()
					kind.file.File = files[0]
				}
				require.NoError(t, vm.AddDisk(limit(t), hotplug.Disk{ID: "d", Backend: kind.file, Driver: "usb-storage", Bus: "usb.0"}))
				_, err := kind.file.File.Stat()
				require.NoError(t, err, "it remains open")
				blocks, err := qemu.QueryBlock{}.Do(t.Context(), c)
				require.NoError(t, err)
				require.Len(t, blocks, 1)
				require.Equal(t, kind.readOnly, blocks[0].Inserted.RO)
				require.Equal(t, direct, blocks[0].Inserted.Cache.Direct)
				require.NoError(t, errorOf(vm.RemoveDisk(limit(t), "d")))
				require.Equal(t, before, stateOf(t, c))
				require.Equal(t, fds, qemuFds(t, qvm))
			})
		}
	})
}

// TestDescriptorFaults lets each command go wrong, and has files that are no disks.
func TestDescriptorFaults(t *testing.T) {
	qemutest.CheckFds(t)
	path := image(t)
	file := opened(t, path, os.O_RDWR)
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			m := fakeqemu.New(t)
			faultsAtEveryStep(t, m.Dial(), fault, addsDisk(hotplug.Disk{ID: "d", Backend: hotplug.Descriptor{File: file}}), m.State)
		})
	}
	closed := opened(t, path, os.O_RDWR)
	closed.Close()
	for want, f := range map[string]*os.File{
		"wrong access mode":                 opened(t, path, os.O_WRONLY),
		"wrong O_SYNC":                      opened(t, path, os.O_RDWR|os.O_SYNC),
		"neither a file nor a block device": opened(t, os.DevNull, os.O_RDWR),
		"already closed":                    closed,
	} {
		m := fakeqemu.New(t)
		err := hotplug.New(m.Dial(), nil).AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.Descriptor{File: f}})
		require.ErrorContains(t, err, want)
		require.Empty(t, m.Requests())
	}
}

// TestDiskOfANode has a disk of a node that is there already, and stays.
func TestDiskOfANode(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		_, c := startUSB(t, q)
		vm := hotplug.New(c, nil)
		ctx := limit(t)
		without := stateOf(t, c)
		require.NoError(t, qemu.BlockdevAdd(named("n", file(image(t)))).Do(ctx, c))
		before := stateOf(t, c)
		disk := usbDisk("d", "")
		disk.Backend = hotplug.Node{Name: "none"}
		require.ErrorIs(t, vm.AddDisk(ctx, disk), qmp.ErrGeneric)
		require.Equal(t, before, stateOf(t, c))

		disk.Backend = hotplug.Node{Name: "n", WriteCache: new(false)}
		require.NoError(t, vm.AddDisk(ctx, disk))
		require.ErrorIs(t, vm.AddDisk(ctx, disk), hotplug.ErrExists)
		require.EqualValues(t, 1<<20, sizeOf(t, c, "n"))
		kept, err := vm.RemoveDisk(ctx, "d")
		require.NoError(t, err)
		require.Equal(t, []hotplug.Kept{{What: "node", Name: "n", Err: hotplug.ErrNotOurs}}, kept)
		require.Equal(t, before, stateOf(t, c))

		disk.ID = "n"
		require.NoError(t, vm.AddDisk(ctx, disk))
		require.NoError(t, errorOf(vm.RemoveDisk(ctx, "n")), "the node has the disk's name")
		require.Equal(t, without, stateOf(t, c))
	})
}

// TestDiskOfANodeFaults lets each command go wrong.
func TestDiskOfANodeFaults(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			m := fakeqemu.New(t)
			c := m.Dial()
			require.NoError(t, qemu.BlockdevAdd(named("n", nullNode())).Do(t.Context(), c))
			op := addsDisk(hotplug.Disk{ID: "d", Backend: hotplug.Node{Name: "n"}})
			op.remove = func(ctx context.Context, vm *hotplug.VM) error { return errorOf(vm.RemoveDevice(ctx, "d")) }
			op.commands = []string{"device_add"}
			faultsAtEveryStep(t, c, fault, op, m.State)
			require.Equal(t, []string{"node n"}, m.State())
		})
	}
}
