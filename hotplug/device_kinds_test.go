package hotplug_test

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// listen is a character device that listens at a path.
func listen(path string) hotplug.Chardev {
	return hotplug.Chardev{Options: qemu.ChardevBackend{Branch: &qemu.ChardevSocket{
		Addr: qemu.SocketAddressLegacy{Branch: &qemu.UnixSocketAddress{Path: path}}}}}
}

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

// TestDevicePartsOfOthers stay, with the same names as a device's.
func TestDevicePartsOfOthers(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	require.NoError(t, qemu.ObjectAdd{ID: "d-object", QOMType: qemu.ObjectTypeRNGBuiltin, Branch: &qemu.RNGProperties{}}.Do(ctx, c))
	_, err := qemu.ChardevAdd{ID: "d-chardev", Backend: *client("/run/x")}.Do(ctx, c)
	require.NoError(t, err)
	before := m.State()
	err = vm.AddDevice(ctx, hotplug.Device{ID: "d", Backend: rng})
	require.ErrorIs(t, err, hotplug.ErrExists)
	require.EqualError(t, err, `hotplug: add device "d": object "d-object" exists (rng-builtin)`)
	err = vm.AddDevice(ctx, hotplug.Device{ID: "d", Backend: listen("/run/x")})
	require.ErrorIs(t, err, hotplug.ErrExists)
	require.EqualError(t, err, `hotplug: add device "d": character device "d-chardev" exists`)
	require.Equal(t, before, m.State())
	require.NoError(t, errorOf(vm.RemoveDevice(ctx, "d")), "as what an interrupted AddDevice left")
	require.Empty(t, m.State())
}

// TestNamesOfDeviceParts removes parts with names of the caller's: with their device, and if an operation was
// interrupted before it added the device, or before it removed the parts.
func TestNamesOfDeviceParts(t *testing.T) {
	ctx := t.Context()
	named := server("/run/s")
	named.ChardevID = "own"
	source, thread := rng, object(qemu.ObjectTypeIOThread, &qemu.IOThreadProperties{})
	source.Options.ID, thread.Options.ID = "own", "own"
	for name, d := range map[string]hotplug.Device{
		"vhost-user": {ID: "d", Driver: "vhost-user-vsock-pci", Backend: named},
		"object":     {ID: "d", Backend: source},
		"thread":     {ID: "d", Driver: "virtio-scsi-pci", Backend: thread},
	} {
		m := fakeqemu.New(t)
		c := m.Dial()
		vm := hotplug.New(c, nil)
		require.NoError(t, vm.AddDevice(ctx, d), name)
		require.Len(t, m.State(), 3, name) // and the mark
		kept, err := vm.RemoveDevice(ctx, "d")
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Empty(t, m.State(), name)

		require.NoError(t, vm.AddDevice(ctx, d), name)
		require.NoError(t, qemu.DeviceDel{ID: "d"}.Do(ctx, c))
		require.Len(t, m.State(), 2, name)
		require.NoError(t, errorOf(vm.RemoveDevice(ctx, "d")))
		require.Empty(t, m.State(), name)
	}
}

// TestDescriptorsThatWereLeft are removed with the name of a device that an interrupted operation did not add.
func TestDescriptorsThatWereLeft(t *testing.T) {
	ctx := t.Context()
	f := opened(t, image(t), os.O_RDWR)
	for name, remove := range map[string]func(vm *hotplug.VM) ([]hotplug.Kept, error){
		"device":    func(vm *hotplug.VM) ([]hotplug.Kept, error) { return vm.RemoveDevice(ctx, "d") },
		"functions": func(vm *hotplug.VM) ([]hotplug.Kept, error) { return vm.RemoveFunctions(ctx, []string{"d"}) },
	} {
		m := fakeqemu.New(t)
		c := m.Dial()
		for i, opaque := range []string{"qmpkit-device:d:x", "qmpkit-device:dd:x"} {
			_, err := qemu.AddFD{FDSetID: new(int64(i)), Opaque: &opaque}.Do(ctx, c, qmp.WithFile(f))
			require.NoError(t, err)
		}
		for _, sent := range []string{"d-0-fd", "d-1-fd", "dd-0-fd", "d-fd-0"} {
			require.NoError(t, qemu.GetFD{FDName: sent}.Do(ctx, c, qmp.WithFile(f)))
		}
		kept, err := remove(hotplug.New(c, nil))
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Equal(t, []string{"fd d-fd-0", "fd dd-0-fd", "fdset 1 qmpkit-device:dd"}, m.State(), name)
	}
}

