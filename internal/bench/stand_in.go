package main

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/qmpkit/qmpkit/qmp"
)

// A standIn is the socket of a server in another process. The server answers each command at once with a
// prepared result, so that measurements show the cost of the client.
type standIn string

// A way is how a stand-in serves its connections.
type way string

const (
	threads way = "threads" // a thread for each connection, which is fastest
	polled  way = "polled"  // Go's poller, for thousands of connections
)

// serveTask is the argument of a child that is a stand-in. Its way and its socket follow.
const serveTask = "serve"

// listening is what a stand-in prints when it listens.
const listening = "listening\n"

// standIn starts a stand-in.
func (b *bench) standIn(how way) standIn {
	b.sockets++
	socket := b.file(strconv.Itoa(b.sockets) + ".sock")
	cmd := child(b.ctx, serveTask, string(how), socket)
	cmd.Env = append(cmd.Env, "GODEBUG=asyncpreemptoff=1") // no signals to threads that wait in system calls
	cmd.Stderr = os.Stderr
	stdout := must(cmd.StdoutPipe())
	check(cmd.Start())
	b.cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	must(io.ReadFull(stdout, make([]byte, len(listening))))
	return standIn(socket)
}

// dial connects a client to a stand-in.
func (b *bench) dial(s standIn, opts *qmp.Options) *qmp.Client {
	c := must(qmp.Dial(b.ctx, string(s), opts))
	b.cleanup(func() { _ = c.Close() })
	return c
}

// serve runs a stand-in. It returns only if it cannot listen or accept.
func serve(args []string) error {
	how, socket := way(args[0]), args[1]
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return err
	}
	if how == threads {
		// A rawConn that waits keeps a processor, and does not stop for garbage collection.
		runtime.GOMAXPROCS(64)
		debug.SetGCPercent(-1)
	}
	fmt.Print(listening)
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			s := session{conn: conn}
			if how == threads {
				raw := newRawConn(conn)
				defer raw.Close()
				s.conn = raw
				runtime.LockOSThread()
			}
			_ = s.serve() // its end is the connection's
		}()
	}
}

const greeting = `{"QMP": {"version": {"qemu": {"micro": 2, "minor": 2, "major": 10}, ` +
	`"package": ""}, "capabilities": ["oob"]}}` + "\r\n"

// The commands that are measured.
const (
	queryStatus    = "query-status"
	qomListTypes   = "qom-list-types"
	queryQMPSchema = "query-qmp-schema"
)

// The commands that only a stand-in has.
const (
	// flood sends count events after its reply, as fast as they are read.
	flood = "x-flood"
	// beforeEach sends count events before each reply of query-status from then on.
	beforeEach = "x-before-each"
	// longest returns the length of the longest query-status, with everything between it and the command before.
	longest = "x-longest"
)

// A session is the stand-in's side of a connection.
type session struct {
	conn    io.ReadWriter
	out     []byte
	events  []byte // before each query-status
	longest int
}

// serve answers requests until the connection ends. What one read brings is answered by one write.
func (s *session) serve() error {
	s.out = append(s.out, greeting...)
	in := make([]byte, 0, 4096)
	for {
		if _, err := s.conn.Write(s.out); err != nil {
			return err
		}
		s.out = s.out[:0]
		if len(in) == cap(in) {
			in = append(in, 0)[:len(in)]
		}
		n, err := s.conn.Read(in[len(in):cap(in)])
		if err != nil {
			return err
		}
		rest := in[:len(in)+n]
		for n := requestEnd(rest); n > 0; n = requestEnd(rest) {
			if err := s.answer(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		in = in[:copy(in[:cap(in)], rest)]
	}
}

// answer appends the reply to a request. It writes the events of a flood itself.
func (s *session) answer(request []byte) error {
	id, command := member(request, `"id":`), string(member(request, `"execute":`))
	result := results[command]
	switch command {
	case queryStatus:
		s.longest = max(s.longest, len(request))
		s.out = append(s.out, s.events...)
	case longest:
		result = strconv.AppendInt(nil, int64(s.longest), 10)
	case beforeEach:
		s.events = bytes.Repeat([]byte(event), count(request))
	}
	s.out = appendReply(s.out, result, id)
	if command != flood {
		return nil
	}
	const many = 512 // a write
	events := bytes.Repeat([]byte(event), many)
	for left := count(request); left > 0; left -= many {
		s.out = append(s.out, events[:min(left, many)*len(event)]...)
		if _, err := s.conn.Write(s.out); err != nil {
			return err
		}
		s.out = s.out[:0]
	}
	return nil
}

// requestEnd returns where the first request of a text ends, or 0 if it is not complete. No measurement sends
// strings with braces.
func requestEnd(text []byte) int {
	depth := 0
	for i, c := range text {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// member returns the value of a member in a request. The value must be a scalar. The client writes no blanks.
func member(request []byte, name string) []byte {
	_, value, _ := bytes.Cut(request, []byte(name))
	if i := bytes.IndexAny(value, ",}"); i >= 0 {
		value = value[:i]
	}
	return bytes.Trim(value, `"`)
}

// count returns how many events a request asks for.
func count(request []byte) int { return must(strconv.Atoi(string(member(request, `"count":`)))) }

// event is the one that a stand-in sends, as QEMU prints it.
const event = `{"timestamp": {"seconds": 1767225600, "microseconds": 123456}, "event": "BALLOON_CHANGE", ` +
	`"data": {"actual": 1073741824}}` + "\r\n"

// The parts of a reply around the result and the id.
const (
	replyBegin = `{"return": `
	replyID    = `, "id": `
	replyEnd   = "}\r\n"
)

// appendReply appends a reply as QEMU prints it. No result is {}.
func appendReply(b, result, id []byte) []byte {
	if result == nil {
		result = []byte("{}")
	}
	b = append(b, replyBegin...)
	b = append(b, result...)
	b = append(b, replyID...)
	b = append(b, id...)
	return append(b, replyEnd...)
}

// repliesFS has results of commands that a QEMU 7.2 with three disks sent. The long ones are compressed.
//
//go:embed testdata/replies
var repliesFS embed.FS

// results are the results by command. The one of query-status is what a QEMU of today sends.
var results = map[string][]byte{
	queryStatus:    []byte(`{"status": "running", "running": true}`),
	qomListTypes:   reply(qomListTypes + ".json.gz"),
	queryQMPSchema: reply(queryQMPSchema + ".json.gz"),
}

// reply returns a result from its file.
func reply(name string) []byte {
	text := must(repliesFS.ReadFile("testdata/replies/" + name))
	if filepath.Ext(name) == ".gz" {
		text = must(io.ReadAll(must(gzip.NewReader(bytes.NewReader(text)))))
	}
	return bytes.TrimSpace(text)
}
