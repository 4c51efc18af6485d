package hotplug_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// renamed gives files names that are not UTF-8.
func renamed(t *testing.T, paths ...string) (odd []string) {
	t.Helper()
	for _, path := range paths {
		odd = append(odd, path+"\xff\xe9")
		require.NoError(t, os.Rename(path, odd[len(odd)-1]))
	}
	return odd
}

// TestFileNamesOfBytes has files whose names are not UTF-8. QEMU is not told them.
func TestFileNamesOfBytes(t *testing.T) {
	qemutest.CheckFds(t)
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		_, c := startUSB(t, q)
		vm := hotplug.New(c, nil)
		before := stateOf(t, c)
		var open opening
		for name, disk := range map[string]hotplug.Disk{
			"raw":   {Backend: hotplug.File{Path: renamed(t, image(t))[0]}},
			"qcow2": {Backend: hotplug.File{Path: renamed(t, chain(t, q, 1)[0])[0], Format: qemu.BlockdevDriverQcow2}},
			"chain": {Backend: hotplug.Blockdev{Open: open.open, Options: *func() *qemu.BlockdevOptions {
				p := renamed(t, chain(t, q, 3)...)
				return overlay(p[0], overlay(p[1], overlay(p[2], nil)))
			}()}},
			"list": {Backend: hotplug.Blockdev{Open: open.open, Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsQuorum{VoteThreshold: 1,
				Children: []qemu.BlockdevRef{define(file(renamed(t, image(t))[0])), define(file(image(t)))}}}}},
			"members": {Backend: hotplug.Blockdev{Open: open.open, Options: qemu.BlockdevOptions{Driver: "raw", Branch: &qemu.RawBranch{Members: qmp.Args{
				"file": qmp.Args{"driver": "file", "filename": renamed(t, image(t))[0]}}}}}},
		} {
			disk.ID, disk.Driver, disk.Bus = "d", "usb-storage", "usb.0"
			require.NoError(t, vm.AddDisk(limit(t), disk), name)
			require.NoError(t, errorOf(vm.RemoveDisk(limit(t), "d")), name)
			require.Equal(t, before, stateOf(t, c), name)
		}
	})
}

// TestFileNameFaults has names that cannot be used.
func TestFileNameFaults(t *testing.T) {
	var open opening
	odd := renamed(t, image(t))[0]
	for _, c := range []struct {
		name string
		disk hotplug.Disk
		want string
	}{
		{"opened by QEMU", hotplug.Disk{Backend: hotplug.Blockdev{Options: *file(odd)}}, "UTF-8"},
		{"of another driver", hotplug.Disk{Backend: hotplug.Blockdev{Open: open.open, Options: qemu.BlockdevOptions{Driver: "new",
			Branch: &qemu.RawBranch{Members: qmp.Args{"filename": odd}}}}}, "a file that QEMU opens itself has a name that is not UTF-8"},
		{"not a name", hotplug.Disk{Backend: hotplug.Blockdev{Open: open.open, Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsRBD{
			Pool: odd, Image: "i"}}}}, "UTF-8"},
		{"a placeholder", hotplug.Disk{Backend: hotplug.Blockdev{Open: open.open, Options: *overlay(odd, file("\x000"))}}, "\x000: invalid argument"},
		{"missing", hotplug.Disk{Backend: hotplug.File{Path: odd + "x"}}, filepath.Base(odd) + "x: no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := fakeqemu.New(t)
			disk := c.disk
			disk.ID = "d"
			require.ErrorContains(t, hotplug.New(m.Dial(), nil).AddDisk(t.Context(), disk), c.want)
			require.Empty(t, m.State())
		})
	}
}
