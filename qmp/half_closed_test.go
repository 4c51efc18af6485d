//go:build linux

package qmp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
)

// TestServerThatLeavesSomethingBehind: writing fails, and the client still reads what the server
// has sent before.
func TestServerThatLeavesSomethingBehind(t *testing.T) {
	c, server := unixPeer(t)
	events := c.Events()
	p := &peer{server, t}
	result := make(chan error)
	go func() {
		_, err := run(limit(t), c, "stop")
		result <- err
	}()
	p.expect(`{"execute":"stop","id":1}`)
	require.NoError(t, server.CloseRead())
	_, err := run(limit(t), c, "cont")
	require.ErrorIs(t, err, qmp.ErrNotSent)
	_, err = run(limit(t), c, "cont")
	require.ErrorIs(t, err, qmp.ErrNotSent)
	p.write(`{"event": "STOP"}{"return": {}, "id": 1}{"event": "SHUTDOWN"}`)
	require.NoError(t, <-result)
	for _, name := range []string{"STOP", "SHUTDOWN"} {
		e, err := events.Next(limit(t))
		require.NoError(t, err)
		require.Equal(t, name, e.Name)
	}
	_, err = events.Next(limit(t)) // the server does not close: after a while it is over
	require.ErrorContains(t, err, "writing to the server failed")
	require.ErrorIs(t, c.Err(), err)
}
