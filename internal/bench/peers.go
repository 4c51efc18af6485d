package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"strconv"
	"sync"

	"github.com/qmpkit/qmpkit/qmp"
)

// The client is compared with two others, as small as they can be: they know how a stand-in
// writes, and decode with the same generated code. Both are executors.

// direct has its caller do all there is to do: write the command, and read the reply.
type direct struct {
	conn    net.Conn
	in, out []byte
}

func newDirect(s *standIn) (*direct, error) {
	conn, err := s.connect()
	if err != nil {
		return nil, err
	}
	return &direct{conn: conn}, negotiate(conn)
}

func (d *direct) close() { _ = d.conn.Close() }

func (d *direct) Execute(_ context.Context, call *qmp.Call) (err error) {
	d.out = appendRequest(d.out[:0], call.Command, 1)
	if _, err := d.conn.Write(d.out); err != nil {
		return err
	}
	if d.in, err = readLine(d.conn, d.in); err != nil {
		return err
	}
	result, _, err := cutReply(d.in)
	if err != nil {
		return err
	}
	return call.Decode(result)
}

// reader has a goroutine that reads the replies, and hands each to its caller by a channel.
type reader struct {
	conn net.Conn

	mu      sync.Mutex
	out     []byte
	last    int
	answers map[int]chan<- []byte // the results, by id; nil when the connection has ended
}

func newReader(s *standIn) (*reader, error) {
	conn, err := s.connect()
	if err != nil {
		return nil, err
	}
	r := &reader{conn: conn, answers: map[int]chan<- []byte{}}
	if err := negotiate(conn); err != nil {
		return nil, err
	}
	go r.read()
	return r, nil
}

func (r *reader) close() { _ = r.conn.Close() }

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

// read is the goroutine.
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

// cutReply returns what is in a reply of a stand-in.
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
