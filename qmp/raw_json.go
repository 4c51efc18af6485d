package qmp

import (
	"bytes"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// RawJSON is the text of one JSON value. It stands for values that have no type, or the type any, in
// the schema. Received text is valid JSON as the server wrote it. Sending invalid text is an
// [*EncodeError]. Empty text means null.
type RawJSON []byte

// String returns the text.
func (r RawJSON) String() string {
	if len(r) == 0 {
		return "null"
	}
	return string(r)
}

// MarshalJSON returns the text.
func (r RawJSON) MarshalJSON() ([]byte, error) {
	if len(r) == 0 {
		return []byte("null"), nil
	}
	return r, nil
}

// UnmarshalJSON sets r to a copy of text.
func (r *RawJSON) UnmarshalJSON(text []byte) error {
	*r = bytes.Clone(text)
	return nil
}

// Null is the type of the JSON value null, which some alternates allow. If a pointer to Null is not
// nil, the value is null.
type Null = wire.Null
