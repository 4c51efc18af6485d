package talk_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/internal/talk"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// A file is a buffer that several goroutines use.
type file struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (f *file) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.b.Write(b)
}

func (f *file) entries(t *testing.T) []*talk.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, err := talk.Collect(talk.Join(talk.Read(bytes.NewReader(f.b.Bytes()))))
	require.NoError(t, err)
	return all
}

func (f *file) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.b.String()
}

// dial connects to a UNIX socket.
func dial(t *testing.T, path string) net.Conn {
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	return conn
}

// names returns the kinds and names of entries.
func names(entries []*talk.Entry) (all []string) {
	for _, e := range entries {
		all = append(all, string(e.Kind)+" "+e.Name())
	}
	return all
}

// session does what the tests record: queries, changes, a descriptor, a secret, a refusal.
func session(t *testing.T, c *qmp.Client) {
	ctx := t.Context()
	status, err := qemu.QueryStatus{}.Do(ctx, c)
	require.NoError(t, err)
	require.True(t, status.Running)
	require.NoError(t, qemu.Stop{}.Do(ctx, c))
	status, err = qemu.QueryStatus{}.Do(ctx, c)
	require.NoError(t, err)
	require.False(t, status.Running)
	_, err = qmp.Raw{Command: "object-add", Args: qmp.Args{"qom-type": "secret", "id": "s", "data": "opensesame"}}.Do(ctx, c)
	require.NoError(t, err)
	null := must(os.Open(os.DevNull))
	defer null.Close()
	_, err = qemu.AddFD{}.Do(ctx, c, qmp.WithFile(null))
	require.NoError(t, err)
	sets, err := qemu.QueryFDSets{}.Do(ctx, c)
	require.NoError(t, err)
	require.Len(t, sets, 1)
	_, err = qmp.Raw{Command: "blockdev-del", Args: qmp.Args{"node-name": "missing"}}.Do(ctx, c)
	var refused *qmp.Error
	require.ErrorAs(t, err, &refused)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestRecord records a client of a real QEMU, answers a client as the recording does, and sends the requests again.
func TestRecord(t *testing.T) {
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{Monitors: 2})
		var f file
		r := talk.NewRecorder(&f)
		conn, err := r.Conn(dial(t, vm.Sockets[0]))
		require.NoError(t, err)
		c, err := qmp.NewClient(t.Context(), conn, nil)
		require.NoError(t, err)
		session(t, c)
		require.NoError(t, c.Close())
		require.NoError(t, r.Close())
		require.NotContains(t, f.String(), "opensesame")

		entries := f.entries(t)
		require.Contains(t, names(entries), "event STOP")
		for _, e := range entries {
			if e.Command == "add-fd" {
				require.Equal(t, 1, e.Files)
			}
			if e.Kind == talk.Request {
				require.NotNil(t, e.Reply, e.Command)
				require.Positive(t, e.Reply.Duration)
			}
		}

		// The program sees no difference.
		again := answer(t, entries, false)
		session(t, again.client(t))
		require.Empty(t, again.Unmatched())

		// The machine has stopped, and the node is still missing.
		var outcomes []string
		for r, err := range talk.Replay(t.Context(), vm.Dial(t), entries, nil) {
			require.NoError(t, err)
			outcomes = append(outcomes, r.Request.Command+" "+string(r.Outcome)+" "+r.Reason)
			for _, d := range r.Differences {
				outcomes = append(outcomes, d.String())
			}
		}
		require.Contains(t, outcomes, "query-status different ")
		require.Contains(t, outcomes, `return.status: "running" is now "paused"`)
		require.Contains(t, outcomes, "query-status same ")
		require.Contains(t, outcomes, "stop skipped it can change something")
		require.Contains(t, outcomes, "add-fd skipped its descriptors are not in the recording")
		require.Contains(t, outcomes, "object-add skipped a secret is hidden in the recording")
	})
}

// An answering is an Answerer that listens.
type answering struct {
	*talk.Answerer
	path string
}

