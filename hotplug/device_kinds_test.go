package hotplug_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func object(kind qemu.ObjectType, branch qemu.ObjectOptionsBranch) hotplug.Object {
	return hotplug.Object{Options: qemu.ObjectOptions{QOMType: kind, Branch: branch}}
}

var rng = object(qemu.ObjectTypeRNGBuiltin, &qemu.RNGProperties{})

// A kindOfDevice is a device with a backend of a kind, and what adds it.
type kindOfDevice struct {
	device   hotplug.Device
	commands []string
	want     string   // the arguments of device_add
	parts    []string // what there is with the device
}

func kindsOfDevices(f *os.File) map[string]kindOfDevice {
	socket := &qemu.UnixSocketAddress{Path: "/run/s"}
	return map[string]kindOfDevice{
		"virtiofs": {
			hotplug.Device{Backend: hotplug.VirtioFS{Tag: "share", Server: socket, Queues: 2}, Bus: "rp1", Props: qmp.Args{"queue-size": 512}},
			[]string{"query-target", "qom-get", "query-memdev", "query-chardev", "chardev-add", "device_add"},
			`{"driver":"vhost-user-fs-pci","id":"d","bus":"rp1","chardev":"d-chardev","tag":"share","num-request-queues":2,"queue-size":512}`,
			[]string{"chardev d-chardev"},
		},
		"vhost-user": {
			hotplug.Device{Driver: "vhost-user-vsock-pci", Backend: server("/run/s")},
			[]string{"qom-get", "query-memdev", "query-chardev", "chardev-add", "device_add"},
			`{"driver":"vhost-user-vsock-pci","id":"d","chardev":"d-chardev"}`,
			[]string{"chardev d-chardev"},
		},
		"port": {
			hotplug.Device{Backend: listen("/run/agent"), Props: qmp.Args{"name": "org.qemu.guest_agent.0"}},
			[]string{"query-chardev", "chardev-add", "device_add"},
			`{"driver":"virtserialport","id":"d","chardev":"d-chardev","name":"org.qemu.guest_agent.0"}`,
			[]string{"chardev d-chardev"},
		},
		"port with a socket of the caller": {
			hotplug.Device{Driver: "virtconsole", Backend: hotplug.Chardev{File: f, Options: qemu.ChardevBackend{Branch: &qemu.ChardevSocket{Server: new(true)}}}},
			[]string{"getfd", "query-chardev", "chardev-add", "device_add"},
			`{"driver":"virtconsole","id":"d","chardev":"d-chardev"}`,
			[]string{"chardev d-chardev"},
		},
		"rng": {
			hotplug.Device{Backend: rng},
			[]string{"query-target", "object-add", "device_add"},
			`{"driver":"virtio-rng-pci","id":"d","rng":"d-object"}`,
			[]string{"object d-object"},
		},
		"rng of a file": {
			hotplug.Device{Backend: object("", &qemu.RNGRandomProperties{Filename: new("/dev/urandom")})},
			[]string{"query-target", "object-add", "device_add"},
			`{"driver":"virtio-rng-pci","id":"d","rng":"d-object"}`,
			[]string{"object d-object"},
		},
		"crypto": {
			hotplug.Device{Backend: object(qemu.ObjectTypeCryptodevBackendBuiltin, &qemu.CryptodevBackendProperties{})},
			[]string{"query-target", "object-add", "device_add"},
			`{"driver":"virtio-crypto-pci","id":"d","cryptodev":"d-object"}`,
			[]string{"object d-object"},
		},
		"controller with a thread": {
			hotplug.Device{Driver: "virtio-scsi-pci", Backend: object(qemu.ObjectTypeIOThread, &qemu.IOThreadProperties{})},
			[]string{"object-add", "device_add"},
			`{"driver":"virtio-scsi-pci","id":"d","iothread":"d-object"}`,
			[]string{"object d-object"},
		},
		"vsock": {
			hotplug.Device{Driver: "vhost-vsock-pci", Backend: hotplug.Descriptors{"vhostfd": f}, Props: qmp.Args{"guest-cid": 5}},
			[]string{"getfd", "device_add"},
			`{"driver":"vhost-vsock-pci","id":"d","guest-cid":5,"vhostfd":"d-0-fd"}`,
			nil,
		},
		"usb-host": {
			hotplug.Device{Backend: hotplug.HostUSB{File: f}, Bus: "usb.0"},
			[]string{"add-fd", "device_add"},
			`{"driver":"usb-host","id":"d","bus":"usb.0","hostdevice":"/dev/fdset/0"}`,
			[]string{"fdset 0 qmpkit-device:d"},
		},
		"pointer": {
			hotplug.Device{Backend: &hotplug.HostUSB{File: f}},
			[]string{"add-fd", "device_add"},
			`{"driver":"usb-host","id":"d","hostdevice":"/dev/fdset/0"}`,
			[]string{"fdset 0 qmpkit-device:d"},
		},
	}
}

