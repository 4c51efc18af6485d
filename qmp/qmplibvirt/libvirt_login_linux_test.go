package qmplibvirt_test

import (
	"context"
	"crypto/tls"
	"errors"
	"github.com/qmpkit/qmpkit/qmp"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/libvirttest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt/sasl"
)

// TestLibvirtSASL logs in to a daemon that asks for it, on its socket and over TLS, by all mechanisms that it offers.
func TestLibvirtSASL(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{TLS: true, SASL: true}, func(t *testing.T, d *libvirttest.Daemon) {
		d.Create(t, libvirttest.Machine{Name: "vm1"})
		connect := map[string]func(opts *qmplibvirt.Options) (*qmplibvirt.Conn, error){
			"socket": func(opts *qmplibvirt.Options) (*qmplibvirt.Conn, error) {
				return qmplibvirt.Dial(t.Context(), d.Socket(), opts)
			},
			"TLS": func(opts *qmplibvirt.Options) (*qmplibvirt.Conn, error) {
				address, config := d.TLS()
				raw, err := net.Dial("tcp", address)
				require.NoError(t, err)
				return qmplibvirt.NewConn(t.Context(), tls.Client(raw, config), opts)
			},
		}
		for way, connect := range connect {
			for _, only := range []string{"", "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"} {
				t.Run(way+" "+only, func(t *testing.T) {
					conn, err := connect(&qmplibvirt.Options{SASL: &onlyMechanism{sasl.Password(libvirttest.User, libvirttest.Password), only}})
					require.NoError(t, err)
					defer conn.Close()
					vm, err := conn.Domain(t.Context(), "vm1")
					require.NoError(t, err)
					_, err = qemu.QueryStatus{}.Do(t.Context(), vm)
					require.NoError(t, err)

					for _, bad := range []*sasl.Login{sasl.Password(libvirttest.User, "secret"), sasl.Password("bob", "secret")} {
						_, err := connect(&qmplibvirt.Options{SASL: &onlyMechanism{bad, only}})
						require.ErrorIs(t, err, os.ErrPermission)
						require.NotContains(t, err.Error(), "secret")
					}
				})
			}
			_, err := connect(nil)
			require.ErrorIs(t, err, errors.ErrUnsupported)
			require.ErrorContains(t, err, "SCRAM-SHA-256")
		}
	})
}

// An onlyMechanism logs in by one mechanism; "" stands for any.
type onlyMechanism struct {
	login *sasl.Login
	name  string
}

func (m *onlyMechanism) Begin(ctx context.Context, offered []string, private bool) (string, qmplibvirt.SASLLogin, error) {
	if m.name != "" {
		offered = slices.DeleteFunc(offered, func(name string) bool { return name != m.name })
	}
	return m.login.Begin(ctx, offered, private)
}

