package talk

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
)

// hidden takes the place of a secret; see [qmp.Redact].
const hidden = "***"

// From says which side sent a message.
type From string

// The two sides of a conversation.
const (
	FromClient From = "client"
	FromServer From = "server"
)

// Kind says what a message is.
type Kind string

// The kinds of messages. A client sends requests, a server all the others.
const (
	Greeting Kind = "greeting"
	Request  Kind = "request"
	Reply    Kind = "reply"   // with a result
	Refusal  Kind = "refusal" // a reply with an error
	Event    Kind = "event"
	Other    Kind = "other" // not a message of the protocol
)

// A Message is one message of a conversation, without its secrets.
type Message struct {
	Time         time.Time // the zero Time if it is not known
	Conversation string    // names the connection; "" if it is not known
	From         From
	Files        int    // number of descriptors that came with it
	Text         []byte // JSON on one line, or what came if that is not JSON

	Kind      Kind
	Command   string          // of a request
	Arguments json.RawMessage // of a request; nil if it has none
	OOB       bool            // the request is out of band
	ID        json.RawMessage // of a request or a reply; nil if it has none
	Result    json.RawMessage // of a reply
	Class     qmp.ErrorClass  // of a refusal
	Desc      string          // of a refusal
	Event     string          // the event's name
	Data      json.RawMessage // of an event; nil if it has none
	Version   qmp.Version     // of a greeting
}

// newMessage makes a message of a text and hides its secrets.
func newMessage(from From, text []byte) *Message {
	text = qmp.Redact(doubleQuoted(text))
	var line bytes.Buffer
	if json.Compact(&line, text) != nil {
		return &Message{From: from, Kind: Other, Text: bytes.Clone(bytes.TrimSpace(text))}
	}
	m := &Message{From: from, Kind: Other, Text: line.Bytes()}
	var members map[string]json.RawMessage
	if json.Unmarshal(m.Text, &members) == nil {
		m.describe(members)
	}
	return m
}

// describe sets the fields that depend on the members of the message.
func (m *Message) describe(members map[string]json.RawMessage) {
	m.ID = members["id"]
	switch {
	case members["execute"] != nil || members["exec-oob"] != nil:
		m.OOB = members["execute"] == nil
		name := members["execute"]
		if m.OOB {
			name = members["exec-oob"]
		}
		if json.Unmarshal(name, &m.Command) == nil && m.Command != "" {
			m.Kind, m.From, m.Arguments = Request, FromClient, members["arguments"]
		}
	case members["error"] != nil:
		var refusal struct {
			Class qmp.ErrorClass
			Desc  string
		}
		_ = json.Unmarshal(members["error"], &refusal) // a server may send a wrong one
		m.Kind, m.From, m.Class, m.Desc = Refusal, FromServer, refusal.Class, refusal.Desc
	case members["return"] != nil:
		m.Kind, m.From, m.Result = Reply, FromServer, members["return"]
	case members["event"] != nil:
		m.Kind, m.From, m.Data = Event, FromServer, members["data"]
		_ = json.Unmarshal(members["event"], &m.Event)
	case members["QMP"] != nil:
		m.Kind, m.From, m.Version = Greeting, FromServer, versionOf(members["QMP"])
	}
}

// versionOf returns the version in a greeting.
func versionOf(greeting []byte) qmp.Version {
	var g struct {
		Version struct {
			QEMU    struct{ Major, Minor, Micro int }
			Package string
		}
	}
	_ = json.Unmarshal(greeting, &g)
	q := g.Version.QEMU
	return qmp.Version{Major: q.Major, Minor: q.Minor, Micro: q.Micro, Package: g.Version.Package}
}

// eventTime returns the time that the server put into an event.
func (m *Message) eventTime() time.Time {
	var event struct {
		Timestamp struct{ Seconds, Microseconds int64 }
	}
	if m.Kind != Event || json.Unmarshal(m.Text, &event) != nil || event.Timestamp.Seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(event.Timestamp.Seconds, event.Timestamp.Microseconds*1000).UTC()
}

// hasHidden reports whether a part of a message had a secret.
func hasHidden(part []byte) bool { return bytes.Contains(part, []byte(hidden)) }

// A line is the form of a message in a recording.
type line struct {
	Time         time.Time       `json:"time,omitzero"`
	Conversation string          `json:"conversation,omitempty"`
	From         From            `json:"from,omitempty"`
	Files        int             `json:"files,omitempty"`
	Message      json.RawMessage `json:"message,omitempty"`
	Text         *string         `json:"text,omitempty"`
}

// line returns the message in the form of a recording.
func (m *Message) line() line {
	l := line{Time: m.Time, Conversation: m.Conversation, From: m.From, Files: m.Files}
	if json.Valid(m.Text) {
		l.Message = m.Text
	} else {
		l.Text = new(string(m.Text))
	}
	return l
}

// marshal returns v as a line of JSON. v is a value that can be marshalled.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return b.Bytes()
}

// readLine reads a line of a recording. It returns nil if the line is not one.
func readLine(text []byte) *Message {
	var l line
	if !bytes.HasPrefix(text, []byte("{")) || json.Unmarshal(text, &l) != nil || l.From != FromClient && l.From != FromServer {
		return nil
	}
	var m *Message
	switch {
	case l.Message != nil:
		m = newMessage(l.From, l.Message)
	case l.Text != nil:
		m = &Message{Kind: Other, Text: qmp.Redact([]byte(*l.Text))}
	default:
		return nil
	}
	m.Time, m.Conversation, m.From, m.Files = l.Time, l.Conversation, l.From, max(l.Files, 0)
	return m
}

// doubleQuoted returns a text of JSON with strings in single quotes, which QEMU takes, as JSON. It returns a text
// without them as it is.
func doubleQuoted(text []byte) []byte {
	if !bytes.ContainsRune(text, '\'') || json.Valid(text) {
		return text
	}
	var b []byte
	for i := 0; i < len(text); i++ {
		quote := text[i]
		if quote != '"' && quote != '\'' {
			b = append(b, quote)
			continue
		}
		b = append(b, '"')
		for i++; i < len(text) && text[i] != quote; i++ {
			switch {
			case text[i] == '"':
				b = append(b, '\\', '"')
			case text[i] == '\\' && i+1 < len(text):
				if i++; text[i] != '\'' { // JSON has no such escape
					b = append(b, '\\')
				}
				b = append(b, text[i])
			default:
				b = append(b, text[i])
			}
		}
		b = append(b, '"')
	}
	if !json.Valid(b) {
		return text
	}
	return b
}

// modifies reports whether a command can change something in the server.
func modifies(command string) bool {
	if i := slices.Index(readers, command); i >= 0 {
		return false
	}
	for _, prefix := range []string{"query-", "guest-get-", "guest-network-get-", "x-query-", "qom-list"} {
		if strings.HasPrefix(command, prefix) {
			return false
		}
	}
	return true
}

// readers are the commands that change nothing and have no name that says so.
var readers = []string{
	"qmp_capabilities", "qom-get", "device-list-properties",
	"guest-info", "guest-ping", "guest-sync", "guest-sync-delimited", "guest-fsfreeze-status",
}

// shortID returns an id as people read it.
func shortID(id json.RawMessage) string {
	if s, err := strconv.Unquote(string(id)); err == nil {
		return s
	}
	return string(id)
}