// TestPartsThatOthersShare stay: QEMU does not tell what else uses them.
func TestPartsThatOthersShare(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	require.NoError(t, qemu.ObjectAdd{ID: "io", QOMType: qemu.ObjectTypeIOThread}.Do(ctx, c))
	f := opened(t, image(t), os.O_RDWR)
	_, err := qemu.AddFD{FDSetID: new(int64(7)), Opaque: new("theirs")}.Do(ctx, c, qmp.WithFile(f))
	require.NoError(t, err)
	before := m.State()
	vm := hotplug.New(c, nil)
	for _, opts := range [][]hotplug.RemoveOption{nil, {hotplug.WithBackend()}} {
		require.NoError(t, vm.AddDevice(ctx, hotplug.Device{ID: "d", Driver: "virtio-scsi-pci", Props: qmp.Args{"iothread": "io"}}))
		kept, err := vm.RemoveDevice(ctx, "d", opts...)
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Equal(t, before, m.State())
	}
	usb := hotplug.Device{ID: "d", Driver: "usb-host", Props: qmp.Args{"hostdevice": "/dev/fdset/7"}}
	require.NoError(t, vm.AddDevice(ctx, usb))
	kept, err := vm.RemoveDevice(ctx, "d")
	require.NoError(t, err)
	require.Equal(t, []hotplug.Kept{{What: "fdset", Name: "7", Err: hotplug.ErrNotOurs}}, kept)
	require.NoError(t, vm.AddDevice(ctx, usb))
	kept, err = vm.RemoveDevice(ctx, "d", hotplug.WithBackend())
	require.NoError(t, err)
	require.Empty(t, kept)
	require.Equal(t, []string{"object io"}, m.State())
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

// TestPrivateMemory: a vhost-user server cannot map it.
func TestPrivateMemory(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	m.Private(true)
	vm := hotplug.New(m.Dial(), nil)
	add := map[string]func() error{
		"disk": func() error { return vm.AddDisk(ctx, vhostUser("d", "/run/s")) },
		"NIC":  func() error { return vm.AddNIC(ctx, hotplug.NIC{ID: "d", Backend: server("/run/s")}) },
		"device": func() error {
			return vm.AddDevice(ctx, hotplug.Device{ID: "d", Driver: "x", Backend: server("/run/s")})
		},
		"virtiofs": func() error {
			return vm.AddDevice(ctx, hotplug.Device{ID: "d", Backend: hotplug.VirtioFS{Tag: "t", Server: server("/run/s").Server}})
		},
	}
	for name, add := range add {
		require.ErrorIs(t, add(), hotplug.ErrNotShared, name)
		require.Empty(t, m.State())
	}
	m.Private(false)
	require.NoError(t, add["virtiofs"]())
	require.NoError(t, errorOf(vm.RemoveDevice(ctx, "d")))
	before := len(m.Requests())
	require.NoError(t, add["disk"]())
	for _, r := range m.Requests()[before:] {
		require.NotEqual(t, "query-memdev", r.Command, "asked once")
	}

	m = fakeqemu.New(t)
	m.Handle("query-memdev", qmptest.Return([]qemu.Memdev{}))
	vm = hotplug.New(m.Dial(), nil)
	require.NoError(t, add["disk"](), "memory that is no object")
}

// reconnectingSocket is a schema of chardev-add with or without reconnect-ms.
func reconnectingSocket(member string) qmptest.Handler {
	object := func(name string, members ...any) map[string]any {
		return map[string]any{"name": name, "meta-type": "object", "members": append([]any{}, members...)}
	}
	union := object("2", map[string]any{"name": "type", "type": "5"})
	union["tag"], union["variants"] = "type", []any{map[string]any{"case": "socket", "type": "3"}}
	return qmptest.Return([]map[string]any{
		{"name": "chardev-add", "meta-type": "command", "arg-type": "1", "ret-type": "0"},
		object("0"),
		object("1", map[string]any{"name": "id", "type": "6"}, map[string]any{"name": "backend", "type": "2"}),
		union,
		object("3", map[string]any{"name": "data", "type": "4"}),
		object("4", map[string]any{"name": member, "type": "7", "default": nil}),
		{"name": "5", "meta-type": "enum", "values": []string{"socket"}},
		{"name": "6", "meta-type": "builtin", "json-type": "string"},
		{"name": "7", "meta-type": "builtin", "json-type": "int"},
	})
}

// TestReconnect asks the schema how QEMU reconnects, and adds the device when QEMU is connected.
func TestReconnect(t *testing.T) {
	for member, want := range map[string]string{
		"reconnect-ms": `"reconnect-ms":1500`,
		"reconnect":    `"reconnect":2`,
		"":             `"reconnect":2`,
	} {
		t.Run(member, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := fakeqemu.NewUnchecked(t)
				m.Handle("query-qmp-schema", reconnectingSocket(member))
				if member == "" {
					m.Handle("query-qmp-schema", qmptest.Refuse(qmp.ErrCommandNotFound, "no schema"))
				}
				file, looks := "disconnected:unix:/run/s", 0
				m.Intercept("query-chardev", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
					all, err := machine(r)
					for i := range all.([]qemu.ChardevInfo) {
						all.([]qemu.ChardevInfo)[i].Filename = file
						if looks++; looks == 2 {
							file = "unix:/run/s"
						}
					}
					return all, err
				})
				backend := server("/run/s")
				backend.Reconnect = 1500 * time.Millisecond
				ctx := t.Context()
				vm := hotplug.New(pipe(t, m, nil), nil)
				require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: backend}))
				require.Equal(t, 3, looks)
				require.JSONEq(t, `{"id":"d-chardev","backend":{"type":"socket","data":{"server":false,`+want+`,"addr":{"type":"unix","data":{"path":"/run/s"}}}}}`,
					argumentsOf(m, "chardev-add"))

				file, looks = "disconnected:unix:/run/s", 9 // nobody listens
				short, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				before := m.State()
				err := vm.AddDevice(short, hotplug.Device{ID: "e", Driver: "vhost-user-gpu-pci", Backend: backend})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, "vhost-user server does not listen")
				require.Equal(t, before, m.State())
			})
		})
	}
}

