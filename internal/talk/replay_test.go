package talk_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/internal/talk"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// read returns the entries of a log.
func read(t *testing.T, log string) []*talk.Entry {
	all, err := talk.Collect(talk.Join(talk.Read(strings.NewReader(log))))
	require.NoError(t, err)
	return all
}

const greeting = `{"QMP":{"version":{"qemu":{"micro":0,"minor":2,"major":7},"package":"x"},"capabilities":["oob"]}}
{"execute":"qmp_capabilities","id":0}{"return":{},"id":0}
`

// aStop is a program that stops a machine, and asks in between.
const aStop = greeting + `
{"execute":"query-status","id":1}{"return":{"running":true,"status":"running"},"id":1}
{"execute":"query-status","id":2}{"return":{"running":true,"status":"debug"},"id":2}
{"execute":"stop","id":3}{"event":"STOP","timestamp":{"seconds":1,"microseconds":1}}{"return":{},"id":3}
{"event":"RESET","data":{"guest":false,"reason":"none"},"timestamp":{"seconds":1,"microseconds":1}}
{"execute":"query-status","id":4}{"return":{"running":false,"status":"paused"},"id":4}
{"execute":"device_del","arguments":{"id":"a"},"id":5}{"error":{"class":"DeviceNotFound","desc":"Device 'a' not found"},"id":5}
{"execute":"change-vnc-password","arguments":{"password":"opensesame"},"id":6}{"return":{},"id":6}
`

func status(t *testing.T, c *qmp.Client) string {
	s, err := qemu.QueryStatus{}.Do(t.Context(), c)
	require.NoError(t, err)
	return string(s.Status)
}

// TestAnswers asks as often as the recorded program, more often and less often.
func TestAnswers(t *testing.T) {
	for _, times := range []struct {
		before, after int
		want          string
	}{
		{2, 1, "running debug stop paused"},
		{4, 3, "running debug debug debug stop paused paused paused"},
		{1, 1, "running stop paused"},
		{0, 2, "stop paused paused"},
	} {
		t.Run(times.want, func(t *testing.T) {
			c := answer(t, read(t, aStop), false).client(t)
			require.Equal(t, qmp.Version{Major: 7, Minor: 2, Package: "x"}, c.Version())
			var got []string
			for range times.before {
				got = append(got, status(t, c))
			}
			require.NoError(t, qemu.Stop{}.Do(t.Context(), c))
			got = append(got, "stop")
			for range times.after {
				got = append(got, status(t, c))
			}
			require.Equal(t, times.want, strings.Join(got, " "))
		})
	}
}

// TestAnswersRest has events, a refusal, a secret and requests that were not recorded.
func TestAnswersRest(t *testing.T) {
	ctx := t.Context()
	a := answer(t, read(t, aStop), false)
	c := a.client(t)
	events := c.Events()
	defer events.Close()
	require.NoError(t, qemu.Stop{}.Do(ctx, c))
	var names []string
	for range 2 {
		e, err := events.Next(ctx)
		require.NoError(t, err)
		names = append(names, e.Name)
	}
	require.Equal(t, []string{"STOP", "RESET"}, names)
	require.ErrorIs(t, qemu.DeviceDel{ID: "a"}.Do(ctx, c), qmp.ErrDeviceNotFound)
	require.NoError(t, qemu.ChangeVNCPassword{Password: "another"}.Do(ctx, c))
	require.ErrorContains(t, qemu.DeviceDel{ID: "b"}.Do(ctx, c), "no answer")
	_, err := qemu.QueryBlock{}.Do(ctx, c)
	require.ErrorIs(t, err, qmp.ErrCommandNotFound)
	require.Equal(t, []string{`device_del {"id":"b"}`, "query-block"}, a.Unmatched())

	c = answer(t, read(t, aStop), true).client(t)
	require.ErrorIs(t, qemu.DeviceDel{ID: "b"}.Do(ctx, c), qmp.ErrDeviceNotFound)
}