// TestKindsOfDevices adds a device with each kind of backend, and removes it: from another process, when a step of it
// fails, and when it is partly gone.
func TestKindsOfDevices(t *testing.T) {
	hotplug.FakeVhost(t, "")
	hotplug.FakeUSB(t)
	f := opened(t, image(t), os.O_RDWR)
	for name, kind := range kindsOfDevices(f) {
		kind.device.ID = "d"
		op := addsDevice(kind.device)
		op.commands = nil
		for _, command := range kind.commands {
			if !strings.HasPrefix(command, "q") { // the others look
				op.commands = append(op.commands, command)
			}
		}
		t.Run(name, func(t *testing.T) {
			m := fakeqemu.New(t)
			ctx := t.Context()
			c := m.Dial()
			require.NoError(t, hotplug.New(c, nil).AddDevice(ctx, kind.device))
			var sent []string
			for _, r := range m.Requests() {
				sent = append(sent, r.Command)
			}
			require.Equal(t, kind.commands, sent)
			require.JSONEq(t, kind.want, argumentsOf(m, "device_add"))
			all := append([]string{"device d"}, kind.parts...)
			require.ElementsMatch(t, all, m.State())
			vm := hotplug.New(c, nil)
			require.ErrorIs(t, vm.AddDevice(ctx, kind.device), hotplug.ErrExists)
			require.ErrorIs(t, vm.AddDevice(ctx, hotplug.Device{ID: "d", Driver: "usb-tablet"}), hotplug.ErrExists)
			require.ElementsMatch(t, all, m.State())
			require.NoError(t, errorOf(vm.RemoveDevice(ctx, "d")))
			require.Empty(t, m.State())
			require.NoError(t, errorOf(vm.RemoveDevice(ctx, "d")), "what is gone can be removed")
		})
		for _, fault := range fakeqemu.Faults {
			t.Run(name+", "+string(fault), func(t *testing.T) {
				m := fakeqemu.New(t)
				faultsAtEveryStep(t, m.Dial(), fault, op, m.State)
			})
			if slices.Contains(kind.commands, "getfd") || slices.Contains(kind.commands, "add-fd") {
				continue // a pipe does not take files
			}
			removal := []string{"device_del"}
			for add, remove := range map[string]string{"chardev-add": "chardev-remove", "object-add": "object-del"} {
				if slices.Contains(kind.commands, add) {
					removal = append(removal, remove)
				}
			}
			t.Run(name+", removed, "+string(fault), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					removalFaults(t, fakeqemu.New(t), fault, op, removal...)
				})
			})
		}
	}
}

