package talk

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/internal/fdconn"
)

// A Recorder writes conversations. Several goroutines can use it.
type Recorder struct {
	relays sync.WaitGroup

	mu    sync.Mutex
	to    io.Writer
	err   error
	count int
	conns map[net.Conn]bool
}

// NewRecorder makes a recorder that writes a line to w for each message, with one Write. Close it to be sure that
// everything is written. The recorder does not close w.
func NewRecorder(w io.Writer) *Recorder { return &Recorder{to: w, conns: make(map[net.Conn]bool)} }

// Close ends all conversations and waits until they are recorded. It returns the first error of writing: from then
// on nothing is recorded, but the conversations continue.
func (r *Recorder) Close() error {
	r.mu.Lock()
	for c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.relays.Wait()
	return r.Err()
}

// Err returns the first error of writing, nil if there is none.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Conn returns a connection to the server at the other end of conn, for [qmp.NewClient], and records what passes.
// Descriptors pass if conn is a UNIX socket. Closing the returned connection closes conn. Do not use conn itself.
//
// The error means that there is no socketpair. conn is then closed.
func (r *Recorder) Conn(conn net.Conn) (net.Conn, error) {
	mine, theirs, err := pair(conn)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	relay := r.relay(mine, conn)
	r.relays.Go(relay)
	return theirs, nil
}

// Serve accepts clients from l, connects each to the server by dial, and records what passes, until ctx ends or l
// fails. It waits for the conversations and closes l. Descriptors pass from UNIX sockets to UNIX sockets.
//
// A client for which dial fails is disconnected. QEMU serves one client at a time: dial may have to wait for the
// greeting of another, and the next client is served at the same time.
func (r *Recorder) Serve(ctx context.Context, l net.Listener, dial func(context.Context) (net.Conn, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		client, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = client.Close()
			}
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		clients.Go(func() {
			defer context.AfterFunc(ctx, func() { _ = client.Close() })()
			server, err := dial(ctx)
			if err != nil {
				r.note(FromServer, "the proxy cannot connect to the server: "+err.Error())
				_ = client.Close()
				return
			}
			defer context.AfterFunc(ctx, func() { _ = server.Close() })() // it may hang, with or without a client
			r.relay(client, server)()
		})
	}
}

// relay returns a function that passes everything between a client and a server, until one of them leaves.
func (r *Recorder) relay(client, server net.Conn) func() {
	r.mu.Lock()
	r.count++
	conversation := strconv.Itoa(r.count)
	r.conns[client], r.conns[server] = true, true
	r.mu.Unlock()
	return func() {
		var both sync.WaitGroup
		both.Go(func() {
			r.pass(conversation, FromClient, client, server)
			if half, ok := server.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
				_ = server.Close()
			}
		})
		both.Go(func() {
			r.pass(conversation, FromServer, server, client)
			_ = client.Close()
			_ = server.Close()
		})
		both.Wait()
		r.mu.Lock()
		delete(r.conns, client)
		delete(r.conns, server)
		r.mu.Unlock()
	}
}

// pass passes what one side sends to the other, and records it first: a request is always recorded before its reply.
func (r *Recorder) pass(conversation string, side From, from, to net.Conn) {
	in, out := fdconn.New(from), fdconn.New(to)
	if side == FromServer { // which sends no descriptors
		in = fdconn.Plain(from)
	}
	var s splitter
	files := 0 // that came with the message
	put := func(p piece) {
		m := newMessage(side, p.text)
		m.Time, m.Conversation, m.From, m.Files = time.Now().UTC(), conversation, side, files
		if m.Kind == Other && side == FromClient {
			m.Text = []byte(hidden)
		}
		files = 0
		r.write(m)
	}
	for b := make([]byte, 64<<10); ; {
		n, passed, err := in.Read(b)
		if len(passed) > 0 {
			files += len(passed)
		}
		for _, c := range b[:n] {
			if p, ok := s.feed(c); ok {
				put(p)
			}
		}
		if n > 0 {
			writeErr := out.Write(b[:n], passed)
			for _, f := range passed {
				_ = f.Close()
			}
			err = errors.Join(err, writeErr)
		}
		if err != nil {
			if p, ok := s.end(); ok {
				put(p)
			}
			return
		}
	}
}

// note records a text that is not of either side.
func (r *Recorder) note(from From, text string) {
	r.write(&Message{Time: time.Now().UTC(), From: from, Kind: Other, Text: []byte(text)})
}

func (r *Recorder) write(m *Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		_, r.err = r.to.Write(marshal(m.line()))
	}
}

// pair returns the two ends of a connection that stands for conn, for a relay and for its client.
func pair(conn net.Conn) (relay, client net.Conn, err error) {
	if _, ok := conn.(*net.UnixConn); !ok {
		relay, client = net.Pipe()
		return relay, client, nil
	}
	a, b, err := fdconn.Pair()
	if errors.Is(err, errors.ErrUnsupported) {
		relay, client = net.Pipe()
		return relay, client, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer a.Close()
	defer b.Close()
	if relay, err = net.FileConn(a); err != nil {
		return nil, nil, err
	}
	if client, err = net.FileConn(b); err != nil {
		_ = relay.Close()
		return nil, nil, err
	}
	return relay, client, nil
}
