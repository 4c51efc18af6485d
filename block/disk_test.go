package block_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var allVersions = qemutest.MatrixVersions()

const imageSize = 8 << 20

// A machine is a QEMU without a guest, with a folder for images.
type machine struct {
	*qmp.Client
	qemu  *qemutest.QEMU
	plug  *hotplug.VM
	disks *block.VM
	dir   string
}

// onMachines runs a test on each QEMU.
func onMachines(t *testing.T, test func(t *testing.T, m *machine)) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-device", "virtio-scsi-pci"}}).Dial(t)
		test(t, &machine{Client: c, qemu: q, plug: hotplug.New(c, nil), disks: block.New(c), dir: t.TempDir()})
	})
}

// within is a context for a test on a busy machine.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (m *machine) path(name string) string { return filepath.Join(m.dir, name) }

// raw makes an image that is filled with a byte.
func (m *machine) raw(t *testing.T, name string, fill byte) string {
	t.Helper()
	content := make([]byte, imageSize)
	for i := range content {
		content[i] = fill
	}
	require.NoError(t, os.WriteFile(m.path(name), content, 0o600))
	return m.path(name)
}

// plugged adds a disk with a raw image that is filled with a byte.
func (m *machine) plugged(t *testing.T, id string, fill byte) {
	t.Helper()
	require.NoError(t, m.plug.AddDisk(within(t), hotplug.Disk{ID: id, Driver: "scsi-hd", Backend: hotplug.File{Path: m.raw(t, id+".img", fill)}}))
}

// TestDisk describes disks with snapshots, filters, jobs, bitmaps, and nodes that are left.
func TestDisk(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		_, err := m.disks.Disk(ctx, "data1")
		require.ErrorIs(t, err, block.ErrNoDisk)
		m.plugged(t, "data1", 1)
		d, err := m.disks.Disk(ctx, "data1")
		require.NoError(t, err)
		require.Equal(t, "data1", d.ID)
		require.Len(t, d.Layers, 1)
		require.Equal(t, block.Layer{Node: "data1", Driver: "file", File: d.Layers[0].File, Size: imageSize}, d.Layers[0])
		_, isSet := d.Layers[0].FDSet()
		require.True(t, isSet)
		require.Empty(t, d.Left)

		require.NoError(t, m.plug.AddNode(ctx, hotplug.Disk{ID: "data1", NodeName: "t1", Backend: hotplug.File{Path: m.raw(t, "t1", 2)}}))
		j, err := job.Start(ctx, m, "copy-of-data", qemu.BlockdevMirror{Device: "data1", Target: "t1", Sync: qemu.MirrorSyncModeFull})
		require.NoError(t, err)
		require.NoError(t, j.WaitReady(ctx, nil))
		d, err = m.disks.Disk(ctx, "data1")
		require.NoError(t, err)
		require.Len(t, d.Jobs, 1)
		require.Equal(t, "copy-of-data", d.Jobs[0].ID)
		require.Equal(t, "data1", d.Layers[0].Node)
		require.Equal(t, []string{"t1"}, d.Left)
		require.NoError(t, j.Complete(ctx))
		d, err = m.disks.Disk(ctx, "data1")
		require.NoError(t, err)
		require.Equal(t, "t1", d.Layers[0].Node)
		require.Equal(t, []string{"data1"}, d.Left)
		require.Empty(t, d.Jobs)
		all, err := m.disks.Disks(ctx)
		require.NoError(t, err)
		require.Contains(t, all, d)
	})
}

// image runs qemu-img.
func (m *machine) image(args ...string) (string, error) {
	program, err := m.qemu.Program("qemu-img")
	if err != nil {
		return "", err
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	return string(out), err
}

// clean checks that QEMU has no node, no set of descriptors and no job.
func (m *machine) clean(t *testing.T) {
	t.Helper()
	nodes, err := qemu.QueryBlockStats{QueryNodes: new(true)}.Do(t.Context(), m)
	require.NoError(t, err)
	require.Empty(t, nodes)
	sets, err := qemu.QueryFDSets{}.Do(t.Context(), m)
	require.NoError(t, err)
	require.Empty(t, sets)
	jobs, err := job.List(t.Context(), m)
	require.NoError(t, err)
	require.Empty(t, jobs)
}
