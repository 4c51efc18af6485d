package hotplug_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func TestNICArguments(t *testing.T) {
	taps, vhost := fakeTaps(t, 2)
	many, _ := fakeTaps(t, hotplug.MaxQueues+1)
	user := &qemu.Netdev{Branch: &qemu.NetdevUserOptions{}}
	vhostUser := func(chardev string) *qemu.Netdev {
		return &qemu.Netdev{Branch: &qemu.NetdevVhostUserOptions{Chardev: chardev}}
	}
	vdpa := func(o qemu.NetdevVhostVDPAOptions) *qemu.Netdev { return &qemu.Netdev{Branch: &o} }
	server, reconnects := client("/s"), client("/s")
	server.Branch.(*qemu.ChardevSocket).Server = nil
	reconnects.Branch.(*qemu.ChardevSocket).ReconnectMs = new(int64(1000))
	for _, c := range []struct {
		name string
		nic  hotplug.NIC
		want string
	}{
		{"no ID", hotplug.NIC{Backend: hotplug.Netdev{Options: *user}}, "needs an ID"},
		{"ID with a blank", hotplug.NIC{ID: "a b", Backend: hotplug.Netdev{Options: *user}}, "ID must begin with a letter"},
		{"neither", hotplug.NIC{ID: "d"}, "one of Taps and Netdev"},
		{"both", hotplug.NIC{ID: "d", Taps: taps, Netdev: user}, "one of Taps and Netdev"},
		{"Netdev of another ID", hotplug.NIC{ID: "d", Backend: hotplug.Netdev{Options: qemu.Netdev{ID: "e"}}}, "must be empty or that of the NIC"},
		{"Netdev without a type", hotplug.NIC{ID: "d", Backend: hotplug.Netdev{Options: qemu.Netdev{}}}, "discriminator"},
		{"Netdev that is nothing", hotplug.NIC{ID: "d", Backend: hotplug.Netdev{Options: qemu.Netdev{Branch: (*qemu.NetdevTapOptions)(nil)}}}, "Branch holds a nil pointer"},
		{"netdev", hotplug.NIC{ID: "d", Backend: hotplug.Netdev{Options: *user}, Props: qmp.Args{"netdev": "x"}}, "follows from other fields"},
		{"mac", hotplug.NIC{ID: "d", Backend: hotplug.Netdev{Options: *user}, Props: qmp.Args{"mac": "x"}}, "follows from other fields"},
		{"ROM and none", hotplug.NIC{ID: "d", Backend: hotplug.Netdev{Options: *user}, NoROM: true, Props: qmp.Args{"romfile": "x"}}, "NoROM excludes"},
		{"too few Vhost", hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps, Vhost: vhost[:1]}}, "1 Vhost for 2 Taps"},
		{"too many Taps", hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: many}}, "at most 256 queues"},
		{"a tap twice", hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: []*os.File{taps[0], taps[0]}}}, "Taps[1] is given twice"},
		{"a vhost twice", hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps, Vhost: []*os.File{vhost[0], vhost[0]}}}, "Vhost[1] is given twice"},
		{"Vhost and user", hotplug.NIC{ID: "d", Netdev: user, Vhost: vhost}, "Vhost goes with Taps"},
		{"two Vhost of one vDPA", hotplug.NIC{ID: "d", Netdev: vdpa(qemu.NetdevVhostVDPAOptions{}), Vhost: vhost}, "Vhost goes with Taps"},
		{"Vhost and Vhostdev", hotplug.NIC{ID: "d", Netdev: vdpa(qemu.NetdevVhostVDPAOptions{Vhostdev: new("x")}), Vhost: vhost[:1]}, "excludes"},
		{"Chardev and Taps", hotplug.NIC{ID: "d", Taps: taps, Chardev: client("/s")}, "goes with a Netdev of vhost-user"},
		{"Chardev and user", hotplug.NIC{ID: "d", Netdev: user, Chardev: client("/s")}, "goes with a Netdev of vhost-user"},
		{"two chardevs", hotplug.NIC{ID: "d", Netdev: vhostUser("c"), Chardev: client("/s")}, "it must be empty"},
		{"Chardev that is no socket", hotplug.NIC{ID: "d", Netdev: vhostUser(""), Chardev: &qemu.ChardevBackend{}}, "not a socket"},
		{"Chardev that waits", hotplug.NIC{ID: "d", Netdev: vhostUser(""), Chardev: server}, "QEMU would stop"},
		{"Chardev that tries again", hotplug.NIC{ID: "d", Netdev: vhostUser(""), Chardev: reconnects}, "QEMU would stop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := fakeqemu.New(t)
			err := hotplug.New(m.Dial(), nil).AddNIC(t.Context(), c.nic)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, fmt.Sprintf("hotplug: add NIC %q: ", c.nic.ID))
			require.Empty(t, m.Requests())
		})
	}
}

