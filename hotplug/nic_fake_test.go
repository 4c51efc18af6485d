package hotplug_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

const queueFlags = hotplug.IffTap | hotplug.IffNoPI | hotplug.IffVnetHdr | hotplug.IffMultiQueue

// fakeTaps makes files that pass for n queues of a tap, and for as many of vhost.
func fakeTaps(t *testing.T, n int) (taps, vhost []*os.File) {
	t.Helper()
	hotplug.FakeTaps(t, func(*os.File) (string, uint16) { return "tap0", queueFlags })
	hotplug.FakeVhost(t, os.DevNull)
	for range n {
		taps, vhost = append(taps, devNull(t)), append(vhost, devNull(t))
	}
	return taps, vhost
}

func devNull(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// userNet is a NIC without descriptors.
func userNet(id string) hotplug.NIC {
	return hotplug.NIC{ID: id, Backend: hotplug.Netdev{Options: qemu.Netdev{Branch: &qemu.NetdevUserOptions{}}}}
}

// client is a character device that connects to a socket.
func client(path string) *qemu.ChardevBackend {
	return &qemu.ChardevBackend{Branch: &qemu.ChardevSocket{
		Addr:   qemu.SocketAddressLegacy{Branch: &qemu.UnixSocketAddress{Path: path}},
		Server: new(false),
	}}
}

func TestAddAndRemoveNIC(t *testing.T) {
	qemutest.CheckFds(t)
	taps, vhost := fakeTaps(t, 2)
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()

	require.NoError(t, vm.AddNIC(ctx, hotplug.NIC{ID: "a", Backend: hotplug.Tap{Queues: taps, Vhost: vhost}}))
	require.NoError(t, vm.AddNIC(ctx, userNet("b")))
	require.NoError(t, vm.AddNIC(ctx, hotplug.NIC{ID: "c", Backend: server("/s")}))
	require.Equal(t, []string{"chardev c-chardev", "device a", "device b", "device c",
		"netdev a", "netdev b", "netdev c"}, m.State())
	for _, id := range []string{"b", "a", "c"} {
		require.NoError(t, errorOf(vm.RemoveNIC(ctx, id)))
	}
	require.Empty(t, m.State())
	require.NoError(t, errorOf(vm.RemoveNIC(ctx, "a")), "what is gone can be removed")
}

// TestNICRequests compares what is sent for a NIC.
func TestNICRequests(t *testing.T) {
	taps, vhost := fakeTaps(t, 3)
	one, three := taps[:1], taps
	netdev := func(branch qemu.NetdevBranch) *qemu.Netdev { return &qemu.Netdev{Branch: branch} }
	const plain = `{"driver":"virtio-net-pci","id":"d","netdev":"d"}`
	for _, c := range []struct {
		name           string
		nic            hotplug.NIC
		netdev, device string
	}{
		{"tap", hotplug.NIC{Backend: hotplug.Tap{Queues: one}}, `{"type":"tap","id":"d","fd":"d-0"}`, plain},
		{"tap and vhost, in a chroot", hotplug.NIC{Backend: hotplug.Tap{Queues: one, Vhost: vhost[:1]}, NoROM: true},
			`{"type":"tap","id":"d","fd":"d-0","vhost":true,"vhostfd":"d-0-vhost"}`,
			`{"driver":"virtio-net-pci","id":"d","netdev":"d","romfile":""}`},
		{"queues", hotplug.NIC{Backend: hotplug.Tap{Queues: three}, MAC: "52:54:00:12:34:56", Bus: "rp1"},
			`{"type":"tap","id":"d","fds":"d-0:d-1:d-2"}`,
			`{"driver":"virtio-net-pci","bus":"rp1","id":"d","mac":"52:54:00:12:34:56","mq":true,"netdev":"d","vectors":8}`},
		{"queues and vhost", hotplug.NIC{Backend: hotplug.Tap{Queues: three, Vhost: vhost}, Props: qmp.Args{"vectors": 20, "addr": "05"}},
			`{"type":"tap","id":"d","fds":"d-0:d-1:d-2","vhost":true,"vhostfds":"d-0-vhost:d-1-vhost:d-2-vhost"}`,
			`{"driver":"virtio-net-pci","addr":"05","id":"d","mq":true,"netdev":"d","vectors":20}`},
		{"queues of an older virtio", hotplug.NIC{Backend: hotplug.Tap{Queues: three}, Driver: "virtio-net-pci-transitional"},
			`{"type":"tap","id":"d","fds":"d-0:d-1:d-2"}`,
			`{"driver":"virtio-net-pci-transitional","id":"d","mq":true,"netdev":"d","vectors":8}`},
		{"queues of a device that is not PCI", hotplug.NIC{Backend: hotplug.Tap{Queues: three}, Driver: "virtio-net-ccw"},
			`{"type":"tap","id":"d","fds":"d-0:d-1:d-2"}`,
			`{"driver":"virtio-net-ccw","id":"d","mq":true,"netdev":"d"}`},
		{"user", hotplug.NIC{Backend: hotplug.Netdev{Options: qemu.Netdev{ID: "d", Branch: &qemu.NetdevUserOptions{Hostname: new("h")}}}, Driver: "e1000"},
			`{"type":"user","id":"d","hostname":"h"}`, `{"driver":"e1000","id":"d","netdev":"d"}`},
		{"vhost-user", hotplug.NIC{Backend: hotplug.VhostUser{Server: &qemu.UnixSocketAddress{Path: "/s"}, Queues: 2}},
			`{"type":"vhost-user","id":"d","chardev":"d-chardev","queues":2}`,
			`{"driver":"virtio-net-pci","id":"d","mq":true,"netdev":"d","vectors":6}`},
		{"vhost-vdpa", hotplug.NIC{Backend: hotplug.Netdev{Options: *netdev(&qemu.NetdevVhostVDPAOptions{Vhostdev: new("/dev/vhost-vdpa-0")})}},
			`{"type":"vhost-vdpa","id":"d","vhostdev":"/dev/vhost-vdpa-0"}`, plain},
		{"vhost-vdpa by a descriptor", hotplug.NIC{Backend: hotplug.VhostVDPA{File: vhost[0], Queues: 4}},
			`{"type":"vhost-vdpa","id":"d","vhostfd":"d-0-vhost","queues":4}`,
			`{"driver":"virtio-net-pci","id":"d","mq":true,"netdev":"d","vectors":10}`},
		{"tap that QEMU makes", hotplug.NIC{Backend: hotplug.Netdev{Options: *netdev(&qemu.NetdevTapOptions{Ifname: new("t0"), Queues: new(uint32(2)), Vhost: new(true)})}},
			`{"type":"tap","id":"d","ifname":"t0","queues":2,"vhost":true}`,
			`{"driver":"virtio-net-pci","id":"d","mq":true,"netdev":"d","vectors":6}`},
		{"tap of names that QEMU has", hotplug.NIC{Backend: hotplug.Netdev{Options: *netdev(&qemu.NetdevTapOptions{FDs: new("x:y")})}},
			`{"type":"tap","id":"d","fds":"x:y"}`,
			`{"driver":"virtio-net-pci","id":"d","mq":true,"netdev":"d","vectors":6}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := fakeqemu.New(t)
			conn := m.Dial()
			for _, name := range []string{"x", "y"} {
				require.NoError(t, qemu.GetFD{FDName: name}.Do(t.Context(), conn, qmp.WithFile(taps[0])))
			}
			nic := c.nic
			nic.ID = "d"
			require.NoError(t, hotplug.New(conn, nil).AddNIC(t.Context(), nic))
			sent := map[string]string{}
			for _, r := range m.Requests() {
				sent[r.Command] = string(r.Arguments)
			}
			require.JSONEq(t, c.netdev, sent["netdev_add"])
			require.JSONEq(t, c.device, sent["device_add"])
			if _, ok := nic.Backend.(hotplug.VhostUser); ok {
				require.JSONEq(t, `{"id":"d-chardev","backend":{"type":"socket","data":{"server":false,`+
					`"addr":{"type":"unix","data":{"path":"/s"}}}}}`, sent["chardev-add"])
			}
		})
	}
}

// TestNetdevIsTheCallers makes sure that the caller's netdev is not changed.
func TestNetdevIsTheCallers(t *testing.T) {
	vm := hotplug.New(fakeqemu.New(t).Dial(), nil)
	backend := hotplug.Netdev{Options: qemu.Netdev{Branch: &qemu.NetdevUserOptions{}}}
	require.NoError(t, vm.AddNIC(t.Context(), hotplug.NIC{ID: "a", Backend: &backend}))
	require.Equal(t, qemu.Netdev{Branch: &qemu.NetdevUserOptions{}}, backend.Options)
}

// nicFaults lets each command of AddNIC, which takes these at least, go wrong. Either the NIC is
// there, and there was no error, or nothing is. skip leaves alone commands of a name: a refusal can
// be an answer that is as good as another.
func nicFaults(t *testing.T, c *qmp.Client, fault fakeqemu.Fault, nic hotplug.NIC, skip string, state func() []string, commands ...string) {
	t.Helper()
	before := state()
	remove := func() {
		require.NotEqual(t, before, state())
		require.NoError(t, errorOf(hotplug.New(c, nil).RemoveNIC(t.Context(), nic.ID)))
		require.Equal(t, before, state())
	}
	met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
		return hotplug.New(&skipping{conn, skip}, nil).AddNIC(ctx, nic)
	}, func(command string, err error) {
		require.NotErrorAs(t, err, new(*hotplug.RollbackError), command)
		if err == nil {
			require.NotContains(t, commands, command)
			remove()
		}
		require.Equal(t, before, state(), command)
	})
	require.NoError(t, err)
	remove()
	for _, command := range commands {
		require.Contains(t, met, command)
	}
}

// skipping is a connection on which commands of a name do not go wrong.
type skipping struct {
	*fakeqemu.Faulty
	command string
}

func (s *skipping) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command == s.command {
		return s.Client.Execute(ctx, call)
	}
	return s.Faulty.Execute(ctx, call)
}

// TestNICFaultsAtEveryStep lets each command of AddNIC go wrong in each way.
func TestNICFaultsAtEveryStep(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			qemutest.CheckFds(t)
			taps, vhost := fakeTaps(t, 2)
			m := fakeqemu.New(t)
			c := m.Dial()
			require.NoError(t, hotplug.New(c, nil).AddNIC(t.Context(), userNet("other")))
			nicFaults(t, c, fault, hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps, Vhost: vhost}}, "", m.State, "getfd", "netdev_add", "device_add")
			user := hotplug.NIC{ID: "d", Backend: server("/s")}
			nicFaults(t, c, fault, user, "", m.State, "chardev-add", "netdev_add", "device_add")
		})
	}
}

// TestNICRemovalCutOff lets the commands of RemoveNIC go wrong: the first ones, and some of those
// that close descriptors. Calling it again finishes.
func TestNICRemovalCutOff(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			qemutest.CheckFds(t)
			taps, vhost := fakeTaps(t, 2)
			m := fakeqemu.New(t)
			c := m.Dial()
			var met []string
			for at := range 8 {
				require.NoError(t, hotplug.New(c, nil).AddNIC(t.Context(), hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps, Vhost: vhost}}))
				met = append(met, removeFaulty(t, c, fault, at))
				require.Empty(t, m.State())
			}
			require.Equal(t, []string{"qom-get", "qom-list", "qom-get", "qom-get", "qom-list", "device_del", "qom-get", "netdev_del"}, met)

			met = nil
			for at := range 10 { // with nothing there but what an addition has left that was cut off
				for i := range taps {
					require.NoError(t, qemu.GetFD{FDName: fmt.Sprint("d-", i)}.Do(t.Context(), c, qmp.WithFile(taps[i])))
					require.NoError(t, qemu.GetFD{FDName: fmt.Sprintf("d-%d-vhost", i)}.Do(t.Context(), c, qmp.WithFile(vhost[i])))
				}
				_, err := qemu.ChardevAdd{ID: "d-chardev", Backend: *client("/s")}.Do(t.Context(), c)
				require.NoError(t, err)
				met = append(met, removeFaulty(t, c, fault, at))
				require.Empty(t, m.State())
			}
			require.Equal(t, []string{"qom-get", "qom-list", "qom-list", "qom-list", "qom-list", "netdev_del",
				"closefd", "closefd", "closefd", "closefd"}, met)
		})
	}
}

// removeFaulty removes the NIC d with a fault at a command, which it returns, and then without.
func removeFaulty(t *testing.T, c *qmp.Client, fault fakeqemu.Fault, at int) (met string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	conn := &fakeqemu.Faulty{Client: c, Fault: fault, At: at, Cancel: cancel}
	_, _ = hotplug.New(conn, nil).RemoveNIC(ctx, "d") // a refusal can mean that there is nothing
	require.NoError(t, errorOf(hotplug.New(c, nil).RemoveNIC(t.Context(), "d")))
	return conn.Met
}

// TestNICConnectionLost has nobody left to undo anything. Another connection finds what is left.
func TestNICConnectionLost(t *testing.T) {
	qemutest.CheckFds(t)
	taps, vhost := fakeTaps(t, 1)
	for command, left := range map[string][]string{
		"getfd":      {"descriptor d-0"},
		"netdev_add": {"netdev d", "descriptor d-0-vhost", "descriptor d-0"},
		"device_add": {"device d", "netdev d", "descriptor d-0-vhost", "descriptor d-0"},
	} {
		t.Run(command, func(t *testing.T) {
			m := fakeqemu.New(t)
			c := m.Dial()
			m.Handle(command, func(r *qmptest.Request) (any, error) {
				for _, f := range r.Files {
					_ = f.Close()
				}
				r.Disconnect()
				return nil, nil
			})
			err := hotplug.New(c, nil).AddNIC(t.Context(), hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps, Vhost: vhost}})
			var rollback *hotplug.RollbackError
			require.ErrorAs(t, err, &rollback)
			require.Equal(t, left, rollback.Left)
			require.ErrorIs(t, rollback.Err, qmp.ErrOutcomeUnknown)
			require.ErrorIs(t, rollback.Undo, qmp.ErrNotSent)
			require.NoError(t, errorOf(hotplug.New(m.Dial(), nil).RemoveNIC(t.Context(), "d")))
			require.Empty(t, m.State())
		})
	}
}

// TestHalfMadeNetdev has a QEMU that makes some of the queues and refuses: nothing can remove them.
func TestHalfMadeNetdev(t *testing.T) {
	taps, _ := fakeTaps(t, 2)
	m := fakeqemu.New(t)
	refusal := &qmp.Error{Class: qmp.ErrGeneric, Desc: "the second is bad"}
	m.Handle("netdev_add", func(*qmptest.Request) (any, error) { return nil, refusal })
	c := m.Dial()
	vm := hotplug.New(c, nil)
	nic := hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps}}
	err := vm.AddNIC(t.Context(), nic)
	require.ErrorContains(t, err, "the second is bad")
	require.NotErrorAs(t, err, new(*hotplug.RollbackError), "QEMU has none")

	var made atomic.Bool
	m.Intercept("netdev_add", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
		if _, err := machine(r); err != nil { // there is one
			return nil, err
		}
		made.Store(true)
		return nil, refusal
	})
	err = vm.AddNIC(t.Context(), nic)
	var rollback *hotplug.RollbackError
	require.ErrorAs(t, err, &rollback)
	require.Equal(t, []string{"netdev d"}, rollback.Left)
	require.ErrorContains(t, err, "cannot remove them")
	require.ErrorIs(t, err, qmp.ErrGeneric)
	require.Equal(t, []string{"netdev d"}, m.State())
	err = vm.AddNIC(t.Context(), nic)
	require.ErrorIs(t, err, hotplug.ErrExists)
	require.NotErrorAs(t, err, &rollback)
	require.Equal(t, []string{"netdev d"}, m.State(), "the descriptors are taken back")

	require.NoError(t, qemu.NetdevDel{ID: "d"}.Do(t.Context(), c))
	made.Store(false)
	m.Handle("closefd", func(r *qmptest.Request) (any, error) {
		if made.Load() {
			r.Disconnect()
		}
		return nil, &qmp.Error{Class: qmp.ErrGeneric, Desc: "none"}
	})
	err = vm.AddNIC(t.Context(), nic)
	require.ErrorAs(t, err, &rollback)
	require.Equal(t, []string{"netdev d", "descriptor d-1", "descriptor d-0"}, rollback.Left, "with what cannot be taken back either")
	require.ErrorIs(t, rollback.Err, qmp.ErrGeneric)
	require.ErrorContains(t, rollback.Undo, "cannot remove them")
	require.ErrorIs(t, rollback.Err, qmp.ErrOutcomeUnknown)
}

// TestNICInUse leaves alone what is there.
func TestNICInUse(t *testing.T) {
	ctx := t.Context()
	netdev := qemu.NetdevAdd{ID: "d", Branch: &qemu.NetdevUserOptions{}}
	for name, before := range map[string]func(c *qmp.Client) error{
		"device": func(c *qmp.Client) error { return qemu.DeviceAdd{Driver: "e1000", ID: new("d")}.Do(ctx, c) },
		"netdev": func(c *qmp.Client) error { return netdev.Do(ctx, c) },
		"netdev of another": func(c *qmp.Client) error {
			return errors.Join(netdev.Do(ctx, c), qemu.DeviceAdd{Driver: "e1000", ID: new("e"), Props: qmp.Args{"netdev": "d"}}.Do(ctx, c))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := fakeqemu.New(t)
			c := m.Dial()
			require.NoError(t, before(c))
			state := m.State()
			require.ErrorIs(t, hotplug.New(c, nil).AddNIC(ctx, userNet("d")), hotplug.ErrExists)
			require.Equal(t, state, m.State())
		})
	}
}

func TestRemoveIsForNICs(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	require.NoError(t, vm.AddDisk(ctx, memory("disk")))
	require.NoError(t, qemu.NetdevAdd{ID: "net", Branch: &qemu.NetdevUserOptions{}}.Do(ctx, c))
	require.NoError(t, qemu.DeviceAdd{Driver: "e1000", ID: new("nic"), Props: qmp.Args{"netdev": "net"}}.Do(ctx, c))
	before := m.State()
	require.ErrorIs(t, errorOf(vm.RemoveNIC(ctx, "disk")), hotplug.ErrNotNIC)
	require.ErrorIs(t, errorOf(vm.RemoveDisk(ctx, "nic")), hotplug.ErrNotDisk)
	require.ErrorContains(t, errorOf(vm.RemoveNIC(ctx, "../x")), "ID must begin with a letter")
	kept, err := vm.RemoveNIC(ctx, "net") // a device uses the netdev
	require.ErrorIs(t, err, hotplug.ErrInUse)
	require.Len(t, kept, 1)
	require.Equal(t, `netdev "net": device /machine/peripheral/nic uses a netdev with this ID`, kept[0].String())
	require.Equal(t, before, m.State())

	kept, err = vm.RemoveNIC(ctx, "nic")
	require.NoError(t, err)
	require.Equal(t, []hotplug.Kept{{What: "netdev", Name: "net", Err: hotplug.ErrNotOurs}}, kept)
	require.NoError(t, errorOf(vm.RemoveNIC(ctx, "nic", hotplug.WithNetdev("net"))))
	require.Equal(t, []string{"device disk", "node disk"}, m.State())
}

// TestNICWithoutANetdev is removed, and the netdev of its name that another uses is not.
func TestNICWithoutANetdev(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	m.Handle("qom-get", func(r *qmptest.Request) (any, error) {
		var args struct{ Path, Property string }
		err := r.Decode(&args)
		if strings.HasSuffix(args.Path, "/other") {
			return "d", err
		}
		return "", err
	})
	require.NoError(t, qemu.DeviceAdd{Driver: "e1000", ID: new("d")}.Do(ctx, c))
	require.NoError(t, errorOf(vm.RemoveNIC(ctx, "d")))
	require.Empty(t, m.State())

	require.NoError(t, qemu.DeviceAdd{Driver: "e1000", ID: new("d")}.Do(ctx, c))
	require.NoError(t, qemu.DeviceAdd{Driver: "e1000", ID: new("other")}.Do(ctx, c))
	kept, err := vm.RemoveNIC(ctx, "d")
	require.ErrorIs(t, err, hotplug.ErrInUse)
	require.Len(t, kept, 1)
	require.Equal(t, []string{"device other"}, m.State())
}

// TestNICThatTheGuestKeeps is there, with all that belongs to it, until the guest lets go of it.
func TestNICThatTheGuestKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		c := pipe(t, m, nil)
		vm := hotplug.New(c, nil)
		require.NoError(t, vm.AddNIC(t.Context(), userNet("d")))
		before := m.State()

		m.SetGuest(fakeqemu.Refusing)
		require.ErrorIs(t, errorOf(vm.RemoveNIC(t.Context(), "d")), hotplug.ErrUnplugRefused)
		require.Equal(t, before, m.State())

		m.SetGuest(fakeqemu.Deaf)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, errorOf(vm.RemoveNIC(short, "d")), hotplug.ErrUnplugPending)
		require.Equal(t, before, m.State())

		time.AfterFunc(time.Second, func() { _ = qemu.SystemReset{}.Do(t.Context(), c) })
		require.NoError(t, errorOf(hotplug.New(c, nil).RemoveNIC(t.Context(), "d")))
		require.Empty(t, m.State())
	})
}

// TestNetdevThatQEMUKeeps is told as it is.
func TestNetdevThatQEMUKeeps(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	require.NoError(t, vm.AddNIC(t.Context(), userNet("d")))
	m.Handle("netdev_del", func(*qmptest.Request) (any, error) {
		return nil, &qmp.Error{Class: qmp.ErrGeneric, Desc: "Device 'd' is not a netdev"}
	})
	require.ErrorContains(t, errorOf(vm.RemoveNIC(t.Context(), "d")), "is not a netdev")
	require.Equal(t, []string{"netdev d"}, m.State())
}

// TestDescriptorsWithoutANIC takes away what additions of more queues have left that were cut off.
func TestDescriptorsWithoutANIC(t *testing.T) {
	taps, vhost := fakeTaps(t, 5)
	m := fakeqemu.New(t)
	c := m.Dial()
	for i := range taps {
		require.NoError(t, qemu.GetFD{FDName: fmt.Sprint("d-", i)}.Do(t.Context(), c, qmp.WithFile(taps[i])))
	}
	require.NoError(t, qemu.GetFD{FDName: "d-2-vhost"}.Do(t.Context(), c, qmp.WithFile(vhost[2])))
	vm := hotplug.New(c, nil)
	require.NoError(t, vm.AddNIC(t.Context(), hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps[:2], Vhost: vhost[:2]}}))
	require.Equal(t, []string{"device d", "netdev d"}, m.State())
}

// TestChardevOfOthers has one with the name that a NIC's would have. AddNIC leaves it alone, and
// RemoveNIC takes it for what is left of the NIC, unless something uses it.
func TestChardevOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		m := fakeqemu.New(t)
		c := pipe(t, m, nil)
		vm := hotplug.New(c, nil)
		_, err := qemu.ChardevAdd{ID: "d-chardev", Backend: *client("/others")}.Do(ctx, c)
		require.NoError(t, err)
		nic := hotplug.NIC{ID: "d", Backend: server("/s")}
		require.ErrorIs(t, vm.AddNIC(ctx, nic), hotplug.ErrExists)
		require.Equal(t, []string{"chardev d-chardev"}, m.State())

		user := qemu.DeviceAdd{Driver: "usb-serial", ID: new("user"), Props: qmp.Args{"chardev": "d-chardev"}}
		require.NoError(t, user.Do(ctx, c))
		start := time.Now()
		require.ErrorIs(t, errorOf(vm.RemoveNIC(ctx, "d")), hotplug.ErrInUse)
		require.Less(t, time.Since(start), 11*time.Second)
		require.Equal(t, []string{"chardev d-chardev", "device user"}, m.State())

		require.NoError(t, errorOf(vm.RemoveDevice(ctx, "user")))
		require.NoError(t, errorOf(vm.RemoveNIC(ctx, "d")))
		require.Empty(t, m.State())
		require.NoError(t, vm.AddNIC(ctx, nic))
	})
}
