package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/qmpkit/qmpkit/qmp"
)

// A standIn is a server in a process of its own that answers each command at once, with a
// result that it has ready, so that the client's own cost shows.
type standIn struct {
	*child
	socket string
}

// startStandIn starts a stand-in. One that is polled serves thousands of connections; the other
// one has a thread for each, and is faster.
func startStandIn(ctx context.Context, b *bench, polled bool) (*standIn, error) {
	b.sockets++
	socket := filepath.Join(b.temp, strconv.Itoa(b.sockets)+".sock")
	c, err := startChild(ctx, task{Serve: socket, Polled: polled}, startNow)
	if err != nil {
		return nil, err
	}
	s := &standIn{c, socket}
	if _, err := io.ReadFull(c.stdout, make([]byte, len(listening))); err != nil {
		s.stop()
		return nil, c.why(err)
	}
	return s, nil
}

// dial connects a client.
func (s *standIn) dial(ctx context.Context, opts *qmp.Options) (*qmp.Client, error) {
	return qmp.Dial(ctx, "unix:"+s.socket, opts)
}

// connect makes a connection, for what is no client.
func (s *standIn) connect() (*net.UnixConn, error) {
	return net.DialUnix("unix", nil, &net.UnixAddr{Name: s.socket, Net: "unix"})
}

// listening is what a stand-in prints when it can be connected to.
const listening = "listening\n"

// serveStandIn is a stand-in's process. It ends with its parent only.
func serveStandIn(socket string, polled bool) error {
	results, err := standInResults()
	if err != nil {
		return err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return err
	}
	if !polled {
		// A rawConn that waits keeps a processor, and stops for no garbage collection.
		runtime.GOMAXPROCS(64)
		debug.SetGCPercent(-1)
	}
	fmt.Print(listening)
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return err
		}
		go serveConn(conn, polled, results)
	}
}

// serveConn serves a connection.
func serveConn(conn *net.UnixConn, polled bool, results map[string][]byte) {
	s := session{conn: conn, results: results}
	if !polled {
		raw, err := newRawConn(conn, 0)
		if err != nil {
			_ = conn.Close()
			return
		}
		s.conn = raw
		runtime.LockOSThread()
	}
	defer s.conn.Close()
	_ = s.serve() // its end is the connection's
}

// standInResults returns the results of the commands that have another one than {}.
func standInResults() (map[string][]byte, error) {
	results := map[string][]byte{
		// As a QEMU of today answers.
		queryStatus: []byte(`{"status": "running", "running": true}`),
	}
	for _, command := range []string{qomListTypes, queryQMPSchema} {
		text, err := reply(command)
		if err != nil {
			return nil, err
		}
		results[command] = text
	}
	return results, nil
}

// The commands that are measured.
const (
	queryStatus    = "query-status"
	qomListTypes   = "qom-list-types"
	queryQMPSchema = "query-qmp-schema"
)
