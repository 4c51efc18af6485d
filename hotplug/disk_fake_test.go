package hotplug_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// image makes a file for a disk.
func image(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Truncate(path, 1<<20))
	return path
}

// memory is a disk without a file, for connections that take no descriptors.
func memory(id string) hotplug.Disk {
	return hotplug.Disk{ID: id, Backend: hotplug.Blockdev{Options: *nullNode()}}
}

func nullNode() *qemu.BlockdevOptions {
	return &qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsNull{}, Driver: qemu.BlockdevDriverNullCo}
}

// openedBy is a disk whose files a function opens.
func openedBy(disk hotplug.Disk, open func(string, int) (*os.File, error)) hotplug.Disk {
	switch backend := disk.Backend.(type) {
	case hotplug.File:
		backend.Open = open
		disk.Backend = backend
	case hotplug.Blockdev:
		backend.Open = open
		disk.Backend = backend
	}
	return disk
}

// pipe connects to the machine in memory, so that time can be a bubble's.
func pipe(t *testing.T, m *fakeqemu.Machine, opts *qmp.Options) *qmp.Client {
	t.Helper()
	c, err := qmp.NewClient(t.Context(), m.Pipe(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestAddAndRemove(t *testing.T) {
	qemutest.CheckFds(t)
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()

	require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "a", Backend: hotplug.File{Path: image(t)}}))
	require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "b", Backend: hotplug.File{Path: image(t), AutoReadOnly: true}}))
	require.NoError(t, vm.AddDisk(ctx, memory("c")))
	require.Equal(t, []string{
		"device a", "device b", "device c",
		"fdset 0 qmpkit:a", "fdset 1 qmpkit:b",
		"node a", "node b", "node c",
	}, m.State())

	for _, id := range []string{"b", "a", "c"} {
		require.NoError(t, errorOf(vm.RemoveDisk(ctx, id)))
	}
	require.Empty(t, m.State())
	require.NoError(t, errorOf(vm.RemoveDisk(ctx, "a")), "what is gone can be removed")
}

