package guest_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
)

// dial connects to an agent that runs on this machine.
func dial(t *testing.T, s *qemutest.Server) *qmp.GuestClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	g, err := qmp.DialGuest(ctx, s.Socket(), nil)
	require.NoError(t, err, s.Output())
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	return g
}

// TestAgents talks to real agents.
func TestAgents(t *testing.T) {
	qemutest.Run(t, []string{"7.2", "10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		s := q.StartAgent(t)
		g := dial(t, s)
		ctx := t.Context()
		info, err := guest.GuestInfo{}.Do(ctx, g)
		require.NoError(t, err)
		require.NotEmpty(t, info.SupportedCommands)
		require.NoError(t, guest.GuestPing{}.Do(ctx, g))
		now, err := guest.GuestGetTime{}.Do(ctx, g)
		require.NoError(t, err)
		require.InDelta(t, time.Now().UnixNano(), now, float64(time.Hour))
		status, err := guest.GuestFsfreezeStatus{}.Do(ctx, g)
		require.NoError(t, err)
		require.Equal(t, guest.GuestFsfreezeStatusResultThawed, status)

		// A reply of some size, and one with a value for each kind of type.
		path := filepath.Join(t.TempDir(), "file")
		text := make([]byte, 1<<20)
		require.NoError(t, os.WriteFile(path, text, 0o600))
		handle, err := guest.GuestFileOpen{Path: path}.Do(ctx, g)
		require.NoError(t, err)
		read, err := guest.GuestFileRead{Handle: handle, Count: new(int64(len(text)))}.Do(ctx, g)
		require.NoError(t, err)
		require.EqualValues(t, len(text), read.Count)
		require.NoError(t, guest.GuestFileClose{Handle: handle}.Do(ctx, g))

		_, err = guest.GuestFileOpen{Path: filepath.Join(path, "none")}.Do(ctx, g)
		require.ErrorIs(t, err, qmp.ErrGeneric)
		_, err = qmp.Raw{Command: "guest-none"}.Do(ctx, g)
		require.ErrorIs(t, err, qmp.ErrCommandNotFound)
	})
}

// TestAgentIsLeftInTheMiddle: a client that dies in the middle of a command, and whose replies
// nobody reads, is no harm to the next one.
func TestAgentIsLeftInTheMiddle(t *testing.T) {
	qemutest.Run(t, []string{"7.2", "10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		s := q.StartAgent(t)
		g := dial(t, s)
		short, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, guest.GuestPing{}.Do(short, g), qmp.ErrNotSent)
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Microsecond)
			_, err := guest.GuestInfo{}.Do(ctx, g)
			cancel()
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
		}
		require.NoError(t, guest.GuestPing{}.Do(t.Context(), g))
		require.NoError(t, g.Close())
		require.NoError(t, guest.GuestPing{}.Do(t.Context(), dial(t, s)))
	})
}

// TestAgentThatComesLate: what reads the channel before the agent does swallows the first request, and
// the channel keeps the next ones until the agent is there, which answers each.
func TestAgentThatComesLate(t *testing.T) {
	qemutest.Run(t, []string{"7.2", "10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		s := q.StartAgent(t)
		near, far := net.Pipe()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		requests := make([]byte, 1000)
		relayed := make(chan struct{})
		go func() {
			defer close(relayed)
			_, _ = far.Read(requests) // swallowed
			n, _ := far.Read(requests)
			m, _ := far.Read(requests[n:])
			agent, err := net.Dial("unix", s.Socket())
			if err != nil {
				t.Error(err)
				_ = far.Close()
				return
			}
			defer agent.Close()
			_, _ = agent.Write(requests[:n+m])
			go func() { _, _ = io.Copy(far, agent) }()
			_, _ = io.Copy(agent, far)
		}()
		g, err := qmp.NewGuestClient(ctx, near, nil)
		require.NoError(t, err)
		for range 20 {
			info, err := guest.GuestInfo{}.Do(ctx, g)
			require.NoError(t, err)
			require.NotEmpty(t, info.SupportedCommands)
		}
		require.NoError(t, g.Close())
		<-relayed
	})
}
