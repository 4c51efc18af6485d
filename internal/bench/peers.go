package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// peers are a client and the connections to compare it with, each connected to one stand-in. All but the
// floor decode with the same generated code.
type peers struct {
	client *qmp.Client
	floor  *lockstep // by bare system calls, on its own thread; it does not decode the replies
	direct *lockstep // by Go's connections, and it decodes
	reader *reader
}

// peers starts a stand-in and connects peers to it.
func (b *bench) peers() *peers {
	s := b.standIn(threads)
	reader := &reader{conn: b.connect(s), answers: map[int]chan<- []byte{}}
	go reader.read()
	return &peers{b.dial(s, nil), b.floor(s), &lockstep{conn: b.connect(s)}, reader}
}

// connect makes a connection and negotiates on it.
func (b *bench) connect(s standIn) *net.UnixConn {
	conn := must(net.DialUnix("unix", nil, &net.UnixAddr{Name: string(s), Net: "unix"}))
	b.cleanup(func() { _ = conn.Close() })
	l := &lockstep{conn: conn}
	must(l.ask(nil)) // the greeting
	must(l.ask(appendRequest(nil, "qmp_capabilities", 1)))
	return conn
}

func (b *bench) floor(s standIn) *lockstep {
	raw := newRawConn(b.connect(s))
	b.cleanup(func() { _ = raw.Close() })
	return &lockstep{conn: raw}
}

// status returns the operation of asking for the status, through an executor.
func status(ctx context.Context, x qmp.Executor) operation {
	return func() error {
		v, err := qemu.QueryStatus{}.Do(ctx, x)
		if err == nil && !v.Running {
			err = errors.New("query-status: a wrong result")
		}
		return err
	}
}

// lockstep is a connection for one goroutine, which writes a command and then reads its reply.
type lockstep struct {
	conn    io.ReadWriter
	in, out []byte
}

// ask sends a request and returns the line that comes back, which is valid up to the next call.
func (l *lockstep) ask(request []byte) ([]byte, error) {
	if _, err := l.conn.Write(request); err != nil {
		return nil, err
	}
	l.in = l.in[:0]
	for !bytes.HasSuffix(l.in, []byte("\n")) {
		l.in = slices.Grow(l.in, 4096)
		n, err := l.conn.Read(l.in[len(l.in):cap(l.in)])
		if err != nil {
			return nil, err
		}
		l.in = l.in[:len(l.in)+n]
	}
	return l.in, nil
}

// trip returns the operation of sending a command and reading its reply.
func (l *lockstep) trip(command string) operation {
	request := appendRequest(nil, command, 1)
	return func() error {
		_, err := l.ask(request)
		return err
	}
}

// flood makes the stand-in send events, and reads their bytes.
func (l *lockstep) flood(count int) error {
	if _, err := fmt.Fprintf(l.conn, `{"execute":"%s","arguments":{"count":%d},"id":1}`, flood, count); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, l.conn, int64(len(appendReply(nil, nil, []byte("1")))+count*len(event)))
	return err
}

func (l *lockstep) Execute(_ context.Context, call *qmp.Call) error {
	l.out = appendRequest(l.out[:0], call.Command, 1)
	line, err := l.ask(l.out)
	if err != nil {
		return err
	}
	result, _, err := cutReply(line)
	if err != nil {
		return err
	}
	return call.Decode(result)
}

// reader is the usual kind of client: a goroutine reads the replies and sends each to its caller by a channel.
type reader struct {
	conn net.Conn

	mu      sync.Mutex
	out     []byte
	last    int
	answers map[int]chan<- []byte // the results, by id; nil when the connection has ended
}

func (r *reader) Execute(ctx context.Context, call *qmp.Call) error {
	answer := make(chan []byte, 1)
	if err := r.send(call, answer); err != nil {
		return err
	}
	select {
	case result, ok := <-answer:
		if !ok {
			return net.ErrClosed
		}
		return call.Decode(result)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *reader) send(call *qmp.Call, answer chan<- []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answers == nil {
		return net.ErrClosed
	}
	r.last++
	r.answers[r.last] = answer
	r.out = appendRequest(r.out[:0], call.Command, r.last)
	_, err := r.conn.Write(r.out)
	return err
}

// read is the goroutine that reads.
func (r *reader) read() {
	in := bufio.NewReaderSize(r.conn, 1<<16)
	for {
		line, err := in.ReadBytes('\n')
		result, id, cutErr := cutReply(line)
		r.mu.Lock()
		if err != nil || cutErr != nil {
			for _, answer := range r.answers {
				close(answer)
			}
			r.answers = nil
			r.mu.Unlock()
			return
		}
		answer := r.answers[id]
		delete(r.answers, id)
		r.mu.Unlock()
		answer <- result
	}
}

// appendRequest appends a command without arguments.
func appendRequest(b []byte, command string, id int) []byte {
	b = append(b, `{"execute":"`...)
	b = append(b, command...)
	b = append(b, `","id":`...)
	b = strconv.AppendInt(b, int64(id), 10)
	return append(b, '}')
}

// cutReply returns the result and the id in a reply of a stand-in.
func cutReply(line []byte) (result []byte, id int, err error) {
	line, begins := bytes.CutPrefix(line, []byte(replyBegin))
	line, ends := bytes.CutSuffix(line, []byte(replyEnd))
	i := bytes.LastIndex(line, []byte(replyID))
	if !begins || !ends || i < 0 {
		return nil, 0, errors.New("not the reply of a stand-in")
	}
	id, err = strconv.Atoi(string(line[i+len(replyID):]))
	return line[:i], id, err
}
