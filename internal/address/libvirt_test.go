package address

import (
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/libvirt"
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

// TestNoMachine says which machines run.
func TestNoMachine(t *testing.T) {
	for _, test := range []struct {
		machines int // -1: the daemon does not list them
		want     string
	}{
		{0, "no machine with the name none runs there; no machine runs"},
		{2, "no machine with the name none runs there; running: vm0, vm1"},
		{11, "no machine with the name none runs there; vm0, vm1, vm10, vm2, vm3, vm4, vm5, vm6 and 3 others run"},
		{-1, "no machine with the name none runs there; its machines cannot be listed: qmplibvirt: list machines: libvirt: no (code 1)"},
	} {
		path := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", path)
		require.NoError(t, err)
		go func() {
			conn, err := l.Accept()
			if err == nil {
				serveMachines(conn, test.machines)
			}
		}()
		_, err = Dial(t.Context(), "libvirt:"+path+"/none", nil)
		require.EqualError(t, err, test.want)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.Empty(t, Advice("qmpsh", "libvirt:none", err))
		require.NoError(t, l.Close())
	}
}

// serveMachines is a libvirt daemon that only lists machines.
func serveMachines(conn net.Conn, machines int) {
	defer conn.Close()
	for {
		packet, err := libvirt.ReadPacket(conn, nil)
		if err != nil {
			return
		}
		h, _, _, err := libvirt.ParsePacket(packet)
		if err != nil {
			return
		}
		h.Type = libvirt.Reply
		var body libvirt.Message
		refuse := func(code int32) { h.Status, body = libvirt.Failed, &libvirt.Error{Code: code, Message: new("no")} }
		switch h.Procedure {
		case libvirt.AuthList:
			body = &libvirt.AuthListResult{}
		case libvirt.SupportsFeature, libvirt.RegisterLifecycle:
			body = &libvirt.IntBody{}
		case libvirt.ConnectOpen:
		case libvirt.AllDomainStats:
			var result libvirt.StatsResult
			for i := range machines {
				result.Records = append(result.Records, libvirt.StatsRecord{Domain: libvirt.Domain{Name: fmt.Sprint("vm", i)}})
			}
			body = &result
			if machines < 0 {
				refuse(1)
			}
		default:
			refuse(42)
		}
		packet, err = libvirt.AppendPacket(nil, h, body, 0)
		if err != nil {
			return
		}
		if _, err := conn.Write(packet); err != nil {
			return
		}
	}
}
