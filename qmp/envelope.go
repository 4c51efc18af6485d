package qmp

// A span is a part of a message, from start up to end. The zero span means that the part is
// absent: no member of a message begins at offset 0.
type span struct{ start, end int }

// present reports whether the message has the part.
func (s span) present() bool { return s.start != 0 }

// An envelope holds the places of the members that the protocol knows, at the top level of a
// message. The framer fills it in while it looks for the message's end, so that it reads a message
// once before its value is decoded. Unknown members are ignored, as the protocol asks.
type envelope struct {
	ret       span // return
	err       span // error
	id        span
	event     span
	data      span
	timestamp span
	greeting  span // QMP
}

// set records the value of the member name. It returns false if the message has such a member already.
func (e *envelope) set(name []byte, value span) bool {
	var member *span
	switch string(name) {
	case "return":
		member = &e.ret
	case "error":
		member = &e.err
	case "id":
		member = &e.id
	case "event":
		member = &e.event
	case "data":
		member = &e.data
	case "timestamp":
		member = &e.timestamp
	case "QMP":
		member = &e.greeting
	default:
		return true
	}
	if member.present() {
		return false
	}
	*member = value
	return true
}

// isReply reports whether the message answers a command.
func (e *envelope) isReply() bool { return e.ret.present() || e.err.present() }

// isEvent reports whether the message is an event.
func (e *envelope) isEvent() bool { return e.event.present() && !e.isReply() }

// A message is one message of the server.
type message struct {
	text []byte
	envelope
	early bool // it came before a delimiter
}

// part returns the bytes of a member's value, nil when the member is absent.
func (m *message) part(s span) []byte {
	if !s.present() {
		return nil
	}
	return m.text[s.start:s.end]
}

// callID returns the id of a reply. ok is false when there is none, or one that this client
// never makes.
func (m *message) callID() (id uint64, ok bool) {
	digits := m.part(m.id)
	if len(digits) == 0 || len(digits) > maxIDDigits || digits[0] == '0' && len(digits) > 1 {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		id = id*10 + uint64(d-'0')
	}
	return id, true
}
