package block_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
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

var allVersions = qemutest.Versions

const imageSize = 8 << 20

// A machine is a QEMU without a guest, with a folder for images.
type machine struct {
	*qmp.Client
	qemu  *qemutest.QEMU
	vm    *qemutest.VM
	plug  *hotplug.VM
	disks *block.VM
	dir   string
}

// onMachines runs a test on each QEMU.
func onMachines(t *testing.T, test func(t *testing.T, m *machine)) {
	onQEMUs(t, func(t *testing.T, q *qemutest.QEMU) { test(t, startMachine(t, q, t.TempDir())) })
}

// onQEMUs runs a test on each QEMU. It mostly waits for them, so the tests run side by side.
func onQEMUs(t *testing.T, test func(t *testing.T, q *qemutest.QEMU)) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		test(t, q)
	})
}

func startMachine(t *testing.T, q *qemutest.QEMU, dir string, args ...string) *machine {
	t.Helper()
	vm := q.Start(t, qemutest.Config{Machine: "pc", Args: append([]string{"-device", "virtio-scsi-pci"}, args...)})
	c := vm.Dial(t)
	return &machine{Client: c, qemu: q, vm: vm, plug: hotplug.New(c, nil), disks: block.New(c), dir: dir}
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

// write writes a byte to a part of a disk as the guest does: through the device.
func (m *machine) write(t *testing.T, disk string, pattern byte, offset, length int64) {
	t.Helper()
	require.NoError(t, m.io(t, disk, "write", pattern, offset, length))
}

// read checks that the guest reads this byte everywhere in a part of a disk.
func (m *machine) read(t *testing.T, disk string, pattern byte, offset, length int64) {
	t.Helper()
	require.NoError(t, m.io(t, disk, "read", pattern, offset, length))
}

// ioResult is the end of what qemu-io's read or write prints. A wrong pattern comes before it.
var ioResult = regexp.MustCompile(`Pattern verification failed[^\n]*|(?:write|read) failed: [^\n]*|[0-9]+/[0-9]+ bytes at offset`)

// io does "read" or "write" of a byte.
func (m *machine) io(t *testing.T, disk, command string, pattern byte, offset, length int64) error {
	t.Helper()
	return m.qemuIO(t, disk, fmt.Sprintf("%s -P %d %d %d", command, pattern, offset, length))
}

// qemuIO runs a command of the qemu-io in QEMU, on a device with an ID or a QOM path. The result is in what the process
// prints, which QEMU writes out only when its buffer is full: "help" fills it.
func (m *machine) qemuIO(t *testing.T, disk, command string) error {
	t.Helper()
	before := len(m.vm.Output())
	hmp := func(command string) {
		answer, err := qemu.HumanMonitorCommand{CommandLine: fmt.Sprintf("qemu-io -d %s %q", disk, command)}.Do(within(t), m)
		require.NoError(t, err)
		require.Empty(t, answer, command)
	}
	hmp(command)
	for {
		hmp("help")
		switch result := ioResult.FindString(m.vm.Output()[before:]); {
		case strings.Contains(result, "failed"):
			return errors.New(result)
		case result != "":
			return nil
		}
	}
}

// TestGuestIO tests the stand-in for a guest.
func TestGuestIO(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		m.write(t, "data1", 7, 0, 1<<20)
		m.read(t, "data1", 7, 0, 1<<20)
		m.read(t, "data1", 1, 1<<20, 1<<20)
		require.ErrorContains(t, m.io(t, "data1", "read", 8, 0, 1<<20), "Pattern verification failed at offset 0")
		require.ErrorContains(t, m.io(t, "data1", "write", 8, 1<<30, 4096), "write failed: Input/output error")
		require.ErrorContains(t, m.io(t, "data1", "read", 8, 1<<30, 4096), "read failed: Input/output error")
	})
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
		require.Equal(t, block.Layer{Node: "data1", Driver: "file", File: d.Layers[0].File, Path: m.path("data1.img"), Size: imageSize, Used: d.Layers[0].Used}, d.Layers[0])
		require.Positive(t, d.Layers[0].Used)
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
	names := make([]string, len(nodes)) // of nodes; the statistics are long
	for i, n := range nodes {
		names[i] = qmp.Value(n.NodeName)
	}
	require.Empty(t, names)
	sets, err := qemu.QueryFDSets{}.Do(t.Context(), m)
	require.NoError(t, err)
	require.Empty(t, sets)
	jobs, err := job.List(t.Context(), m)
	require.NoError(t, err)
	require.Empty(t, jobs)
}
