package talk

import "bytes"

// maxMessage is the length of the longest message, QEMU's own limit. Longer text is no message.
const maxMessage = 64 << 20

// A splitter finds the messages in a stream. It takes text that is not JSON, too. The zero splitter is ready.
type splitter struct {
	text    []byte // of the message so far
	open    []byte // brackets
	quote   byte   // of the string, or 0
	escaped bool
}

// A piece is a part of the stream: a message, if it is whole, or other text.
type piece struct {
	text  []byte
	whole bool
}

// feed adds the next byte. ok reports whether the byte ends a piece.
func (s *splitter) feed(c byte) (p piece, ok bool) {
	switch {
	case c == 0xFF: // a client of a guest agent ends what came before so
		return s.end()
	case len(s.open) == 0 && (c == '{' || c == '['):
		p, ok = s.end()
		s.text, s.open = append(s.text, c), append(s.open, c)
		return p, ok
	case len(s.open) == 0:
		if s.text = append(s.text, c); c == '\n' || len(s.text) >= maxMessage {
			return s.end()
		}
		return piece{}, false
	}
	s.text = append(s.text, c)
	switch {
	case s.escaped:
		s.escaped = false
	case s.quote != 0:
		if s.escaped = c == '\\'; c == s.quote {
			s.quote = 0
		}
	case c == '"' || c == '\'':
		s.quote = c
	case c == '{' || c == '[':
		s.open = append(s.open, c)
	case c == '}' || c == ']':
		last := len(s.open) - 1
		if s.open[last] != c-2 { // '{' and '[' come two before '}' and ']'
			return s.end()
		}
		if s.open = s.open[:last]; last == 0 {
			p, _ = s.end()
			return piece{p.text, true}, true
		}
	}
	if len(s.text) >= maxMessage {
		return s.end()
	}
	return piece{}, false
}

// inside reports whether a message has begun.
func (s *splitter) inside() bool { return len(s.open) > 0 }

// end ends the piece. ok is false if there is none, or only space.
func (s *splitter) end() (p piece, ok bool) {
	p.text = bytes.TrimSpace(s.text)
	*s = splitter{}
	return p, len(p.text) > 0
}