// TestRequests compares what is sent for a disk.
func TestRequests(t *testing.T) {
	path := image(t)
	for _, c := range []struct {
		name         string
		file         hotplug.File
		disk         hotplug.Disk
		node, device string
	}{
		{"plain", hotplug.File{}, hotplug.Disk{},
			`{"driver":"file","node-name":"d","cache":{"direct":false},"read-only":false,"auto-read-only":false,"filename":"/dev/fdset/0"}`,
			`{"driver":"virtio-blk-pci","id":"d","drive":"d"}`},
		{"read-only, of a bus", hotplug.File{ReadOnly: true},
			hotplug.Disk{Driver: "scsi-hd", Bus: "scsi0.0", Props: qmp.Args{"scsi-id": 1, "lun": 2}},
			`{"driver":"file","node-name":"d","cache":{"direct":false},"read-only":true,"auto-read-only":false,"filename":"/dev/fdset/0"}`,
			`{"driver":"scsi-hd","bus":"scsi0.0","id":"d","drive":"d","lun":2,"scsi-id":1}`},
		{"auto-read-only, without a write cache", hotplug.File{AutoReadOnly: true, WriteCache: new(false)}, hotplug.Disk{},
			`{"driver":"file","node-name":"d","cache":{"direct":false},"read-only":false,"auto-read-only":false,"filename":"/dev/fdset/0"}`,
			`{"driver":"virtio-blk-pci","id":"d","drive":"d","write-cache":"off"}`},
		{"raw, with a write cache", hotplug.File{Format: "raw", WriteCache: new(true)}, hotplug.Disk{},
			`{"driver":"file","node-name":"d","cache":{"direct":false},"read-only":false,"auto-read-only":false,"filename":"/dev/fdset/0"}`,
			`{"driver":"virtio-blk-pci","id":"d","drive":"d","write-cache":"on"}`},
		{"qcow2", hotplug.File{Format: "qcow2", ReadOnly: true, AutoReadOnly: true}, hotplug.Disk{},
			`{"driver":"qcow2","node-name":"d","cache":{"direct":false},"read-only":true,"auto-read-only":true,"file":` +
				`{"driver":"file","cache":{"direct":false},"read-only":true,"auto-read-only":false,"filename":"/dev/fdset/0"}}`,
			`{"driver":"virtio-blk-pci","id":"d","drive":"d"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := fakeqemu.New(t)
			disk := c.disk
			c.file.Path = path
			disk.ID, disk.Backend = "d", &c.file // a pointer is as good as the value
			require.NoError(t, hotplug.New(m.Dial(), nil).AddDisk(t.Context(), disk))
			sent := map[string]string{}
			for _, r := range m.Requests() {
				sent[r.Command] = string(r.Arguments)
			}
			require.JSONEq(t, c.node, sent["blockdev-add"])
			require.JSONEq(t, c.device, sent["device_add"])
		})
	}
}

// TestNodeIsTheCallers makes sure that the caller's tree of nodes is not changed.
func TestNodeIsTheCallers(t *testing.T) {
	disk := memory("d")
	require.NoError(t, hotplug.New(fakeqemu.New(t).Dial(), nil).AddDisk(t.Context(), disk))
	require.Nil(t, disk.Backend.(hotplug.Blockdev).Options.NodeName)
}

func TestDiskFaults(t *testing.T) {
	path := image(t)
	for _, c := range []struct {
		name string
		disk hotplug.Disk
		want string
	}{
		{"no ID", hotplug.Disk{Backend: hotplug.File{Path: path}}, "needs an ID"},
		{"ID of a digit", hotplug.Disk{ID: "1", Backend: hotplug.File{Path: path}}, "ID must begin with a letter"},
		{"ID with a blank", hotplug.Disk{ID: "a b", Backend: hotplug.File{Path: path}}, "ID must begin with a letter"},
		{"ID that ends QEMU 5.2", hotplug.Disk{ID: "type", Backend: hotplug.File{Path: path}}, `ID must not be "type"`},
		{"long ID", hotplug.Disk{ID: "a2345678901234567890123456789012", Backend: hotplug.File{Path: path}}, "at most 31"},
		{"nothing", hotplug.Disk{ID: "d"}, `hotplug: add disk "d": needs a Backend`},
		{"a pointer to nothing", hotplug.Disk{ID: "d", Backend: (*hotplug.File)(nil)}, `hotplug: add disk "d": needs a Backend`},
		{"no Path", hotplug.Disk{ID: "d", Backend: hotplug.File{}}, "File needs a Path"},
		{"no File", hotplug.Disk{ID: "d", Backend: hotplug.Descriptor{}}, "Descriptor needs a File"},
		{"no Name", hotplug.Disk{ID: "d", Backend: hotplug.Node{}}, "Node needs a Name"},
		{"two names of the node", hotplug.Disk{ID: "d", NodeName: "f", Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{NodeName: new("e")}}}, `NodeName is "f", and Options has "e"`},
		{"wrong name of the node", hotplug.Disk{ID: "d", NodeName: "1", Backend: hotplug.File{Path: path}}, "NodeName must begin with a letter"},
		{"long name of the node", hotplug.Disk{ID: "d", NodeName: "a2345678901234567890123456789012", Backend: hotplug.File{Path: path}}, "NodeName has 32 bytes"},
		{"name for the node of others", hotplug.Disk{ID: "d", NodeName: "e", Backend: hotplug.Node{Name: "e"}}, "AddDisk adds no node"},
		{"name for no node", hotplug.Disk{ID: "d", NodeName: "e", Backend: server("/s")}, "AddDisk adds no node"},
		{"wrong ID of the character device", hotplug.Disk{ID: "d", Backend: hotplug.VhostUser{Server: server("/s").Server, ChardevID: "a:b"}}, "ChardevID must begin with a letter"},
		{"drive", hotplug.Disk{ID: "d", Backend: hotplug.File{Path: path}, Props: qmp.Args{"drive": "x"}}, "follows from other fields"},
		{"no such file", hotplug.Disk{ID: "d", Backend: hotplug.File{Path: path + "x"}}, "no such file"},
		{"folder", hotplug.Disk{ID: "d", Backend: hotplug.File{Path: filepath.Dir(path)}}, "neither a file nor a block device"},
		{"character device", hotplug.Disk{ID: "d", Backend: hotplug.File{Path: os.DevNull}}, "neither a file nor a block device"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := fakeqemu.New(t)
			err := hotplug.New(m.Dial(), nil).AddDisk(t.Context(), c.disk)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, fmt.Sprintf("hotplug: add disk %q: ", c.disk.ID))
			require.Empty(t, m.Requests())
		})
	}
}

// TestPropertyThatCannotBeSent is undone like everything else.
func TestPropertyThatCannotBeSent(t *testing.T) {
	qemutest.CheckFds(t)
	m := fakeqemu.New(t)
	err := hotplug.New(m.Dial(), nil).AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}, Props: qmp.Args{"id": "e"}})
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.Empty(t, m.State())
}

// TestNoDescriptors is for a connection that takes none.
func TestNoDescriptors(t *testing.T) {
	qemutest.CheckFds(t)
	m := fakeqemu.New(t)
	err := hotplug.New(pipe(t, m, nil), nil).AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}})
	require.ErrorContains(t, err, "files need a UNIX socket")
	require.Empty(t, m.State())
}

// TestIDInUse leaves alone what is there.
func TestIDInUse(t *testing.T) {
	ctx := t.Context()
	for _, what := range []string{"device", "node"} {
		t.Run(what, func(t *testing.T) {
			m := fakeqemu.New(t)
			c := m.Dial()
			switch what {
			case "device":
				require.NoError(t, qemu.DeviceAdd{Driver: "e1000", ID: new("d")}.Do(ctx, c))
			case "node":
				require.NoError(t, qemu.BlockdevAdd{NodeName: new("d"), Branch: &qemu.BlockdevOptionsNull{}, Driver: "null-co"}.Do(ctx, c))
			}
			before := m.State()
			err := hotplug.New(c, nil).AddDisk(ctx, hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}})
			require.ErrorIs(t, err, hotplug.ErrExists)
			require.Equal(t, before, m.State())
		})
	}
}

// TestDescriptorsWithoutADisk has descriptors that an addition has left that was cut off. They go with the disk.
func TestDescriptorsWithoutADisk(t *testing.T) {
	m := fakeqemu.New(t)
	c := m.Dial()
	f, err := os.Open(image(t))
	require.NoError(t, err)
	defer f.Close()
	for _, opaque := range []string{"qmpkit:d:d:1", "qmpkit:e:e:1"} {
		_, err = qemu.AddFD{Opaque: new(opaque)}.Do(t.Context(), c, qmp.WithFile(f))
		require.NoError(t, err)
	}
	vm := hotplug.New(c, nil)
	require.NoError(t, vm.AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}}))
	require.Equal(t, []string{"device d", "fdset 0 qmpkit:d", "fdset 1 qmpkit:e", "fdset 2 qmpkit:d", "node d"}, m.State())
	require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
	require.Equal(t, []string{"fdset 1 qmpkit:e"}, m.State())
}

// TestStoppedMachine is one of those that close no descriptors while they are stopped.
func TestStoppedMachine(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	disk := hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}}

	m.Stop(true)
	bad := disk
	bad.Props = qmp.Args{"driver": "twice"}
	err := vm.AddDisk(ctx, bad)
	var rollback *hotplug.RollbackError
	require.ErrorAs(t, err, &rollback)
	require.Equal(t, []string{"descriptors of d"}, rollback.Left)
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorIs(t, err, hotplug.ErrDescriptorsKept)
	require.Equal(t, []string{"fdset 0 qmpkit:d"}, m.State())

	require.NoError(t, vm.AddDisk(ctx, disk), "they are in nobody's way")
	require.ErrorIs(t, errorOf(vm.RemoveDisk(ctx, "d")), hotplug.ErrDescriptorsKept)
	require.Equal(t, []string{"fdset 0 qmpkit:d", "fdset 1 qmpkit:d"}, m.State())

	m.Stop(false)
	require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))
	require.Empty(t, m.State())
}

// TestDescriptorsKeptAlone has descriptors that cannot be taken back, and secrets that can.
func TestDescriptorsKeptAlone(t *testing.T) {
	m := fakeqemu.New(t)
	m.Stop(true)
	var o opening
	err := hotplug.New(m.Dial(), nil).AddDisk(t.Context(), hotplug.Disk{
		ID: "d", Backend: hotplug.Blockdev{Options: *luks(image(t), hotplug.SecretID("d", "key")), Open: o.open, Secrets: map[string][]byte{"key": []byte("a")}},
		Props: qmp.Args{"driver": "twice"},
	})
	var rollback *hotplug.RollbackError
	require.ErrorAs(t, err, &rollback)
	require.Equal(t, []string{"descriptors of d"}, rollback.Left)
	require.Equal(t, []string{"fdset 0 qmpkit:d"}, m.State())
}

// TestFaultsAtEveryStep lets each command of AddDisk go wrong in each way. Either the disk is
// there, and there was no error, or nothing is.
func TestFaultsAtEveryStep(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			qemutest.CheckFds(t)
			m := fakeqemu.New(t)
			disk := hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t), AutoReadOnly: true}}
			faultsAtEveryStep(t, m.Dial(), fault, addsDisk(disk), m.State)
		})
	}
}

// An addition is an operation that adds, and the one that removes.
type addition struct {
	add, remove func(ctx context.Context, vm *hotplug.VM) error
	commands    []string // the least that adding takes
}

// addsDisk is AddDisk for one of an image.
func addsDisk(disk hotplug.Disk) addition {
	return addition{
		add:      func(ctx context.Context, vm *hotplug.VM) error { return vm.AddDisk(ctx, disk) },
		remove:   func(ctx context.Context, vm *hotplug.VM) error { return errorOf(vm.RemoveDisk(ctx, disk.ID)) },
		commands: []string{"add-fd", "blockdev-add", "device_add"},
	}
}

// faultsAtEveryStep checks an addition with a fault at its first command, its second, and so on
// until there is none at the place. state tells what there is.
func faultsAtEveryStep(t *testing.T, c *qmp.Client, fault fakeqemu.Fault, op addition, state func() []string) {
	before := state()
	remove := func() {
		require.NotEqual(t, before, state())
		require.NoError(t, op.remove(t.Context(), hotplug.New(c, nil)))
		require.Equal(t, before, state())
	}
	met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
		return op.add(ctx, hotplug.New(conn, nil))
	}, func(command string, err error) {
		if fault == fakeqemu.Refused && err == nil { // this is the answer
			require.Contains(t, []string{"qom-get", "closefd", "object-del", "human-monitor-command"}, command) // or it was tried again
			remove()
			return
		}
		require.Error(t, err, command)
		require.NotErrorAs(t, err, new(*hotplug.RollbackError), command)
		require.Equal(t, before, state(), command)
	})
	require.NoError(t, err)
	remove()
	for _, command := range op.commands {
		require.Contains(t, met, command)
	}
}

// TestConnectionLost has nobody left to undo anything: the error says what may be left.
func TestConnectionLost(t *testing.T) {
	qemutest.CheckFds(t)
	for command, left := range map[string][]string{
		"blockdev-add": {"node d", "descriptors of d"},
		"device_add":   {"device d", "node d", "descriptors of d"},
	} {
		t.Run(command, func(t *testing.T) {
			m := fakeqemu.New(t)
			c := m.Dial()
			m.Handle(command, func(r *qmptest.Request) (any, error) {
				r.Disconnect()
				return nil, nil
			})
			err := hotplug.New(c, nil).AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}})
			var rollback *hotplug.RollbackError
			require.ErrorAs(t, err, &rollback)
			require.Equal(t, left, rollback.Left)
			require.ErrorIs(t, rollback.Err, qmp.ErrOutcomeUnknown)
			require.ErrorIs(t, rollback.Undo, qmp.ErrNotSent)
			require.ErrorContains(t, err, "undo failed: ")
			require.True(t, qmp.MayHaveExecuted(err), "though what should have undone it was not sent")

			// Another connection finds it, and takes away what is left.
			again := hotplug.New(m.Dial(), nil)
			require.NoError(t, errorOf(again.RemoveDisk(t.Context(), "d")))
			require.Empty(t, m.State())
		})
	}
}

// TestRollbackOfDevice has a guest that does not let go of the device that is to be undone.
func TestRollbackOfDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		m.SetGuest(fakeqemu.Deaf)
		c := pipe(t, m, nil)
		ctx, cancel := context.WithCancel(t.Context())
		const deviceAdd = 2 // after blockdev-add and query-target
		conn := &fakeqemu.Faulty{Client: c, Fault: fakeqemu.LostAfter, At: deviceAdd, Cancel: cancel}
		start := time.Now()
		err := hotplug.New(conn, nil).AddDisk(ctx, memory("d"))
		require.Equal(t, "device_add", conn.Met)
		require.Equal(t, 30*time.Second, time.Since(start))

		var rollback *hotplug.RollbackError
		require.ErrorAs(t, err, &rollback)
		require.Equal(t, []string{"device d", "node d"}, rollback.Left)
		require.ErrorIs(t, rollback.Err, context.Canceled)
		require.ErrorIs(t, rollback.Undo, hotplug.ErrUnplugPending)
		require.Equal(t, []string{"device d", "node d"}, m.State())
	})
}

// TestOneAtATime has an operation wait for another on the same ID, and give up.
func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		m.SetGuest(fakeqemu.Deaf)
		c := pipe(t, m, nil)
		vm := hotplug.New(c, nil)
		require.NoError(t, vm.AddDisk(t.Context(), memory("a")))
		removed := make(chan error, 1)
		go func() { removed <- errorOf(vm.RemoveDisk(t.Context(), "a")) }()
		synctest.Wait()

		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, vm.AddDisk(short, memory("a")), context.DeadlineExceeded)
		require.ErrorIs(t, vm.AddDisk(short, memory("b")), context.DeadlineExceeded, "when it has ended before")

		added := make(chan error, 1)
		go func() { added <- vm.AddDisk(t.Context(), memory("a")) }()
		synctest.Wait()
		require.Empty(t, added)
		require.NoError(t, qemu.SystemReset{}.Do(t.Context(), c))
		require.NoError(t, <-removed)
		require.NoError(t, <-added)
		require.Equal(t, []string{"device a", "node a"}, m.State())
	})
}
