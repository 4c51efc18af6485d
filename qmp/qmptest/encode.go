package qmptest

import (
	"bytes"
	"encoding/json"
)

// marshal returns the JSON of a value from the test: that of encoding/json, without escapes for HTML,
// which no QEMU writes.
func marshal(value any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
