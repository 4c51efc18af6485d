package hotplug_test

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// vhostUser is a disk of a server of vhost-user.
func vhostUser(id, socket string) hotplug.Disk {
	return hotplug.Disk{ID: id, Backend: server(socket)}
}

// server is a server of vhost-user.
func server(socket string) hotplug.VhostUser {
	return hotplug.VhostUser{Server: &qemu.UnixSocketAddress{Path: socket}}
}

// addsVhostUser is addsDisk for one, which has other steps.
func addsVhostUser(disk hotplug.Disk) addition {
	op := addsDisk(disk)
	op.commands = []string{"chardev-add", "device_add"}
	return op
}

func TestVhostUserDisk(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	require.NoError(t, vm.AddDisk(t.Context(), vhostUser("d", "/run/d")))
	require.JSONEq(t, `{"driver":"vhost-user-blk-pci","id":"d","chardev":"d-chardev"}`, argumentsOf(m, "device_add"))
	require.JSONEq(t, `{"id":"d-chardev","backend":{"type":"socket","data":{"server":false,"addr":{"type":"unix","data":{"path":"/run/d"}}}}}`,
		argumentsOf(m, "chardev-add"))
	require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
	require.Empty(t, m.State())
}

func TestVhostUserDiskFaults(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			m := fakeqemu.New(t)
			faultsAtEveryStep(t, m.Dial(), fault, addsVhostUser(vhostUser("d", "/run/d")), m.State)
		})
	}
	queues := server("/run/d")
	queues.Queues = -1
	for want, disk := range map[string]hotplug.Disk{
		"VhostUser needs a Server":   {Backend: hotplug.VhostUser{}},
		"holds a nil pointer":        {Backend: hotplug.VhostUser{Server: (*qemu.UnixSocketAddress)(nil)}},
		"must not be negative":       {Backend: queues},
		"\"chardev\", which follows": {Backend: server("/run/d"), Props: qmp.Args{"chardev": "x"}},
	} {
		m := fakeqemu.New(t)
		disk.ID = "d"
		require.ErrorContains(t, hotplug.New(m.Dial(), nil).AddDisk(t.Context(), disk), want)
		require.Empty(t, m.Requests())
	}
}

// TestVhostUserDiskQueues has a number of queues that is the caller's.
func TestVhostUserDiskQueues(t *testing.T) {
	m := fakeqemu.New(t)
	backend := server("/run/d")
	backend.Queues = 4
	disk := hotplug.Disk{ID: "d", Backend: backend, Driver: "vhost-user-blk-ccw", Props: qmp.Args{"bootindex": 1}}
	vm := hotplug.New(m.Dial(), nil)
	require.NoError(t, vm.AddDisk(t.Context(), disk))
	require.JSONEq(t, `{"driver":"vhost-user-blk-ccw","id":"d","chardev":"d-chardev","num-queues":4,"bootindex":1}`, argumentsOf(m, "device_add"))
	disk.Props["num-queues"] = 2
	require.ErrorContains(t, vm.AddDisk(t.Context(), disk), `"num-queues", which follows`)
}

// TestVhostUserDiskOfOthers finds the names in use, and devices that are no disks.
func TestVhostUserDiskOfOthers(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	require.NoError(t, vm.AddDisk(ctx, memory("n")))
	require.ErrorIs(t, vm.AddDisk(ctx, vhostUser("n", "/run/n")), hotplug.ErrExists)

	add := func(id string) {
		_, err := qemu.ChardevAdd{ID: id, Backend: *client("/run/x")}.Do(ctx, c)
		require.NoError(t, err)
	}
	for _, id := range []string{"d-chardev", "e-chardev", "x"} {
		add(id)
	}
	require.ErrorIs(t, vm.AddDisk(ctx, vhostUser("d", "/run/d")), hotplug.ErrExists)
	fs := qemu.DeviceAdd{Driver: "vhost-user-fs-pci", ID: new("e"), Props: qmp.Args{"chardev": "e-chardev"}}
	require.NoError(t, fs.Do(ctx, c))
	before := m.State()
	require.ErrorIs(t, errorOf(vm.RemoveDisk(ctx, "e")), hotplug.ErrNotDisk)
	require.Equal(t, before, m.State())
	blk := qemu.DeviceAdd{Driver: "vhost-user-blk-pci", ID: new("f"), Props: qmp.Args{"chardev": "x"}}
	for range 2 {
		require.NoError(t, blk.Do(ctx, c))
		kept, err := vm.RemoveDisk(ctx, "f")
		require.NoError(t, err)
		require.Equal(t, []hotplug.Kept{{What: "character device", Name: "x", Err: hotplug.ErrNotOurs}}, kept)
		require.Equal(t, before, m.State())
	}
	require.NoError(t, blk.Do(ctx, c))
	require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")), "what is left of one is its connection")
	require.NotContains(t, m.State(), "chardev d-chardev")

	m.Handle("query-chardev", qmptest.Refuse(qmp.ErrGeneric, "not now"))
	require.ErrorContains(t, vm.AddDisk(ctx, vhostUser("g", "/run/g")), "not now")
	m.Handle("qom-get", func(r *qmptest.Request) (any, error) {
		var args struct{ Path, Property string }
		if err := r.Decode(&args); err != nil || args.Property == "drive" {
			return nil, &qmp.Error{Class: qmp.ErrGeneric, Desc: "no such property"}
		}
		r.Disconnect()
		return nil, nil
	})
	require.ErrorIs(t, errorOf(vm.RemoveDisk(ctx, "f")), qmp.ErrOutcomeUnknown)
}