// agentSocket is a socket that listens, and its path.
func agentSocket(t *testing.T) (*os.File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	require.NoError(t, err)
	defer l.Close()
	l.SetUnlinkOnClose(false)
	f, err := l.File()
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f, path
}

// TestSerialPorts adds ports of all kinds to a real machine, which needs no guest for it.
func TestSerialPorts(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-device", "virtio-serial-pci,id=serial0", "-device", "qemu-xhci,id=usb0"}})
		c := qvm.Dial(t)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		state := func() []string { return append(chardevs(t, c), stateOf(t, c)...) }
		f, socket := agentSocket(t)
		path := filepath.Join(t.TempDir(), "agent")
		before, fds := state(), qemuFds(t, qvm)
		for name, port := range map[string]hotplug.Device{
			"socket":           {Backend: listen(path), Props: qmp.Args{"name": "org.qemu.guest_agent.0"}},
			"pty":              {Backend: hotplug.Chardev{Options: qemu.ChardevBackend{Branch: &qemu.ChardevPTY{}}}, Props: qmp.Args{"name": "p"}},
			"file":             {Backend: hotplug.Chardev{Options: qemu.ChardevBackend{Branch: &qemu.ChardevFile{Out: path + ".log"}}}},
			"caller's socket":  {Backend: hotplug.Chardev{File: f, Options: qemu.ChardevBackend{Branch: &qemu.ChardevSocket{Server: new(true)}}}},
			"USB, reconnects":  {ID: "r", Driver: "usb-serial", Bus: "usb0.0", Backend: reconnects(client(path + "x"))},
			"virtconsole, pty": {Driver: "virtconsole", Backend: hotplug.Chardev{Options: qemu.ChardevBackend{Branch: &qemu.ChardevPTY{}}}},
		} {
			port.ID = cmp.Or(port.ID, "d")
			require.NoError(t, vm.AddDevice(ctx, port), name)
			all, err := qemu.QueryChardev{}.Do(ctx, c)
			require.NoError(t, err)
			for _, chardev := range all {
				switch {
				case chardev.Label == "d-chardev" && strings.Contains(name, "pty"):
					require.Regexp(t, "^pty:/dev/pts/", chardev.Filename)
				case chardev.Label == "r-chardev":
					require.Regexp(t, "^disconnected:unix:", chardev.Filename)
				}
			}
			for _, path := range map[string][]string{"socket": {path}, "caller's socket": {socket}}[name] {
				conn, err := net.Dial("unix", path)
				require.NoError(t, err, name)
				conn.Close()
			}
			require.ErrorIs(t, vm.AddDevice(ctx, port), hotplug.ErrExists)
			require.NoError(t, errorOf(vm.RemoveDevice(ctx, port.ID)), name)
			require.Equal(t, before, state(), name)
			// Until an attempt to connect has ended, QEMU 7.2 has "duplicate yank instance" for the same name.
			if name != "caller's socket" && port.ID != "r" {
				port.Bus = "serial0.0" // without it, AddDevice tries again what QEMU refused
				op := addsDevice(port)
				op.commands = []string{"chardev-add", "device_add"}
				faultsAtEveryStep(t, c, fakeqemu.Refused, op, state)
				faultsAtEveryStep(t, c, fakeqemu.LostAfter, op, state)
			}
		}
		require.Equal(t, fds, qemuFds(t, qvm))
	})
}

func reconnects(socket *qemu.ChardevBackend) hotplug.Chardev {
	socket.Branch.(*qemu.ChardevSocket).ReconnectMs = new(int64(200))
	return hotplug.Chardev{Options: *socket}
}
