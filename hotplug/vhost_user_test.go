package hotplug_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

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