// TestTapsThatDoNotFit has the kernel tell of taps that QEMU would end at, or be deaf with.
func TestTapsThatDoNotFit(t *testing.T) {
	type tap struct {
		name  string
		flags uint16
	}
	good := tap{"tap0", queueFlags}
	for _, c := range []struct {
		name string
		taps []tap
		want string
	}{
		{"tun", []tap{{"tun0", 1 | hotplug.IffNoPI}}, "Taps[0] is a tun"},
		{"header", []tap{{"tap0", hotplug.IffTap}}, "IFF_NO_PI"},
		{"not of several", []tap{good, {"tap0", queueFlags &^ hotplug.IffMultiQueue}}, "Taps[1] is not one of several queues"},
		{"two interfaces", []tap{good, {"tap1", queueFlags}}, "Taps[1] is of interface tap1, and Taps[0] of tap0"},
		{"vnet header of one", []tap{good, {"tap0", queueFlags &^ hotplug.IffVnetHdr}}, "differ in IFF_VNET_HDR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			nic := hotplug.NIC{ID: "d"}
			kernel := map[*os.File]tap{}
			for _, tap := range c.taps {
				f := devNull(t)
				kernel[f] = tap
				nic.Taps = append(nic.Taps, f)
			}
			hotplug.FakeTaps(t, func(f *os.File) (string, uint16) { return kernel[f].name, kernel[f].flags })
			m := fakeqemu.New(t)
			require.ErrorContains(t, hotplug.New(m.Dial(), nil).AddNIC(t.Context(), nic), c.want)
			require.Empty(t, m.Requests())
		})
	}
}

// TestOtherFiles are no taps and not of vhost, which the kernel is asked.
func TestOtherFiles(t *testing.T) {
	null := []*os.File{devNull(t)}
	closed := devNull(t)
	closed.Close()
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	for _, files := range [][]*os.File{null, {closed}, {nil}} {
		require.ErrorContains(t, vm.AddNIC(t.Context(), hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: files}}), "Taps[0] is not a tap")
	}
	hotplug.FakeTaps(t, func(*os.File) (string, uint16) { return "tap0", queueFlags })
	require.ErrorContains(t, vm.AddNIC(t.Context(), hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: null, Vhost: null}}), "Vhost[0] is not of vhost")
	require.Empty(t, m.Requests())
}

// TestVhostThatQEMUWouldOpen is looked for before QEMU is asked.
func TestVhostThatQEMUWouldOpen(t *testing.T) {
	tap := func(o qemu.NetdevTapOptions) hotplug.NIC {
		return hotplug.NIC{ID: "d", Backend: hotplug.Netdev{Options: qemu.Netdev{Branch: &o}}}
	}
	wants := []hotplug.NIC{tap(qemu.NetdevTapOptions{Vhost: new(true)}), tap(qemu.NetdevTapOptions{Vhostforce: new(true)})}
	others := []hotplug.NIC{tap(qemu.NetdevTapOptions{}), tap(qemu.NetdevTapOptions{Vhost: new(false), Vhostforce: new(true)})}
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	hotplug.FakeVhost(t, os.DevNull+"/none")
	for _, nic := range wants {
		require.ErrorContains(t, vm.AddNIC(t.Context(), nic), "load vhost_net")
	}
	require.Empty(t, m.Requests())
	hotplug.FakeVhost(t, os.DevNull)
	for _, nic := range append(wants, others...) {
		require.NoError(t, vm.AddNIC(t.Context(), nic))
		require.NoError(t, vm.RemoveNIC(t.Context(), "d"))
	}
	with := tap(qemu.NetdevTapOptions{Vhost: new(true), VhostFD: new("mine")})
	hotplug.FakeVhost(t, os.DevNull+"/none")
	require.ErrorContains(t, vm.AddNIC(t.Context(), with), "'mine' has not been found", "it is not opened")
}
