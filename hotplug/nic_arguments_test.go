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
	for _, c := range []struct {
		name string
		nic  hotplug.NIC
		want string
	}{
		{"no ID", hotplug.NIC{Backend: hotplug.Netdev{Options: *user}}, "needs an ID"},
		{"ID with a blank", hotplug.NIC{ID: "a b", Backend: hotplug.Netdev{Options: *user}}, "ID must begin with a letter"},
		{"nothing", hotplug.NIC{ID: "d"}, "needs a Backend"},
		{"a pointer to nothing", hotplug.NIC{ID: "d", Backend: (*hotplug.Tap)(nil)}, "needs a Backend"},
		{"two IDs of the netdev", hotplug.NIC{ID: "d", NetdevID: "f", Backend: hotplug.Netdev{Options: qemu.Netdev{ID: "e", Branch: &qemu.NetdevUserOptions{}}}}, `NetdevID is "f", and Options has "e"`},
		{"wrong ID of the netdev", hotplug.NIC{ID: "d", NetdevID: "/", Backend: userNet("d").Backend}, "NetdevID must begin with a letter"},
		{"Netdev without a type", hotplug.NIC{ID: "d", Backend: hotplug.Netdev{Options: qemu.Netdev{}}}, "discriminator"},
		{"Netdev that is nothing", hotplug.NIC{ID: "d", Backend: hotplug.Netdev{Options: qemu.Netdev{Branch: (*qemu.NetdevTapOptions)(nil)}}}, "Branch holds a nil pointer"},
		{"netdev", hotplug.NIC{ID: "d", Backend: hotplug.Netdev{Options: *user}, Props: qmp.Args{"netdev": "x"}}, "follows from other fields"},
		{"mac", hotplug.NIC{ID: "d", Backend: hotplug.Netdev{Options: *user}, Props: qmp.Args{"mac": "x"}}, "follows from other fields"},
		{"ROM and none", hotplug.NIC{ID: "d", Backend: hotplug.Netdev{Options: *user}, NoROM: true, Props: qmp.Args{"romfile": "x"}}, "NoROM excludes"},
		{"too few Vhost", hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps, Vhost: vhost[:1]}}, "1 Vhost for 2 Queues"},
		{"too many Taps", hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: many}}, "at most 256"},
		{"a tap twice", hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: []*os.File{taps[0], taps[0]}}}, "Queues[1] is given twice"},
		{"a vhost twice", hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps, Vhost: []*os.File{vhost[0], vhost[0]}}}, "Vhost[1] is given twice"},
		{"no Queues", hotplug.NIC{ID: "d", Backend: hotplug.Tap{}}, "Tap needs Queues"},
		{"no vDPA", hotplug.NIC{ID: "d", Backend: hotplug.VhostVDPA{}}, "VhostVDPA needs a File"},
		{"vDPA of a few queues", hotplug.NIC{ID: "d", Backend: hotplug.VhostVDPA{File: vhost[0], Queues: -1}}, "must not be negative"},
		{"no Server", hotplug.NIC{ID: "d", Backend: hotplug.VhostUser{}}, "VhostUser needs a Server"},
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
		{"tun", []tap{{"tun0", 1 | hotplug.IffNoPI}}, "Queues[0] is a tun"},
		{"header", []tap{{"tap0", hotplug.IffTap}}, "IFF_NO_PI"},
		{"not of several", []tap{good, {"tap0", queueFlags &^ hotplug.IffMultiQueue}}, "Queues[1] is not one of several queues"},
		{"two interfaces", []tap{good, {"tap1", queueFlags}}, "Queues[1] is of interface tap1, and Queues[0] of tap0"},
		{"vnet header of one", []tap{good, {"tap0", queueFlags &^ hotplug.IffVnetHdr}}, "differ in IFF_VNET_HDR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var queues []*os.File
			kernel := map[*os.File]tap{}
			for _, tap := range c.taps {
				f := devNull(t)
				kernel[f] = tap
				queues = append(queues, f)
			}
			hotplug.FakeTaps(t, func(f *os.File) (string, uint16) { return kernel[f].name, kernel[f].flags })
			m := fakeqemu.New(t)
			nic := hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: queues}}
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
		require.ErrorContains(t, vm.AddNIC(t.Context(), hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: files}}), "Queues[0] is not a tap")
	}
	hotplug.FakeTaps(t, func(*os.File) (string, uint16) { return "tap0", queueFlags })
	require.ErrorContains(t, vm.AddNIC(t.Context(), hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: null, Vhost: null}}), "Vhost[0] is not a vhost device")
	require.ErrorContains(t, vm.AddNIC(t.Context(), hotplug.NIC{ID: "d", Backend: hotplug.VhostVDPA{File: null[0]}}), "File is not a vhost device")
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
		require.NoError(t, errorOf(vm.RemoveNIC(t.Context(), "d")))
	}
	with := tap(qemu.NetdevTapOptions{Vhost: new(true), VhostFD: new("mine")})
	hotplug.FakeVhost(t, os.DevNull+"/none")
	require.ErrorContains(t, vm.AddNIC(t.Context(), with), "'mine' has not been found", "it is not opened")
}
