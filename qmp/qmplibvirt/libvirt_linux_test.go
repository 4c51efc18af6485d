package qmplibvirt_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/libvirttest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
	"github.com/qmpkit/qmpkit/qom"
)

// The tests of this file run on real daemons: see package libvirttest.

// dialReal connects to a daemon's socket until the end of the test.
func dialReal(t *testing.T, d *libvirttest.Daemon, opts *qmplibvirt.Options) *qmplibvirt.Conn {
	t.Helper()
	conn, err := qmplibvirt.Dial(t.Context(), d.Socket(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return conn
}

// machineOf starts a machine and looks it up.
func machineOf(t *testing.T, d *libvirttest.Daemon, conn *qmplibvirt.Conn, m libvirttest.Machine) *qmplibvirt.Domain {
	t.Helper()
	d.Create(t, m)
	vm, err := conn.Domain(t.Context(), m.Name)
	require.NoError(t, err)
	return vm
}

// nextOf returns the next event of a stream.
func nextOf(t *testing.T, stream qmp.EventStream) qmp.RawEvent {
	t.Helper()
	e, err := stream.Next(t.Context())
	require.NoError(t, err)
	return e
}

// TestLibvirtPrograms runs the same programs through libvirt and on QEMU's own monitor.
func TestLibvirtPrograms(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
		const uuid = "11111111-2222-4333-8444-555555555555"
		vm := machineOf(t, d, dialReal(t, d, nil), libvirttest.Machine{Name: "vm1", UUID: uuid})
		require.Equal(t, uuid, vm.UUID())
		direct, err := qmp.Dial(t.Context(), d.Monitor("vm1"), nil)
		require.NoError(t, err)
		defer direct.Close()
		for name, conn := range map[string]qmp.Conn{"libvirt": vm.AllowUntracked(), "direct": direct} {
			t.Run(name, func(t *testing.T) { runPrograms(t, conn) })
		}
		t.Run("both see the same", func(t *testing.T) {
			var values []any
			for _, conn := range []qmp.Conn{vm, direct} {
				schema, err := qmpschema.Query(t.Context(), conn)
				require.NoError(t, err)
				blocks, err := qemu.QueryBlock{}.Do(t.Context(), conn)
				require.NoError(t, err)
				names := slices.Sorted(func(yield func(string) bool) {
					for c := range schema.Commands() {
						if !yield(c.Name) {
							return
						}
					}
				})
				values = append(values, names, blocks)
			}
			require.Equal(t, values[0], values[2])
			require.Equal(t, values[1], values[3])
		})
	})
}

