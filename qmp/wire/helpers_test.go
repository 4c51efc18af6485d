package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// requireError checks all that an error says.
func requireError(t *testing.T, err error, path string, offset int, reason string) {
	t.Helper()
	var got *wire.Error
	require.ErrorAs(t, err, &got)
	require.Equal(t, wire.Error{Path: path, Offset: offset, Reason: reason}, *got)
}

// refusal is a text that cannot be read, and what the error says.
type refusal struct {
	text   string
	path   string
	offset int
	reason string
}

// checkRefusals reads each text to its end.
func checkRefusals(t *testing.T, read func(*wire.Decoder), refusals []refusal) {
	t.Helper()
	for _, r := range refusals {
		t.Run(r.text, func(t *testing.T) {
			d := wire.NewDecoder([]byte(r.text))
			read(d)
			requireError(t, d.End(), r.path, r.offset, r.reason)
		})
	}
}

// decode reads a text as one object.
func decode(text string, m wire.MemberDecoder) error {
	d := wire.NewDecoder([]byte(text))
	d.Object(m)
	return d.End()
}

// members is an object that is sent, as a function.
type members func(e *wire.Encoder)

func (m members) EncodeMembers(e *wire.Encoder) { m(e) }

// encoded returns what a function writes.
func encoded(t *testing.T, write func(*wire.Encoder)) string {
	t.Helper()
	e := wire.NewEncoder(nil)
	write(e)
	require.NoError(t, e.Err())
	return string(e.Bytes())
}

// encodeError returns the error of a function that writes.
func encodeError(write func(*wire.Encoder)) error {
	e := wire.NewEncoder(nil)
	write(e)
	return e.Err()
}
