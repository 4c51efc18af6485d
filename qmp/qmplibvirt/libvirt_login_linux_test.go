package qmplibvirt_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"slices"
	"testing"

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
