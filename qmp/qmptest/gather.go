package qmptest

import (
	"bytes"
	"slices"
)

// Merge makes the server collect its next n messages to the client and write them at once:
// replies, events and the bytes of [Server.Write]. For example, a handler that calls Merge(2) and
// then [Server.Event] sends the event and its reply in one piece. Merge(0) writes the messages
// that an earlier Merge or [Server.Reverse] has collected. Merge has no effect if the server has
// no client.
func (s *Server) Merge(n int) { s.gather(n, mergeMessages) }

// Reverse makes the server collect its next n messages to the client and write them in the
// reverse order, as when a reply to an out-of-band command overtakes others.
func (s *Server) Reverse(n int) { s.gather(n, reverseMessages) }

func (s *Server) gather(n int, arrange func([][]byte) [][]byte) {
	c := s.client()
	if c == nil {
		return
	}
	c.writes.Lock()
	defer c.writes.Unlock()
	for _, b := range c.gathered.end() {
		_, _ = c.out.Write(b)
	}
	c.gathered = gathering{wanted: n, arrange: arrange}
}

// A gathering collects messages that are written together. The zero gathering collects nothing.
type gathering struct {
	wanted   int
	arrange  func(messages [][]byte) [][]byte
	messages [][]byte
}

// add adds a message and returns the messages to write now.
func (g *gathering) add(b []byte) [][]byte {
	if g.wanted == 0 {
		return [][]byte{b}
	}
	g.messages = append(g.messages, b)
	if len(g.messages) < g.wanted {
		return nil
	}
	return g.end()
}

// end returns the collected messages, and stops collecting.
func (g *gathering) end() (messages [][]byte) {
	if len(g.messages) > 0 {
		messages = g.arrange(g.messages)
	}
	*g = gathering{}
	return messages
}

func mergeMessages(messages [][]byte) [][]byte { return [][]byte{bytes.Join(messages, nil)} }

func reverseMessages(messages [][]byte) [][]byte {
	slices.Reverse(messages)
	return messages
}
