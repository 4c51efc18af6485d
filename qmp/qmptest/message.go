package qmptest

import (
	"bytes"
	"encoding/json"

	"github.com/qmpkit/qmpkit/qmp"
)

// The messages of the protocol, as a server writes them.
type (
	greetingMessage struct {
		QMP greeting
	}
	greeting struct {
		Version      version  `json:"version"`
		Capabilities []string `json:"capabilities"`
	}
	version struct {
		QEMU    qemuVersion `json:"qemu"`
		Package string      `json:"package"`
	}
	qemuVersion struct {
		Micro int `json:"micro"`
		Minor int `json:"minor"`
		Major int `json:"major"`
	}
	returnMessage struct {
		Return any             `json:"return"`
		ID     json.RawMessage `json:"id,omitempty"`
	}
	errorMessage struct {
		ID    json.RawMessage `json:"id,omitempty"`
		Error refusal         `json:"error"`
	}
	refusal struct {
		Class qmp.ErrorClass `json:"class"`
		Desc  string         `json:"desc"`
	}
	eventMessage struct {
		Timestamp timestamp `json:"timestamp"`
		Event     string    `json:"event"`
		Data      any       `json:"data,omitempty"`
	}
	timestamp struct {
		Seconds      int64 `json:"seconds"`
		Microseconds int64 `json:"microseconds"`
	}
)

func (s *Server) greeting() greetingMessage {
	v := s.options.Version
	return greetingMessage{greeting{
		Version:      version{qemuVersion{v.Micro, v.Minor, v.Major}, v.Package},
		Capabilities: s.options.Capabilities,
	}}
}

// format gives a message its form and its end: an agent's is a bare newline.
func (o *Options) format(message []byte) []byte {
	if o.Pretty {
		var b bytes.Buffer
		_ = json.Indent(&b, message, "", "    ") // it was marshalled
		message = bytes.ReplaceAll(b.Bytes(), []byte("\n"), []byte("\r\n"))
	}
	if o.Guest {
		return append(message, '\n')
	}
	return append(message, '\r', '\n')
}
