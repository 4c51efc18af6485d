package machine_test

import (
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/machine"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestSessionsOfSPICE: the channels of a client are one session. Sessions looks after events, and now and then without.
func TestSessionsOfSPICE(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, nil)
		var mu sync.Mutex
		info := qemu.SPICEInfo{Enabled: true, MouseMode: qemu.SPICEQueryMouseModeClient}
		connect := func(connection int64, kind int64, tls bool) {
			mu.Lock()
			defer mu.Unlock()
			info.Channels = append(info.Channels, qemu.SPICEChannel{
				Host: "10.0.0.1", Port: "5", Family: qemu.NetworkAddressFamilyIPv4, ConnectionID: connection, ChannelType: kind, TLS: tls,
			})
		}
		s.Handle("query-spice", func(*qmptest.Request) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			return info, nil
		})
		c, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
		require.NoError(t, err)
		defer c.Close()

		connect(7, 1, false)
		n := 0
		begun := time.Now()
		for sessions, err := range machine.Sessions(t.Context(), c) {
			require.NoError(t, err)
			switch n++; n {
			case 1:
				require.Equal(t, []machine.Session{{Protocol: "spice", Host: "10.0.0.1", Connection: 7, Channels: 1}}, sessions)
				connect(7, 2, true)
				connect(3, 1, false)
				for range 3 { // several events cause one look
					s.Event(qemu.EventSPICEInitialized, map[string]any{
						"server": map[string]any{"host": "a", "port": "1", "family": "ipv4"},
						"client": map[string]any{"host": "b", "port": "2", "family": "ipv4", "connection-id": 1, "channel-type": 1, "channel-id": 1, "tls": true},
					})
				}
				synctest.Wait() // all events are in the queue
			case 2:
				require.Zero(t, time.Since(begun))
				require.Equal(t, []machine.Session{
					{Protocol: "spice", Host: "10.0.0.1", Connection: 3, Channels: 1},
					{Protocol: "spice", Host: "10.0.0.1", Connection: 7, Channels: 2, TLS: true},
				}, sessions)
				mu.Lock()
				info.Channels = nil // no event says so
				mu.Unlock()
			case 3:
				require.Equal(t, 10*time.Second, time.Since(begun))
				require.Empty(t, sessions)
			}
			if n == 3 {
				break
			}
		}
	})
}

// TestSessionsEnd: the loop ends with an error of a command, with the connection, and on a QEMU without displays.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	last := func(conn qmp.Conn, each func()) (err error) {
		for _, err = range machine.Sessions(t.Context(), conn) {
			each()
		}
		return err
	}
	s := qmptest.NewServer(t, nil)
	c := s.Dial()
	require.ErrorIs(t, last(c, func() {}), errors.ErrUnsupported)

	s.Handle("query-vnc-servers", qmptest.Return([]qemu.VNCInfo2{}))
	err := last(c, s.Disconnect)
	require.ErrorIs(t, err, io.EOF)
	require.ErrorContains(t, err, "machine: follow display sessions: ")

	s = qmptest.NewServer(t, nil)
	s.Handle("query-vnc-servers", qmptest.Refuse(qmp.ErrGeneric, "no"))
	require.ErrorContains(t, last(s.Dial(), func() {}), "machine: list display sessions: ")
}

// TestSessionsLosesEvents: lost events are a reason to look.
func TestSessionsLosesEvents(t *testing.T) {
	t.Parallel()
	s := qmptest.NewServer(t, nil)
	looks := 0
	s.Handle("query-vnc-servers", func(*qmptest.Request) (any, error) {
		looks++
		return slices.Repeat([]qemu.VNCInfo2{{ID: "a", Auth: "none", Server: []qemu.VNCServerInfo2{}, Clients: []qemu.VNCClientInfo{{Family: "unix"}}}}, looks), nil
	})
	c, err := qmp.NewClient(t.Context(), s.Pipe(), &qmp.Options{EventQueue: 1})
	require.NoError(t, err)
	defer c.Close()
	n := 0
	for _, err := range machine.Sessions(t.Context(), c) {
		require.NoError(t, err)
		if n++; n == 2 {
			break
		}
		for range 5 {
			s.Event(qemu.EventVNCConnected, map[string]any{
				"server": map[string]any{"host": "", "service": "", "family": "unix", "websocket": false, "auth": "none"},
				"client": map[string]any{"host": "", "service": "", "family": "unix", "websocket": false},
			})
		}
	}
	require.Equal(t, 2, n)
}
