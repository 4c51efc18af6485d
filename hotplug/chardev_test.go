package hotplug_test

import (
	"cmp"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// listen is a character device that listens at a path.
func listen(path string) hotplug.Chardev {
	return hotplug.Chardev{Options: qemu.ChardevBackend{Branch: &qemu.ChardevSocket{
		Addr: qemu.SocketAddressLegacy{Branch: &qemu.UnixSocketAddress{Path: path}}}}}
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
	t.Parallel()
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
