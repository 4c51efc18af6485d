package qmptest

import (
	"bytes"
	"encoding/json"
)

// marshal returns the JSON of what a test wants to be sent: that of encoding/json, without escapes for
// HTML, which no QEMU writes.
func marshal(value any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
