package block_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/launch"
)

// TestDiskOfTheStart takes a snapshot of a disk that the machine was started with, and removes the disk.
func TestDiskOfTheStart(t *testing.T) {
	onQEMUs(t, func(t *testing.T, q *qemutest.QEMU) {
		ctx := within(t)
		m := &machine{qemu: q, dir: t.TempDir()}
		p, err := launch.Start(ctx, launch.Config{Binary: q.Path, Args: launch.Args{
			"-nodefaults", "-display", "none", "-M", "pc", "-accel", "tcg", "-device", "virtio-scsi-pci",
			hotplug.Disk{ID: "root", Driver: "scsi-hd", Backend: hotplug.File{Path: m.raw(t, "root.img", 1)}},
		}})
		require.NoError(t, err)
		defer p.Kill()
		m.Client, m.plug, m.disks = p.Client(), hotplug.New(p.Client(), nil), block.New(p.Client())

		m.overlay(t, "root", "o1", "root.img")
		require.Equal(t, []string{"o1", "root"}, m.layers(t, "root"))
		kept, err := m.disks.Commit(ctx, "root", nil)
		require.NoError(t, err)
		require.Empty(t, kept)
		require.NoError(t, os.Remove(m.path("o1")))
		m.removedAll(t, "root")
	})
}
