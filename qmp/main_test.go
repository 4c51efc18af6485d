package qmp_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestMain fails when a goroutine is left over.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// How long to wait for what another goroutine does, and how often to look.
const waitTime, pollTime = time.Minute, time.Millisecond

// limit is a context for what must not take long.
func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// contextOf returns a context that lasts for a while.
func contextOf(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// connect returns a client of s over a pipe.
func connect(t *testing.T, s *qmptest.Server, opts *qmp.Options) *qmp.Client {
	t.Helper()
	c, err := qmp.NewClient(limit(t), s.Pipe(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// run executes a command without arguments.
func run(ctx context.Context, c *qmp.Client, command string, opts ...qmp.CallOption) (string, error) {
	v, err := qmp.Raw{Command: command}.Do(ctx, c, opts...)
	return string(v), err
}

func isNotSent(err error) bool { return errors.Is(err, qmp.ErrNotSent) }

const (
	greeting = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, ` +
		`"package": "Debian 1:7.2+dfsg-7"}, "capabilities": ["oob"]}}` + "\r\n"
	negotiated = `{"return": {}, "id": 0}` + "\r\n"
)

// peer is a server whose every byte is the test's.
type peer struct {
	net.Conn
	t *testing.T
}

// newPeer returns the two ends of a connection in memory.
func newPeer(t *testing.T) (server *peer, client net.Conn) {
	s, c := net.Pipe()
	t.Cleanup(func() { _ = s.Close(); _ = c.Close() })
	return &peer{s, t}, c
}

// write writes a text, and does not mind that nobody reads it.
func (p *peer) write(text string) { _, _ = p.Write([]byte(text)) }

// expect reads what must be exactly text.
func (p *peer) expect(text string) {
	b := make([]byte, len(text))
	n := 0
	for n < len(b) {
		m, err := p.Read(b[n:])
		if err != nil {
			p.t.Errorf("read %q, then %v; expected %q", b[:n], err, text)
			return
		}
		n += m
	}
	if string(b) != text {
		p.t.Errorf("read %q, expected %q", b, text)
	}
}

// negotiate does what a server does first.
func (p *peer) negotiate() {
	p.write(greeting)
	p.expect(`{"execute":"qmp_capabilities","id":0}`)
	p.write(negotiated)
}

// connectPeer returns a client, and its server.
func connectPeer(t *testing.T, opts *qmp.Options) (*qmp.Client, *peer) {
	t.Helper()
	p, conn := newPeer(t)
	go p.negotiate()
	c, err := qmp.NewClient(limit(t), conn, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c, p
}

// unchecked has servers take what the tests of the protocol send: real commands without their arguments.
var unchecked = &qmptest.Options{Unchecked: true}
