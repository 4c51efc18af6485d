package address

import (
	"io/fs"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplitLibvirt(t *testing.T) {
	for address, want := range map[string][2]string{
		"libvirt:web1":                           {"", "web1"},
		"libvirt:host1/web1":                     {"host1", "web1"},
		"libvirt:[::1]:99/web1":                  {"[::1]:99", "web1"},
		"libvirt:/run/libvirt/libvirt-sock/web1": {"/run/libvirt/libvirt-sock", "web1"},
		"libvirt:":                               {"", ""},
	} {
		rest, ok := isLibvirt(address)
		require.True(t, ok)
		daemon, name := splitLibvirt(rest)
		require.Equal(t, want, [2]string{daemon, name}, address)
		name, ok = MachineName(address)
		require.True(t, ok)
		require.Equal(t, want[1], name)
	}
	_, ok := MachineName("unix:/run/qmp")
	require.False(t, ok)
}

// TestNoDaemon connects to daemons that are not there, or are none.
func TestNoDaemon(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	before := libvirtSockets
	libvirtSockets = []string{missing, missing + "2"}
	defer func() { libvirtSockets = before }()
	for _, address := range []string{"libvirt:web1", "libvirt:" + missing + "/web1"} {
		_, err := Dial(t.Context(), address, nil)
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, err = DialGuest(t.Context(), address, nil)
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, _, err = MachinesOf(t.Context(), address)
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	_, err := Dial(t.Context(), "libvirt:", nil)
	require.EqualError(t, err, "libvirt:: the name of the machine is missing")
	_, err = Connect(t.Context(), "libvirt:web1")
	require.ErrorContains(t, err, "can be recorded")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	_, err = Dial(t.Context(), "libvirt:"+l.Addr().String()+"/web1", nil)
	require.ErrorContains(t, err, "open qemu:///system")
	addresses, states, err := MachinesOf(t.Context(), "unix:/run/qmp")
	require.NoError(t, err)
	require.Empty(t, addresses)
	require.Empty(t, states)
}
