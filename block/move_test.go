package block_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// same checks that an image holds the same as a raw one.
func (m *machine) same(t *testing.T, format qemu.BlockdevDriver, image, raw string) {
	t.Helper()
	out, err := m.image("compare", "-U", "-f", string(format), "-F", "raw", image, raw)
	require.NoError(t, err, out)
}

// TestMove moves a disk to a new raw image, to a new qcow2 image, and back.
func TestMove(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		content := m.raw(t, "content", 1)
		for i, format := range []qemu.BlockdevDriver{"raw", "qcow2", "qcow2"} {
			path := m.path(string(rune('a' + i)))
			kept, err := m.disks.Move(ctx, "data1", block.Target{Backend: hotplug.File{Path: path, Format: format}, Create: true}, nil)
			require.NoError(t, err)
			require.Empty(t, kept)
			d, err := m.disks.Disk(ctx, "data1")
			require.NoError(t, err)
			require.Len(t, d.Layers, 1)
			require.Empty(t, d.Left)
			require.Empty(t, d.Jobs)
			m.same(t, format, path, content)
		}
		_, err := m.disks.Move(ctx, "data1", block.Target{Backend: hotplug.File{Path: m.path("a")}, Create: true}, nil)
		require.ErrorIs(t, err, block.ErrNotEmpty)
		require.NoError(t, os.Truncate(m.path("a"), 1<<20))
		_, err = m.disks.Move(ctx, "data1", block.Target{Backend: hotplug.File{Path: m.path("a")}}, nil)
		require.ErrorIs(t, err, block.ErrSize)
		keptParts, err := m.plug.RemoveDisk(ctx, "data1")
		require.NoError(t, err)
		require.Empty(t, keptParts)
		m.clean(t)
	})
}
