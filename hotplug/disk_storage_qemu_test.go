package hotplug_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestStorageOfEveryKind has what is more than a file: trees of nodes, storage of another process,
// block devices, and the disks of a SCSI controller, on one machine for each version.
func TestStorageOfEveryKind(t *testing.T) {
	qemutest.CheckFdsOrParallel(t)
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		qvm, c := pc(t, q, "-device", "virtio-scsi-pci,id=scsi0",
			"-object", "memory-backend-memfd,id=ram,share=on,size=256M", "-machine", "memory-backend=ram")
		t.Run("trees", func(t *testing.T) { treesOfEveryKind(t, q, qvm, c) })
		t.Run("vhost-user", func(t *testing.T) { vhostUserDisks(t, qvm, c) })

		vm := hotplug.New(c, nil)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		var open opening
		removed := func(t *testing.T) {
			require.NoError(t, errorOf(vm.RemoveDisk(limit(t), "d")))
			require.Equal(t, before, stateOf(t, c))
			require.Equal(t, fds, qemuFds(t, qvm))
		}

		t.Run("nbd", func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "s")
			q.StartStorage(t, "--blockdev", "file,node-name=f,filename="+image(t),
				"--nbd-server", "addr.type=unix,addr.path="+socket,
				"--export", "nbd,id=e,node-name=f,name=x,writable=on").Dial(t) // which it answers when it exports
			require.NoError(t, vm.AddDisk(limit(t), hotplug.Disk{ID: "d", Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsNBD{
				Server: qemu.SocketAddress{Branch: &qemu.UnixSocketAddress{Path: socket}}, Export: new("x")}}}}))
			require.EqualValues(t, 1<<20, sizeOf(t, c, "d"))
			removed(t)
		})
		t.Run("block device", func(t *testing.T) {
			path := blockDevice(t)
			for _, disk := range []hotplug.Disk{
				{Backend: hotplug.File{Path: path}},
				{Backend: hotplug.File{Path: path, Direct: true, AutoReadOnly: true}},
				{Backend: hotplug.File{Path: path, Open: open.open, ReadOnly: true}},
				{Backend: hotplug.Blockdev{Options: *hostDevice("host_device", path), Open: open.open}},
			} {
				disk.ID = "d"
				require.NoError(t, vm.AddDisk(limit(t), disk))
				require.EqualValues(t, 1<<20, sizeOf(t, c, "d"))
				if _, ok := disk.Backend.(hotplug.Blockdev); ok {
					require.NoError(t, vm.ResizeDisk(limit(t), "d", 1<<20), "as large as it is")
					require.ErrorIs(t, vm.ResizeDisk(limit(t), "d", 2<<20), qmp.ErrGeneric, "larger than it is")
				}
				removed(t)
			}
			cd := hostDevice("host_cdrom", path)
			cd.ReadOnly = new(true)
			require.NoError(t, vm.AddDisk(limit(t), hotplug.Disk{ID: "d", Backend: hotplug.Blockdev{Options: *cd, Open: open.open}, Driver: "scsi-cd", Bus: "scsi0.0"}))
			removed(t)
		})
		t.Run("scsi", func(t *testing.T) {
			require.NoError(t, vm.AddDisk(limit(t), hotplug.Disk{
				ID: "d", Backend: hotplug.File{Path: image(t), WriteCache: new(false)}, Driver: "scsi-hd", Bus: "scsi0.0",
				Props: qmp.Args{"channel": 0, "scsi-id": 5, "lun": 3, "serial": "s"},
			}))
			require.NoError(t, qvm.WaitGuestSees(limit(t), regexp.MustCompile(`blk=sda `)))
			for property, want := range map[string]any{"scsi-id": 5.0, "lun": 3.0, "channel": 0.0, "write-cache": "off"} {
				raw, err := qemu.QOMGet{Path: "/machine/peripheral/d", Property: property}.Do(t.Context(), c)
				require.NoError(t, err)
				var value any
				require.NoError(t, json.Unmarshal(raw, &value))
				require.Equal(t, want, value, property)
			}
			removed(t)
			require.NoError(t, qvm.WaitGuestSees(limit(t), regexp.MustCompile(`blk= `)))
		})
		t.Run("resize", func(t *testing.T) {
			raw, qcow2 := image(t), image(t)
			makeQcow2(t, q, qcow2)
			unlocked := file(raw)
			unlocked.AutoReadOnly = new(true)
			unlocked.Branch.(*qemu.BlockdevOptionsFile).Locking = new(qemu.OnOffAutoOff)
			for i, disk := range []hotplug.Disk{
				{Backend: hotplug.File{Path: raw}},
				{Backend: hotplug.File{Path: qcow2, Format: "qcow2", AutoReadOnly: true}},
				{Backend: hotplug.Blockdev{Options: *unlocked, Open: open.open}},
				{Backend: hotplug.File{Path: raw, AutoReadOnly: true}},
			} {
				disk.ID = "d"
				size := int64(i+2) << 20
				require.NoError(t, vm.AddDisk(limit(t), disk))
				for range 2 {
					require.NoError(t, vm.ResizeDisk(limit(t), "d", size))
					require.Equal(t, size, sizeOf(t, c, "d"))
				}
				removed(t)
			}
			require.ErrorIs(t, vm.ResizeDisk(limit(t), "d", 1<<20), qmp.ErrDeviceNotFound, "there is none")
		})
	})
}

// sizeOf is the size of a disk's storage.
func sizeOf(t *testing.T, c *qmp.Client, node string) int64 {
	t.Helper()
	blocks, err := qemu.QueryBlock{}.Do(t.Context(), c)
	require.NoError(t, err)
	for _, b := range blocks {
		if b.Inserted != nil && qmp.Value(b.Inserted.NodeName) == node {
			return b.Inserted.Image.VirtualSize
		}
	}
	t.Fatal("no such disk")
	return 0
}

// blockDevice makes one of 1 MiB, of the host, where that can be done.
func blockDevice(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("losetup", "--find", "--show", image(t)).CombinedOutput()
	if err != nil {
		t.Skipf("needs a host that lets this user set up loop devices: %v: %s", err, out)
	}
	path := strings.TrimSpace(string(out))
	t.Cleanup(func() { require.NoError(t, exec.Command("losetup", "--detach", path).Run()) })
	return path
}

func hostDevice(driver qemu.BlockdevDriver, path string) *qemu.BlockdevOptions {
	return &qemu.BlockdevOptions{Driver: driver, Branch: &qemu.BlockdevOptionsFile{Filename: path}}
}