func answer(t *testing.T, entries []*talk.Entry, loose bool) *answering {
	a := &answering{talk.NewAnswerer(entries, loose), filepath.Join(shortDir(t), "s")}
	l, err := net.Listen("unix", a.path)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.NoError(t, a.Close())
	})
	return a
}

func (a *answering) client(t *testing.T) *qmp.Client {
	c, err := qmp.Dial(t.Context(), a.path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// shortDir returns a folder whose name is short enough for a socket.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "talk")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// TestProxy records another program's conversation with a real QEMU, descriptors included.
func TestProxy(t *testing.T) {
	qemutest.CheckFds(t)
	q := qemutest.Get(t, "11.1")
	vm := q.Start(t, qemutest.Config{})
	var f file
	r := talk.NewRecorder(&f)
	path := filepath.Join(shortDir(t), "p")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- r.Serve(ctx, l, func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", vm.Sockets[0])
		})
	}()
	c, err := qmp.Dial(t.Context(), path, nil)
	require.NoError(t, err)
	session(t, c)
	require.NoError(t, c.Close())

	c, err = qmp.Dial(t.Context(), path, nil)
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Error(t, qemu.Stop{}.Do(t.Context(), c))
	require.NoError(t, c.Close())
	require.NoError(t, r.Close())
	require.Contains(t, f.String(), `"conversation":"2"`)
	require.NotContains(t, f.String(), "opensesame")
}

// TestMalformed records what is not a message, and hides it if it is a client's.
func TestMalformed(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	var f file
	r := talk.NewRecorder(&f)
	conn, err := r.Conn(s.Pipe())
	require.NoError(t, err)
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	for _, text := range []string{"{'execute': 'qmp_capabilities'}", `{"password":"open`, "\nsesame\", \"x\":]}\n", "set_password vnc opensesame\n"} {
		_, err := conn.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, conn.Close())
	require.NoError(t, r.Close())
	require.NotContains(t, f.String(), "sesame")
	require.Contains(t, names(f.entries(t)), "request qmp_capabilities")
	require.Contains(t, names(f.entries(t)), "other ")
}

// TestRecordFails continues a conversation that cannot be recorded.
func TestRecordFails(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Handle("stop", qmptest.Return(nil))
	full := errors.New("no space left")
	r := talk.NewRecorder(writer(func([]byte) (int, error) { return 0, full }))
	conn, err := r.Conn(s.Pipe())
	require.NoError(t, err)
	c, err := qmp.NewClient(t.Context(), conn, nil)
	require.NoError(t, err)
	require.NoError(t, qemu.Stop{}.Do(t.Context(), c))
	require.NoError(t, c.Close())
	require.ErrorIs(t, r.Close(), full)
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// TestProxyHung: the server hangs, with and without a client, or ends. The proxy ends when its context does.
func TestProxyHung(t *testing.T) {
	qemutest.CheckFds(t)
	for _, leaves := range []bool{false, true} {
		s := qmptest.NewServer(t, nil)
		called := make(chan struct{})
		s.Handle("stop", func(r *qmptest.Request) (any, error) {
			close(called)
			return qmptest.Hang(r)
		})
		var f file
		r := talk.NewRecorder(&f)
		path := filepath.Join(shortDir(t), "p")
		l, err := net.Listen("unix", path)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- r.Serve(ctx, l, func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "unix", s.Addr()) })
		}()
		c, err := qmp.Dial(t.Context(), path, nil)
		require.NoError(t, err)
		asked, stop := context.WithCancel(t.Context())
		defer stop()
		result := make(chan error, 1)
		go func() { result <- qemu.Stop{}.Do(asked, c) }()
		<-called
		if leaves {
			stop()
			require.ErrorIs(t, <-result, qmp.ErrOutcomeUnknown)
			require.NoError(t, c.Close())
		}
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		if !leaves {
			require.ErrorIs(t, <-result, qmp.ErrOutcomeUnknown)
			require.NoError(t, c.Close())
		}
		require.NoError(t, r.Close())
		require.Contains(t, f.String(), `stop`)
		require.NoFileExists(t, path)
	}
}
