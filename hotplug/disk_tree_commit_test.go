package hotplug_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// write writes a byte to 64 KiB of the disk as its device does.
func (w *worked) write(pattern byte, offset int) {
	w.t.Helper()
	disk, err := w.vm.BlockInfo(w.ctx, "d")
	require.NoError(w.t, err)
	line := fmt.Sprintf(`qemu-io -d %s "write -P %d %d 65536"`, qmp.Value(disk.Qdev), pattern, offset)
	said, err := qemu.HumanMonitorCommand{CommandLine: line}.Do(w.ctx, w.c)
	require.NoError(w.t, err)
	require.Empty(w.t, said)
}

// TestCommitIntoBackingFiles merges all overlays of a disk into its lowest image. The nodes of the backing files have
// read-only false, so QEMU can write to them: with one descriptor for each file, or by their names.
func TestCommitIntoBackingFiles(t *testing.T) {
	qemutest.CheckFdsOrParallel(t)
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		qvm, c := scsi(t, q)
		vm := hotplug.New(c, nil)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		for _, format := range []qemu.BlockdevDriver{qemu.BlockdevDriverRaw, qemu.BlockdevDriverQcow2} {
			for _, opens := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, opened %v", format, opens), func(t *testing.T) {
					w := &worked{foreign: &foreign{t, q, c, limit(t)}, vm: vm, ours: true}
					dir := t.TempDir()
					path := func(name string) string { return filepath.Join(dir, name) }
					img(t, q, "create", "-q", "-f", string(format), path("base"), "1M")
					img(t, q, "create", "-q", "-f", "qcow2", "-F", string(format), "-b", path("base"), path("middle"))
					img(t, q, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", path("middle"), path("top"))
					writable := func(name string) *qemu.BlockdevOptions {
						node := file(path(name))
						node.ReadOnly = new(false)
						return node
					}
					base := named("base", &qemu.BlockdevOptions{ReadOnly: new(true), Branch: &qemu.BlockdevOptionsQcow2{File: define(writable("base"))}})
					if format == qemu.BlockdevDriverRaw { // QEMU refuses a node "file" here, because the header of the overlay names a file
						base.Branch = &qemu.BlockdevOptionsRaw{File: define(writable("base"))}
					}
					middle := named("middle", &qemu.BlockdevOptions{ReadOnly: new(true), Branch: &qemu.BlockdevOptionsQcow2{
						File: define(writable("middle")), Backing: &qemu.BlockdevRefOrNull{Definition: &base}}})
					backend := hotplug.Blockdev{Options: *overlay(path("top"), &middle)}
					if opens {
						backend.Open = new(opening).open
					}
					require.NoError(t, vm.AddDisk(w.ctx, scsiDisk("d", backend)))
					w.write(7, 0)
					w.run(qemu.BlockCommit{Device: "d", BaseNode: new("middle")})
					w.drop("d")
					w.write(8, 1<<16)
					w.snapshot("middle", "d.1")
					w.write(9, 2<<16)
					w.run(qemu.BlockCommit{Device: "d.1", TopNode: new("middle"), BaseNode: new("base"), BackingFile: new(path("base"))})
					w.drop("middle")
					w.write(10, 3<<16)
					w.run(qemu.BlockCommit{Device: "d.1", BaseNode: new("base")})
					w.write(11, 4<<16)
					w.drop("d.1")
					kept, err := vm.RemoveDisk(w.ctx, "d")
					require.NoError(t, err)
					require.Empty(t, kept)
					require.Equal(t, before, stateOf(t, c))
					require.Equal(t, fds, qemuFds(t, qvm))

					img(t, q, "convert", "-f", string(format), "-O", "raw", path("base"), path("content"))
					content, err := os.ReadFile(path("content"))
					require.NoError(t, err)
					var want []byte
					for _, pattern := range []byte{7, 8, 9, 10, 11} {
						want = append(want, bytes.Repeat([]byte{pattern}, 1<<16)...)
					}
					require.True(t, bytes.HasPrefix(content, want))
					require.Len(t, content, 1<<20)
				})
			}
		}
	})
}
