package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// standInOf starts a stand-in for a test.
func standInOf(t *testing.T, polled bool) *standIn {
	t.Helper()
	s, err := startStandIn(t.Context(), &bench{temp: t.TempDir()}, polled)
	require.NoError(t, err)
	t.Cleanup(s.stop)
	return s
}

func TestStandIn(t *testing.T) {
	for name, polled := range map[string]bool{"threads": false, "polled": true} {
		t.Run(name, func(t *testing.T) {
			s := standInOf(t, polled)
			c, err := s.dial(t.Context(), nil)
			require.NoError(t, err)
			defer c.Close()
			require.Equal(t, "10.2.2", c.Version().String())

			status, err := qemu.QueryStatus{}.Do(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, qemu.StatusInfo{Running: true, Status: qemu.RunStateRunning}, status)
			types, err := qemu.QOMListTypes{}.Do(t.Context(), c)
			require.NoError(t, err)
			require.Greater(t, len(types), 100)
			schema, err := qemu.QueryQMPSchema{}.Do(t.Context(), c)
			require.NoError(t, err)
			require.Greater(t, len(schema), 100)
			require.NoError(t, qemu.Stop{}.Do(t.Context(), c), "what it does not know succeeds")

			text, err := qmp.Raw{Command: longestCommand}.Do(t.Context(), c)
			require.NoError(t, err)
			require.GreaterOrEqual(t, string(text), "32")
		})
	}
}

func TestStandInFloods(t *testing.T) {
	s := standInOf(t, false)
	const many = 10001
	c, err := s.dial(t.Context(), &qmp.Options{EventQueue: many})
	require.NoError(t, err)
	defer c.Close()
	events := qmp.Subscribe[qemu.DeviceDeletedEvent](c)
	require.NoError(t, command(t.Context(), c, floodCommand, floodArgs{deviceDeleted, many}))
	for range many {
		e, err := events.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, "/machine/peripheral/disk1", e.Data.Path)
		require.False(t, e.Time.IsZero())
	}

	// All that came before the reply, and nothing else.
	require.NoError(t, command(t.Context(), c, beforeEachCommand, floodArgs{deviceDeleted, 3}))
	require.NoError(t, status(t.Context(), c)())
	require.NoError(t, c.Close())
	n := 0
	for _, err := range events.All(t.Context()) {
		if err == nil {
			n++
		}
	}
	require.Equal(t, 3, n)
}

func TestConsumeCountsLosses(t *testing.T) {
	s := standInOf(t, false)
	c, err := s.dial(t.Context(), &qmp.Options{EventQueue: 1})
	require.NoError(t, err)
	defer c.Close()
	events := qmp.Subscribe[qemu.BalloonChangeEvent](c)
	require.NoError(t, command(t.Context(), c, floodCommand, floodArgs{balloonChange, 100}))
	require.NoError(t, status(t.Context(), c)(), "which comes behind the events")
	lost, err := consume(t.Context(), c, events, floodArgs{balloonChange, 101})
	require.NoError(t, err)
	require.GreaterOrEqual(t, lost, 99)
}

func TestPeers(t *testing.T) {
	c, err := newContestants(t.Context(), &bench{temp: t.TempDir()})
	require.NoError(t, err)
	defer c.close()
	for name, x := range map[string]qmp.Executor{"direct": c.direct, "reader": c.reader, "client": c.client} {
		for range 3 {
			require.NoError(t, status(t.Context(), x)(), name)
			schema, err := qemu.QueryQMPSchema{}.Do(t.Context(), x)
			require.NoError(t, err, name)
			require.Greater(t, len(schema), 100, name)
		}
	}
	for _, command := range []string{queryStatus, queryQMPSchema, queryStatus} {
		trip, err := c.floor.trip(command)
		require.NoError(t, err)
		require.NoError(t, trip())
	}
	_, err = sharedBy(8, 1000, status(t.Context(), c.reader))()
	require.NoError(t, err)

	c.standIn.stop()
	require.Error(t, status(t.Context(), c.direct)())
	require.Error(t, status(t.Context(), c.reader)())
	failed := errors.New("failed")
	_, err = sharedBy(8, 1000, func() error { return failed })()
	require.ErrorIs(t, err, failed)
}

func TestCutRequest(t *testing.T) {
	for text, want := range map[string][3]string{
		`{"execute":"a","id":1}{"execute":"b"}`:                                      {"a", "1", `{"execute":"b"}`},
		"{\"execute\":\"b\"}\n":                                                      {"b", "", "\n"},
		"\n {\"id\" : \"x\", \"exec-oob\" : \"c\" } ":                                {"c", `"x"`, " "},
		`{"execute":"d","arguments":{"id":5,"s":"}\"{","l":[{}]},"id":[1,{"id":2}]}`: {"d", `[1,{"id":2}]`, ""},
	} {
		r, n := cutRequest([]byte(text))
		require.Equal(t, want, [3]string{string(r.command), string(r.id), text[n:]}, text)
		whole := strings.TrimSuffix(text, want[2])
		for i := range len(whole) {
			_, n := cutRequest([]byte(text[:i]))
			require.Zero(t, n, text[:i])
		}
	}
}
