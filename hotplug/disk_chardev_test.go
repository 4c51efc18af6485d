package hotplug_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"testing"

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
	return hotplug.Disk{ID: id, Chardev: &qemu.ChardevBackend{Branch: &qemu.ChardevSocket{
		Server: new(false),
		Addr:   qemu.SocketAddressLegacy{Branch: &qemu.UnixSocketAddress{Path: socket}},
	}}}
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
	require.NoError(t, vm.RemoveDisk(t.Context(), "d"))
	require.Empty(t, m.State())
}

func TestVhostUserDiskFaults(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			m := fakeqemu.New(t)
			faultsAtEveryStep(t, m.Dial(), fault, addsVhostUser(vhostUser("d", "/run/d")), m.State)
		})
	}
	for name, disk := range map[string]hotplug.Disk{
		"one of Path, Node and Chardev": {Backend: hotplug.File{Path: "/x"}},
		"goes without Open":             {Backend: hotplug.File{WriteCache: new(true)}},
		"follows from other fields":     {Props: qmp.Args{"chardev": "x"}},
		"ReadOnly and AutoReadOnly go":  {Backend: hotplug.File{ReadOnly: true}},
		"Secrets go with Node":          {Secrets: map[string][]byte{"k": nil}},
	} {
		m := fakeqemu.New(t)
		disk.ID, disk.Chardev = "d", vhostUser("d", "/run/d").Chardev
		require.ErrorContains(t, hotplug.New(m.Dial(), nil).AddDisk(t.Context(), disk), name)
		require.Empty(t, m.Requests())
	}
}

// TestVhostUserDiskConnectsOnce refuses what QEMU would stand still for: a server of its own, which
// is what a socket without Server is, and a connection that is tried again.
func TestVhostUserDiskConnectsOnce(t *testing.T) {
	for name, change := range map[string]func(s *qemu.ChardevSocket){
		"its own server": func(s *qemu.ChardevSocket) { s.Server = new(true) },
		"by default":     func(s *qemu.ChardevSocket) { s.Server = nil },
		"again":          func(s *qemu.ChardevSocket) { s.ReconnectMs = new(int64(1000)) },
	} {
		t.Run(name, func(t *testing.T) {
			m := fakeqemu.New(t)
			disk := vhostUser("d", "/run/d")
			change(disk.Chardev.Branch.(*qemu.ChardevSocket))
			require.ErrorContains(t, hotplug.New(m.Dial(), nil).AddDisk(t.Context(), disk), "must connect once")
			require.Empty(t, m.Requests())
		})
	}
	vm := hotplug.New(fakeqemu.New(t).Dial(), nil)
	for _, branch := range []qemu.ChardevBackendBranch{nil, (*qemu.ChardevSocket)(nil), &qemu.ChardevHostdev{}} {
		err := vm.AddDisk(t.Context(), hotplug.Disk{ID: "d", Chardev: &qemu.ChardevBackend{Branch: branch}})
		require.ErrorContains(t, err, "not a socket")
	}
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
		_, err := qemu.ChardevAdd{ID: id, Backend: *vhostUser("", "/run/x").Chardev}.Do(ctx, c)
		require.NoError(t, err)
	}
	for _, id := range []string{"d-chardev", "e-chardev", "x"} {
		add(id)
	}
	require.ErrorIs(t, vm.AddDisk(ctx, vhostUser("d", "/run/d")), hotplug.ErrExists)
	for id, device := range map[string]qemu.DeviceAdd{
		"e": {Driver: "vhost-user-fs-pci", Props: qmp.Args{"chardev": "e-chardev"}},
		"f": {Driver: "vhost-user-blk-pci", Props: qmp.Args{"chardev": "x"}},
	} {
		device.ID = new(id)
		require.NoError(t, device.Do(ctx, c))
		before := m.State()
		require.ErrorIs(t, vm.RemoveDisk(ctx, id), hotplug.ErrNotDisk)
		require.Equal(t, before, m.State())
	}
	require.NoError(t, vm.RemoveDisk(ctx, "d"), "what is left of one is its connection")
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
	require.ErrorIs(t, vm.RemoveDisk(ctx, "f"), qmp.ErrOutcomeUnknown)
}

// vhostUserDisks have a real server, the same for QEMUs of all versions.
func vhostUserDisks(t *testing.T, qvm *qemutest.VM, c *qmp.Client) {
	socket := filepath.Join(t.TempDir(), "s")
	server := qemutest.Get(t, "10.0").StartStorage(t, "--blockdev", "file,node-name=f,filename="+image(t),
		"--export", "vhost-user-blk,id=e,node-name=f,writable=on,addr.type=unix,addr.path="+socket)
	server.Dial(t) // which it answers when it exports
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
	require.NoError(t, vm.AddDisk(ctx, vhostUser("d", socket)))
	require.NoError(t, qvm.WaitGuestSees(ctx, regexp.MustCompile(`blk=vda `)))
	require.NoError(t, vm.RemoveDisk(ctx, "d"))
	require.NoError(t, qvm.WaitGuestSees(ctx, regexp.MustCompile(`blk= `)))
	require.Equal(t, before, state())
	require.Equal(t, fds, qemuFds(t, qvm))

	for _, fault := range []fakeqemu.Fault{fakeqemu.Refused, fakeqemu.LostAfter} {
		faultsAtEveryStep(t, c, fault, addsVhostUser(vhostUser("d", socket)), state)
	}
	require.Equal(t, fds, qemuFds(t, qvm))

	err := vm.AddDisk(ctx, vhostUser("d", socket+"x"))
	require.ErrorIs(t, err, qmp.ErrGeneric)
	require.Equal(t, before, state())
}