// TestReplayAsks changes a server only as far as the caller allows.
func TestReplayAsks(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Handle("query-status", qmptest.Return(qemu.StatusInfo{Running: true, Status: "running"}))
	s.Handle("device_del", qmptest.Refuse(qmp.ErrDeviceNotFound, "Device 'a' is missing"))
	c := s.Dial()
	var asked, got []string
	ask := func(e *talk.Entry) (bool, error) {
		asked = append(asked, e.Command)
		return e.Command == "device_del", nil
	}
	for r, err := range talk.Replay(t.Context(), c, read(t, aStop), ask) {
		require.NoError(t, err)
		got = append(got, string(r.JSON()))
	}
	require.Equal(t, []string{"stop", "device_del"}, asked)
	for i, want := range []string{
		`{"command":"query-status","outcome":"same",`,
		`{"command":"query-status","outcome":"different","differences":[{"path":"return.status","recorded":"debug","now":"running"}],`,
		`{"command":"stop","outcome":"skipped","reason":"it can change something"}`,
		`{"command":"query-status","outcome":"different","differences":[{"path":"return.running","recorded":false,"now":true},{"path":"return.status","recorded":"paused","now":"running"}],`,
		`{"command":"device_del","arguments":{"id":"a"},"outcome":"different","differences":[{"path":"error.desc","recorded":"Device 'a' not found","now":"Device 'a' is missing"}],`,
		`{"command":"change-vnc-password","arguments":{"password":"***"},"outcome":"skipped","reason":"a secret is hidden in the recording"}`,
	} {
		require.Truef(t, strings.HasPrefix(got[i], want), "%s\nwant %s", got[i], want)
	}
	require.Len(t, got, 6)
}

// TestReplayEnds stops at an error of ask and of the connection.
func TestReplayEnds(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Handle("query-status", func(r *qmptest.Request) (any, error) {
		r.Disconnect()
		return nil, qmptest.ErrNoReply
	})
	count := func(x qmp.Executor, log string, ask func(*talk.Entry) (bool, error)) (n int, err error) {
		for _, err = range talk.Replay(t.Context(), x, read(t, log), ask) {
			n++
		}
		return n, err
	}
	no := errors.New("no")
	c := s.Dial()
	n, err := count(c, `{"execute":"stop"}{"execute":"cont"}`, func(*talk.Entry) (bool, error) { return false, no })
	require.Equal(t, 1, n)
	require.ErrorIs(t, err, no)
	n, err = count(c, `{"execute":"query-status"}{"execute":"query-status"}`, nil)
	require.Equal(t, 1, n)
	require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
}

// TestStorage records and replays a qemu-storage-daemon.
func TestStorage(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		s := q.StartStorage(t)
		var f file
		r := talk.NewRecorder(&f)
		conn, err := r.Conn(dial(t, s.Socket()))
		require.NoError(t, err)
		c, err := qmp.NewClient(t.Context(), conn, nil)
		require.NoError(t, err)
		_, err = qemu.QueryJobs{}.Do(t.Context(), c)
		require.NoError(t, err)
		_, err = qemu.QueryStatus{}.Do(t.Context(), c)
		require.ErrorIs(t, err, qmp.ErrCommandNotFound)
		require.NoError(t, c.Close())
		require.NoError(t, r.Close())
		for r, err := range talk.Replay(t.Context(), s.Dial(t), f.entries(t), nil) {
			require.NoError(t, err)
			require.Equal(t, talk.Same, r.Outcome, r.Differences)
		}
	})
}

// TestAgent records a real guest agent, and answers as it did.
func TestAgent(t *testing.T) {
	s := qemutest.Get(t, "11.1").StartAgent(t)
	var f file
	r := talk.NewRecorder(&f)
	conn, err := r.Conn(dial(t, s.Socket()))
	require.NoError(t, err)
	do := func(c *qmp.GuestClient) (guest.GuestAgentInfo, error) {
		require.NoError(t, guest.GuestPing{}.Do(t.Context(), c))
		return guest.GuestInfo{}.Do(t.Context(), c)
	}
	c, err := qmp.NewGuestClient(t.Context(), conn, nil)
	require.NoError(t, err)
	want, err := do(c)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.NoError(t, r.Close())

	a := answer(t, f.entries(t), false)
	c, err = qmp.NewGuestClient(context.WithoutCancel(t.Context()), dial(t, a.path), nil)
	require.NoError(t, err)
	defer c.Close()
	got, err := do(c)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Empty(t, a.Unmatched())
	var x talk.Explainer
	for _, e := range f.entries(t) {
		for _, r := range x.Explain(e) {
			require.Equal(t, talk.Note, r.Level, r.String())
		}
	}
}
