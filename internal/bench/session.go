package main

import (
	"encoding/json"
	"io"
	"strconv"
)

const standInGreeting = `{"QMP": {"version": {"qemu": {"micro": 2, "minor": 2, "major": 10}, ` +
	`"package": ""}, "capabilities": ["oob"]}}` + "\r\n"

// The commands that a stand-in has for measurements. Those of flooding have floodArgs.
const (
	// floodCommand sends events as fast as they are read, after its reply.
	floodCommand = "x-flood"
	// beforeEachCommand sends events from then on before each reply of query-status.
	beforeEachCommand = "x-before-each"
	// longestCommand returns how long the longest query-status was, with what separates it
	// from the command before.
	longestCommand = "x-longest"
)

// floodArgs are which events, and how many.
type floodArgs struct {
	Event string `json:"event"`
	Count int    `json:"count"`
}

// A session is the stand-in's side of a connection.
type session struct {
	conn    io.ReadWriteCloser
	results map[string][]byte

	in, out    []byte
	beforeEach []byte // events
	longest    int
}

// serve answers requests until the connection ends: all that one read brought by one write.
func (s *session) serve() error {
	s.out = append(s.out, standInGreeting...)
	s.in = make([]byte, 0, 4096)
	for {
		if _, err := s.conn.Write(s.out); err != nil {
			return err
		}
		s.out = s.out[:0]
		if len(s.in) == cap(s.in) {
			s.in = append(s.in, 0)[:len(s.in)]
		}
		n, err := s.conn.Read(s.in[len(s.in):cap(s.in)])
		if err != nil {
			return err
		}
		s.in = s.in[:len(s.in)+n]
		rest := s.in
		for {
			r, n := cutRequest(rest)
			if n == 0 {
				break
			}
			if err := s.answer(r, rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		s.in = s.in[:copy(s.in, rest)]
	}
}

// answer makes the reply to a request; text is all of it.
func (s *session) answer(r request, text []byte) error {
	var args struct {
		Arguments floodArgs `json:"arguments"`
	}
	flood := &args.Arguments
	switch string(r.command) {
	case queryStatus:
		s.longest = max(s.longest, len(text))
		s.out = append(s.out, s.beforeEach...)
	case longestCommand:
		s.out = appendReply(s.out, strconv.AppendInt(nil, int64(s.longest), 10), r.id)
		return nil
	case beforeEachCommand:
		if err := json.Unmarshal(text, &args); err != nil {
			return err
		}
		s.beforeEach = appendEvents(nil, flood.Event, flood.Count)
	case floodCommand:
		if err := json.Unmarshal(text, &args); err != nil {
			return err
		}
		s.out = appendReply(s.out, nil, r.id)
		return s.flood(flood)
	}
	s.out = appendReply(s.out, s.results[string(r.command)], r.id)
	return nil
}

// flood writes what is to be written, then events, many at once.
func (s *session) flood(args *floodArgs) error {
	const many = 512
	if _, err := s.conn.Write(s.out); err != nil {
		return err
	}
	s.out = s.out[:0]
	events := appendEvents(nil, args.Event, many)
	for n := args.Count; n > 0; n -= many {
		if _, err := s.conn.Write(events[:min(n, many)*(len(events)/many)]); err != nil {
			return err
		}
	}
	return nil
}

// appendReply appends a reply as QEMU prints it. No result is {}.
func appendReply(b, result, id []byte) []byte {
	if result == nil {
		result = []byte("{}")
	}
	b = append(b, replyBegin...)
	b = append(b, result...)
	if id != nil {
		b = append(b, replyID...)
		b = append(b, id...)
	}
	return append(b, replyEnd...)
}

// The parts of a reply around the result and the id.
const (
	replyBegin = `{"return": `
	replyID    = `, "id": `
	replyEnd   = "}\r\n"
)

// appendEvents appends events that are all the same.
func appendEvents(b []byte, name string, count int) []byte {
	for range count {
		b = append(b, `{"timestamp": {"seconds": 1767225600, "microseconds": 123456}, "event": "`...)
		b = append(b, name...)
		b = append(b, `", "data": `...)
		b = append(b, eventData[name]...)
		b = append(b, "}\r\n"...)
	}
	return b
}

// eventData has the data of the events that a stand-in can send.
var eventData = map[string]string{
	balloonChange: `{"actual": 1073741824}`,
	deviceDeleted: `{"device": "disk1", "path": "/machine/peripheral/disk1"}`,
}

const (
	balloonChange = "BALLOON_CHANGE"
	deviceDeleted = "DEVICE_DELETED"
)