func runPrograms(t *testing.T, conn qmp.Conn) {
	ctx := t.Context()
	t.Run("events", func(t *testing.T) {
		all := conn.Events("STOP", "RESUME")
		defer all.Close()
		stops := qmp.Subscribe[qemu.StopEvent](conn)
		defer stops.Close()
		require.NoError(t, qemu.Stop{}.Do(ctx, conn))
		_, err := stops.Next(ctx)
		require.NoError(t, err)
		status, err := qemu.QueryStatus{}.Do(ctx, conn)
		require.NoError(t, err)
		require.Equal(t, qemu.RunStatePaused, status.Status)
		require.NoError(t, qemu.Cont{}.Do(ctx, conn))
		require.Equal(t, "STOP", nextOf(t, all).Name)
		resumed := nextOf(t, all)
		require.Equal(t, "RESUME", resumed.Name)
		require.WithinDuration(t, time.Now(), resumed.Time, time.Minute)
	})
	t.Run("refusals", func(t *testing.T) {
		_, err := qmp.Raw{Command: "no-such-command"}.Do(ctx, conn)
		require.ErrorIs(t, err, qmp.ErrCommandNotFound)
		err = qemu.BlockdevDel{NodeName: "none"}.Do(ctx, conn)
		refused, ok := errors.AsType[*qmp.Error](err)
		require.True(t, ok, "%v", err)
		require.Contains(t, refused.Desc, "none")
	})
	t.Run("objects", func(t *testing.T) {
		types := map[string]bool{}
		for o, err := range qom.Walk(ctx, conn, "/machine") {
			require.NoError(t, err)
			types[o.Type] = true
		}
		require.Contains(t, types, "virtio-scsi-pci")
	})
	t.Run("schema", func(t *testing.T) {
		missing, err := qmpschema.Missing(ctx, conn, qemu.BlockdevMirror{}, qemu.QueryStatus{})
		require.NoError(t, err)
		require.Empty(t, missing)
		checked := qmpschema.CheckedConn(conn)
		_, err = qemu.QueryStatus{}.Do(ctx, checked)
		require.NoError(t, err)
		_, err = qmp.Raw{Command: "blockdev-add", Args: qmp.Args{"driver": "null-co", "no-such-member": 1}}.Do(ctx, checked)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.ErrorIs(t, err, qmp.ErrNotSent)
	})
	t.Run("migration", func(t *testing.T) {
		_, err := migration.Query(ctx, conn)
		require.NoError(t, err)
	})
	t.Run("job", func(t *testing.T) {
		for _, name := range []string{"from", "to"} {
			require.NoError(t, addNull(ctx, conn, name, 64<<20))
			defer func() { require.NoError(t, qemu.BlockdevDel{NodeName: name}.Do(ctx, conn)) }()
		}
		var last job.Progress
		mirror := qemu.BlockdevMirror{Device: "from", Target: "to", Sync: qemu.MirrorSyncModeFull}
		require.NoError(t, job.Run(ctx, conn, "mirror1", &mirror, func(p job.Progress) { last = p }))
		require.Equal(t, last.Total, last.Current)
		require.NotZero(t, last.Total)
	})
	t.Run("disk by a descriptor", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "hidden.img") // the machine does not see this folder
		require.NoError(t, os.WriteFile(path, make([]byte, 1<<20), 0o600))
		vm := hotplug.New(conn, nil)
		require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "data1", Driver: "scsi-hd", Backend: hotplug.File{Path: path}}))
		_, err := vm.RemoveDisk(ctx, "data1")
		require.NoError(t, err)
	})
	t.Run("descriptor", func(t *testing.T) {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		require.NoError(t, qemu.GetFD{FDName: "pipe"}.Do(ctx, conn, qmp.WithFile(w)))
		require.NoError(t, w.Close())
		require.Error(t, qemu.GetFD{FDName: "0bad"}.Do(ctx, conn, qmp.WithFile(r)))
		require.NoError(t, qemu.CloseFD{FDName: "pipe"}.Do(ctx, conn))
		_, err = r.Read(make([]byte, 1)) // ends only if QEMU has closed its copy
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, r.Close())
	})
}

// TestLibvirtFdset passes an image in a set of descriptors, opens it as a block node and lets QEMU close it.
func TestLibvirtFdset(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
		ctx := t.Context()
		vm := machineOf(t, d, dialReal(t, d, nil), libvirttest.Machine{Name: "vm1"}).AllowUntracked()
		path := filepath.Join(t.TempDir(), "hidden.img") // the machine does not see this folder
		require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("data"), 1<<18), 0o600))
		image, err := os.Open(path)
		require.NoError(t, err)
		defer image.Close()

		added, err := qemu.AddFD{FDSetID: new(int64(7)), Opaque: &path}.Do(ctx, vm, qmp.WithFile(image))
		require.NoError(t, err)
		require.Equal(t, int64(7), added.FDSetID)
		_, err = qemu.AddFD{FDSetID: new(int64(-1))}.Do(ctx, vm, qmp.WithFile(image)) // the next getfd must not get this file
		_, refused := errors.AsType[*qmp.Error](err)
		require.True(t, refused, "%v", err)
		require.ErrorIs(t, qemu.GetFD{FDName: "none"}.Do(ctx, vm), qmp.ErrGeneric)

		require.NoError(t, qemu.BlockdevAdd{Driver: qemu.BlockdevDriverFile, NodeName: new("n1"), ReadOnly: new(true),
			Branch: &qemu.BlockdevOptionsFile{Filename: "/dev/fdset/7"}}.Do(ctx, vm))
		nodes, err := qemu.QueryNamedBlockNodes{}.Do(ctx, vm)
		require.NoError(t, err)
		i := slices.IndexFunc(nodes, func(n qemu.BlockDeviceInfo) bool { return n.NodeName != nil && *n.NodeName == "n1" })
		require.NotEqual(t, -1, i)
		require.Equal(t, int64(1<<20), nodes[i].Image.VirtualSize)

		require.NoError(t, qemu.BlockdevDel{NodeName: "n1"}.Do(ctx, vm))
		require.NoError(t, qemu.RemoveFD{FDSetID: 7}.Do(ctx, vm))
		sets, err := qemu.QueryFDSets{}.Do(ctx, vm)
		require.NoError(t, err)
		require.Empty(t, sets)
	})
}

// addNull adds a block node that reads zeros and forgets what is written.
func addNull(ctx context.Context, conn qmp.Executor, name string, size int64) error {
	return qemu.BlockdevAdd{Driver: qemu.BlockdevDriverNullCo, NodeName: &name, Branch: &qemu.BlockdevOptionsNull{Size: &size}}.Do(ctx, conn)
}