// vhostUserDisks have a real server, the same for QEMUs of all versions.
func vhostUserDisks(t *testing.T, qvm *qemutest.VM, c *qmp.Client) {
	socket := filepath.Join(t.TempDir(), "s")
	storage := qemutest.Get(t, "10.0").StartStorage(t, "--blockdev", "file,node-name=f,filename="+image(t),
		"--export", "vhost-user-blk,id=e,node-name=f,writable=on,addr.type=unix,addr.path="+socket)
	storage.Dial(t) // which it answers when it exports
	ctx := limit(t)
	vm := hotplug.New(c, nil)
	state := func() (all []string) {
		chardevs, err := qemu.QueryChardev{}.Do(t.Context(), c)
		require.NoError(t, err)
		for _, chardev := range chardevs {
			all = append(all, chardev.Label)
		}
		slices.Sort(all)
		return append(all, stateOf(t, c)...)
	}
	before, fds := state(), qemuFds(t, qvm)
	backend := server(socket)
	backend.Queues = 1
	require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: backend}))
	require.NoError(t, qvm.WaitGuestSees(ctx, regexp.MustCompile(`blk=vda `)))
	queues, err := qemu.QOMGet{Path: "/machine/peripheral/d", Property: "num-queues"}.Do(ctx, c)
	require.NoError(t, err)
	require.JSONEq(t, "1", string(queues))
	require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))
	require.NoError(t, qvm.WaitGuestSees(ctx, regexp.MustCompile(`blk= `)))
	require.Equal(t, before, state())
	require.Equal(t, fds, qemuFds(t, qvm))

	for _, fault := range []fakeqemu.Fault{fakeqemu.Refused, fakeqemu.LostAfter} {
		faultsAtEveryStep(t, c, fault, addsVhostUser(vhostUser("d", socket)), state)
	}
	require.Equal(t, fds, qemuFds(t, qvm))

	err = vm.AddDisk(ctx, vhostUser("d", socket+"x"))
	require.ErrorIs(t, err, qmp.ErrGeneric)
	require.Equal(t, before, state())
}

// TestTwoManagersOfChardevs has another manager add a character device with the same ID, after AddDisk and others have looked
// for one.
func TestTwoManagersOfChardevs(t *testing.T) {
	for name, add := range map[string]func(ctx context.Context, vm *hotplug.VM) error{
		"disk": func(ctx context.Context, vm *hotplug.VM) error { return vm.AddDisk(ctx, vhostUser("d", "/run/d")) },
		"NIC": func(ctx context.Context, vm *hotplug.VM) error {
			return vm.AddNIC(ctx, hotplug.NIC{ID: "d", Backend: server("/run/d")})
		},
		"port": func(ctx context.Context, vm *hotplug.VM) error {
			return vm.AddDevice(ctx, hotplug.Device{ID: "d", Backend: hotplug.Chardev{Options: qemu.ChardevBackend{Branch: &qemu.ChardevPTY{}}}})
		},
	} {
		m := fakeqemu.New(t)
		m.Intercept("chardev-add", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
			_, err := machine(r)
			require.NoError(t, err)
			return machine(r)
		})
		require.ErrorIs(t, add(t.Context(), hotplug.New(m.Dial(), nil)), hotplug.ErrExists, name)
		require.Equal(t, []string{"chardev d-chardev"}, m.State(), name)
	}
}

// lost is a connection that loses a command, and calls a function instead.
type lost struct {
	*qmp.Client
	command string
	instead func()
}

func (l lost) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command != l.command {
		return l.Client.Execute(ctx, call)
	}
	l.instead()
	return fmt.Errorf("%w: %w", qmp.ErrOutcomeUnknown, context.Canceled)
}

// TestChardevOfAnotherManager stays if its device uses it, and undoing does not wait for it.
func TestChardevOfAnotherManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		c := pipe(t, m, nil)
		port := hotplug.Device{ID: "d", Backend: listen("/run/agent")}
		conn := lost{c, "chardev-add", func() { require.NoError(t, hotplug.New(c, nil).AddDevice(t.Context(), port)) }}
		err := hotplug.New(conn, nil).AddDevice(t.Context(), port)
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
		require.NotErrorAs(t, err, new(*hotplug.RollbackError))
		require.Equal(t, []string{"chardev d-chardev", "device d"}, m.State())
	})
}
