package qmp

import (
	"errors"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// ErrNotSent means that the server did not receive the command. Nothing has happened, and
// the command can be sent again. An [*EncodeError] matches it, too.
var ErrNotSent = errors.New("qmp: not sent")

// An EncodeError reports that a request cannot be expressed on the wire. Nothing was sent: the error matches
// [ErrNotSent].
//
// The reasons are:
//   - a discriminator that is empty or disagrees with the branch;
//   - a branch or argument that holds a nil pointer;
//   - an alternate with no alternative, or with more than one;
//   - invalid UTF-8, a float that is not finite, a RawJSON that is not valid JSON;
//   - a member of Args that the request has already, or a value that [Args] does not take;
//   - deeper nesting than QEMU reads.
//
// Encoding does not check whether QEMU would accept the request.
type EncodeError struct {
	Command string // empty when a value was marshalled by itself
	Path    string // the place in the arguments: "props[2].name"; empty for the whole
	Reason  string
}

// Error returns all the fields in one line.
func (e *EncodeError) Error() string {
	text := "qmp: cannot encode: "
	if e.Command != "" {
		text = "qmp: " + e.Command + ": not sent: "
	}
	if e.Path != "" {
		text += e.Path + ": "
	}
	return text + e.Reason
}

// Is reports whether target is [ErrNotSent].
func (e *EncodeError) Is(target error) bool { return target == ErrNotSent }

// encodeError makes an *EncodeError of the error of a wire.Encoder.
func encodeError(command string, err error) *EncodeError {
	e := &EncodeError{Command: command, Reason: err.Error()}
	if at, ok := err.(*wire.Error); ok {
		e.Path, e.Reason = at.Path, at.Reason
	}
	return e
}

// Marshal returns the JSON of a value of a generated type, as it is on the wire. v points to the
// value. MarshalJSON methods of generated types call Marshal. If the type has no encoder, Marshal
// fails: call encoding/json.Marshal, which takes all types. The error is an [*EncodeError].
func Marshal(v any) ([]byte, error) {
	e := wire.NewEncoder(nil)
	encodeGenerated(e, v)
	if err := e.Err(); err != nil {
		return nil, encodeError("", err)
	}
	return e.Bytes(), nil
}

func encodeGenerated(e *wire.Encoder, v any) {
	if !e.Generated(v) {
		e.Fail("value is not of a generated type with an encoder: use encoding/json")
	}
}

// Unmarshal decodes JSON into a value of a generated type. v points to the value, which should be zero.
// UnmarshalJSON methods of generated types call Unmarshal. If the type has no decoder, Unmarshal fails: call
// encoding/json.Unmarshal, which takes all types.
//
// Unmarshal is as strict as the client. It refuses null in place of an object, integers outside the range of
// their types, and repeated members. It skips unknown members. The error is a [*DecodeError].
func Unmarshal(text []byte, v any) error {
	d := wire.NewDecoder(text)
	if !d.Generated(v) {
		d.Fail("value is not of a generated type with a decoder: use encoding/json")
	}
	if err := d.End(); err != nil {
		return decodeError("", err)
	}
	return nil
}

// Format returns the JSON of a value of a generated type, without the secrets; see [Redact]. v points to
// the value. String methods of generated types call Format. [Redacted] takes more types. If the value
// cannot be encoded, Format returns the reason instead.
func Format(v any) string { return formatted(func(e *wire.Encoder) { encodeGenerated(e, v) }) }

func formatted(encode func(*wire.Encoder)) string {
	text, err := redacted(encode)
	if err != nil {
		return "(not valid: " + err.Error() + ")"
	}
	return string(text)
}

// redacted returns the JSON of a value for people. The types of the value hide the secrets that they
// know of, and Redact the others.
func redacted(encode func(*wire.Encoder)) ([]byte, error) {
	e := wire.NewEncoder(nil)
	e.Redact()
	encode(e)
	if err := e.Err(); err != nil {
		return nil, err
	}
	return redact(e.Bytes(), nameOfAny), nil
}