// TestLibvirtRefusesUntracked shows that a plain Domain keeps a machine restorable.
func TestLibvirtRefusesUntracked(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
		vm := machineOf(t, d, dialReal(t, d, nil), libvirttest.Machine{Name: "vm1"})
		err := addNull(t.Context(), vm, "n1", 1<<20)
		require.ErrorIs(t, err, qmplibvirt.ErrUntracked)
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.NoError(t, addNull(t.Context(), vm.AllowUntracked(), "n1", 1<<20))
	})
}

// TestLibvirtAgent takes the errors of an agent that is missing, or does not answer.
func TestLibvirtAgent(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
		conn := dialReal(t, d, nil)
		none := machineOf(t, d, conn, libvirttest.Machine{Name: "none"})
		err := guest.GuestPing{}.Do(t.Context(), none.Guest())
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.ErrorIs(t, err, qmp.ErrNotSent)

		mute := machineOf(t, d, conn, libvirttest.Machine{Name: "mute", Agent: true})
		err = guest.GuestPing{}.Do(t.Context(), mute.Guest())
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
		refused, ok := errors.AsType[*qmplibvirt.Error](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, 86, refused.Code)

		require.NoError(t, qemu.Stop{}.Do(t.Context(), mute))
		require.ErrorIs(t, guest.GuestPing{}.Do(t.Context(), mute.Guest()), qmp.ErrNotSent) // the machine is paused
	})
}

// TestLibvirtGuest works in a guest.
func TestLibvirtGuest(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
		vm := machineOf(t, d, dialReal(t, d, nil), libvirttest.Machine{Name: "vm1", Guest: true})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		for { // until the agent runs
			err := guest.GuestPing{}.Do(ctx, vm.Guest())
			if err == nil {
				break
			}
			refused, ok := errors.AsType[*qmplibvirt.Error](err)
			require.True(t, ok && refused.Code == 86, "%v", err)
			time.Sleep(100 * time.Millisecond)
		}
		agent := guestagent.New(vm.Guest(), nil)
		defer agent.Close()
		require.NoError(t, agent.WriteFile(ctx, "/tmp/greeting", []byte("hello\n"), 0o666))
		result, err := agent.Run(ctx, guestagent.Command{Path: "/bin/busybox", Args: []string{"cat", "/tmp/greeting"}})
		require.NoError(t, err)
		require.Equal(t, "hello\n", string(result.Stdout))

		_, err = qmp.Raw{Command: "no-such-command"}.Do(ctx, vm.Guest())
		require.ErrorContains(t, err, "The command no-such-command has not been found")
		_, isRefusal := errors.AsType[*qmp.Error](err)
		require.Equal(t, d.Version != "9.0", isRefusal, "%v", err)
		require.Equal(t, d.Version == "9.0", errors.Is(err, qmp.ErrOutcomeUnknown), "%v", err)
		require.NotErrorIs(t, err, qmp.ErrCommandNotFound) // libvirt does not pass on the class
	})
}

// TestLibvirtDisks looks at the disks of a machine, and backs one up, as on its own monitor.
func TestLibvirtDisks(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
		image := filepath.Join(d.Dir, "disk.img")
		require.NoError(t, os.WriteFile(image, bytes.Repeat([]byte("data"), 1<<18), 0o600))
		vm := machineOf(t, d, dialReal(t, d, nil), libvirttest.Machine{Name: "vm1", Disk: image})
		direct, err := qmp.Dial(t.Context(), d.Monitor("vm1"), nil)
		require.NoError(t, err)
		defer direct.Close()
		want, err := block.New(direct).Disks(t.Context())
		require.NoError(t, err)
		require.Len(t, want, 1)
		got, err := block.New(vm).Disks(t.Context())
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.Equal(t, want[0].ID, got[0].ID)
		require.Equal(t, want[0].Size(), got[0].Size())

		backup := filepath.Join(d.Dir, "backup.img")
		require.NoError(t, os.WriteFile(backup, nil, 0o600))
		require.NoError(t, os.Truncate(backup, 1<<20))
		_, err = block.New(vm.AllowUntracked()).Copy(t.Context(), got[0].ID, block.Target{Backend: hotplug.File{Path: backup}}, nil)
		require.NoError(t, err)
		copied, err := os.ReadFile(backup)
		require.NoError(t, err)
		require.True(t, bytes.Equal(bytes.Repeat([]byte("data"), 1<<18), copied))
	})
}