// TestLibvirtSSH connects through SSH in the two ways that need no library: a program on the host passes on the bytes, or
// ssh makes the socket of the host a socket of this machine.
func TestLibvirtSSH(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{SSH: true}, func(t *testing.T, d *libvirttest.Daemon) {
		d.Create(t, libvirttest.Machine{Name: "vm1"})
		t.Run("program", func(t *testing.T) {
			stream, err := d.Connect(t.Context(), append(d.SSH(), "virt-ssh-helper", "qemu:///system")...)
			require.NoError(t, err)
			conn, err := qmplibvirt.NewConn(t.Context(), stream, &qmplibvirt.Options{KeepAlive: 20 * time.Millisecond})
			require.NoError(t, err)
			defer conn.Close()
			vm, err := conn.Domain(t.Context(), "vm1")
			require.NoError(t, err)
			all := vm.Events("STOP")
			require.NoError(t, qemu.Stop{}.Do(t.Context(), vm))
			require.Equal(t, "STOP", nextOf(t, all).Name)
			require.ErrorIs(t, qemu.GetFD{FDName: "f"}.Do(t.Context(), vm, qmp.WithFile(os.Stdin)), errors.ErrUnsupported)
			time.Sleep(200 * time.Millisecond) // ten pings
			require.NoError(t, conn.Err())
		})
		t.Run("socket", func(t *testing.T) {
			socket := filepath.Join(d.Dir, "forwarded")
			ssh := d.SSH()
			host := len(ssh) - 1
			forward, err := d.Connect(t.Context(), append(ssh[:host:host], "-L", socket+":/run/libvirt/libvirt-sock", ssh[host], "cat")...)
			require.NoError(t, err)
			defer forward.Close()
			var conn *qmplibvirt.Conn
			for conn == nil { // until ssh listens
				conn, err = qmplibvirt.Dial(t.Context(), socket, &qmplibvirt.Options{Forwarded: true, KeepAlive: 20 * time.Millisecond})
				if err != nil {
					require.ErrorIs(t, err, os.ErrNotExist)
					time.Sleep(10 * time.Millisecond)
				}
			}
			defer conn.Close()
			vm, err := conn.Domain(t.Context(), "vm1")
			require.NoError(t, err)
			_, err = qemu.QueryStatus{}.Do(t.Context(), vm)
			require.NoError(t, err)
			require.ErrorIs(t, qemu.GetFD{FDName: "f"}.Do(t.Context(), vm, qmp.WithFile(os.Stdin)), errors.ErrUnsupported)
			time.Sleep(200 * time.Millisecond) // ten pings
			require.NoError(t, conn.Err())
		})
	})
}

// rules lets alice send commands to vm1, and only see vm2. It has all actions that a Conn needs, and no other. bob may not
// even connect.
const rules = `polkit.addRule(function(action, subject) {
	const actions = ["unix.manage", "api.connect.getattr", "api.connect.search-domains", "api.connect.write",
		"api.domain.getattr", "api.domain.read", "api.domain.write"];
	if (subject.user != "alice" || actions.indexOf(action.id.replace("org.libvirt.", "")) < 0)
		return polkit.Result.NO;
	if (action.id == "org.libvirt.api.domain.write" && action.lookup("domain_name") != "vm1")
		return polkit.Result.NO;
	return polkit.Result.YES;
});
`

// TestLibvirtPolkit connects as users whom polkit lets do everything, something and nothing.
func TestLibvirtPolkit(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{Polkit: rules}, func(t *testing.T, d *libvirttest.Daemon) {
		d.Create(t, libvirttest.Machine{Name: "vm1"})
		d.Create(t, libvirttest.Machine{Name: "vm2"})
		connect := func(user string) (*qmplibvirt.Conn, error) { // its process is in the namespace of libvirt, which asks polkit about it
			stream, err := d.Connect(t.Context(), "chroot", "--userspec="+user, "/", "virt-ssh-helper", "qemu:///system")
			require.NoError(t, err)
			return qmplibvirt.NewConn(t.Context(), stream, nil)
		}
		conn, err := connect("alice")
		require.NoError(t, err)
		defer conn.Close()
		watch, err := conn.Watch(t.Context())
		require.NoError(t, err)
		defer watch.Close()
		var names []string
		for info, err := range conn.Domains(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, qmplibvirt.StateRunning, info.State)
			names = append(names, info.Name)
		}
		require.ElementsMatch(t, []string{"vm1", "vm2"}, names)
		vm, err := conn.Domain(t.Context(), "vm1")
		require.NoError(t, err)
		require.NoError(t, qemu.Stop{}.Do(t.Context(), vm))
		for {
			e, err := watch.Next(t.Context())
			require.NoError(t, err)
			if e.Name == "vm1" && e.QMP.Name == "STOP" {
				break
			}
		}
		other, err := conn.Domain(t.Context(), "vm2")
		require.NoError(t, err)
		_, err = qemu.QueryStatus{}.Do(t.Context(), other)
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.ErrorIs(t, err, os.ErrPermission)

		_, err = connect("bob")
		require.ErrorIs(t, err, os.ErrPermission)
		require.ErrorContains(t, err, "polkit refused the action org.libvirt.unix.manage")
	})
}