// TestDevicesThatAreInvalid are refused before anything is sent.
func TestDevicesThatAreInvalid(t *testing.T) {
	f := opened(t, image(t), os.O_RDWR)
	socket := &qemu.UnixSocketAddress{Path: "/run/s"}
	queues := server("/run/s")
	queues.Queues = 2
	wait := listen("/run/s")
	wait.Options.Branch.(*qemu.ChardevSocket).Wait = new(true)
	for want, d := range map[string]hotplug.Device{
		"needs a Driver":                  {},
		"must have 1 to 36":               {Backend: hotplug.VirtioFS{Server: socket}},
		"37 bytes":                        {Backend: hotplug.VirtioFS{Server: socket, Tag: strings.Repeat("t", 37)}},
		"VhostUser needs a Server":        {Backend: hotplug.VirtioFS{Tag: "t"}},
		`Props has "tag"`:                 {Backend: hotplug.VirtioFS{Server: socket, Tag: "t"}, Props: qmp.Args{"tag": "u"}},
		"VhostUser has Queues":            {Driver: "vhost-user-scsi-pci", Backend: queues},
		"must not be negative":            {Driver: "x", Backend: hotplug.VhostUser{Server: socket, Reconnect: -1}},
		"needs a Driver ":                 {Backend: server("/run/s")},
		"Options: ":                       {Backend: hotplug.Chardev{}},
		"Options has Wait":                {Backend: wait},
		"Options must be a ChardevSocket": {Backend: hotplug.Chardev{File: f, Options: qemu.ChardevBackend{Branch: &qemu.ChardevPTY{}}}},
		"ChardevSocket without Addr":      {Backend: hotplug.Chardev{File: f, Options: listen("/run/s").Options}},
		`Props has "chardev"`:             {Backend: listen("/run/s"), Props: qmp.Args{"chardev": "c"}},
		`"secret": add this object`:       {Driver: "x", Backend: object(qemu.ObjectTypeSecret, &qemu.SecretProperties{Data: new("x")})},
		"ID of Options must begin with":   {Backend: hotplug.Object{Options: qemu.ObjectOptions{ID: "1", QOMType: qemu.ObjectTypeRNGBuiltin, Branch: &qemu.RNGProperties{}}}},
		`Props has "rng"`:                 {Backend: rng, Props: qmp.Args{"rng": "r"}},
		"Descriptors needs a file":        {Driver: "x", Backend: hotplug.Descriptors{}},
		`no file for "fd"`:                {Driver: "x", Backend: hotplug.Descriptors{"fd": nil}},
		"is not a vhost device":           {Driver: "x", Backend: hotplug.Descriptors{"vhostfd": f}},
		`Props has "fd"`:                  {Driver: "x", Backend: hotplug.Descriptors{"fd": f}, Props: qmp.Args{"fd": "v"}},
		"HostUSB needs a File":            {Backend: hotplug.HostUSB{}},
		"File is not a USB device":        {Backend: hotplug.HostUSB{File: f}},
		`Props has "bus"`:                 {Driver: "x", Props: qmp.Args{"bus": "b"}},
		"needs a Backend":                 {Driver: "x", Backend: (*hotplug.HostUSB)(nil)},
	} {
		m := fakeqemu.New(t)
		d.ID = "d"
		require.ErrorContains(t, hotplug.New(m.Dial(), nil).AddDevice(t.Context(), d), strings.TrimSpace(want))
		require.Empty(t, m.Requests(), want)
	}
}

// TestHostUSBAndOthers: a device is given in one way only.
func TestHostUSBAndOthers(t *testing.T) {
	hotplug.FakeUSB(t)
	m := fakeqemu.New(t)
	d := hotplug.Device{ID: "d", Backend: hotplug.HostUSB{File: opened(t, image(t), os.O_RDWR)}, Props: qmp.Args{"hostbus": 1}}
	require.ErrorContains(t, hotplug.New(m.Dial(), nil).AddDevice(t.Context(), d), `Props has "hostbus"`)
	require.Empty(t, m.Requests())
}

// TestDeviceOf: a request can be added as it is.
func TestDeviceOf(t *testing.T) {
	m := fakeqemu.New(t)
	add := qemu.DeviceAdd{Driver: "i6300esb", ID: new("wd"), Bus: new("pci.0"), Props: qmp.Args{"addr": "7.0", "x": []int{1}}}
	text, err := add.MarshalJSON()
	require.NoError(t, err)
	require.NoError(t, hotplug.New(m.Dial(), nil).AddDevice(t.Context(), hotplug.DeviceOf(add)))
	require.JSONEq(t, string(text), argumentsOf(m, "device_add"))
}

// TestDriversOfDevices: an s390x has channel devices, and the same devices on other buses.
func TestDriversOfDevices(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetTarget("s390x")
	vm := hotplug.New(m.Dial(), nil)
	for i, want := range []struct {
		backend hotplug.DeviceBackend
		driver  string
	}{
		{rng, "virtio-rng-ccw"},
		{object(qemu.ObjectTypeCryptodevBackendBuiltin, &qemu.CryptodevBackendProperties{}), "virtio-crypto-ccw"},
		{hotplug.VirtioFS{Tag: "t", Server: server("/run/s").Server}, "vhost-user-fs-ccw"},
		{listen("/run/agent"), "virtserialport"},
	} {
		require.NoError(t, vm.AddDevice(t.Context(), hotplug.Device{ID: fmt.Sprint("d", i), Backend: want.backend}))
		require.Contains(t, lastDevice(m), `"driver":"`+want.driver+`"`)
	}
}
