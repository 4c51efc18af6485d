package qmp

import (
	"errors"
	"strconv"
)

// A ProtocolError reports that the server sent something that is not a QMP message. The client cannot read
// on, so it ends the connection. [Client.Err] and the commands in flight return the error.
type ProtocolError struct {
	// Offset is the place of the error: the number of bytes that the server sent on the
	// connection before it.
	Offset int64
	// Reason says what is wrong.
	Reason string
	// Excerpt is the text around Offset, about sixty bytes at most.
	Excerpt string

	cause error // io.ErrUnexpectedEOF, or nil
}

// Error describes the error, with the excerpt quoted.
func (e *ProtocolError) Error() string {
	s := "qmp: the server broke the protocol at offset " + strconv.FormatInt(e.Offset, 10) +
		": " + e.Reason
	if e.Excerpt != "" {
		s += ": " + strconv.QuoteToASCII(e.Excerpt)
	}
	return s
}

// Unwrap returns [io.ErrUnexpectedEOF] when the connection ended inside a message.
func (e *ProtocolError) Unwrap() error { return e.cause }

// The errors of the framer. The receiver makes ProtocolErrors from them.
var (
	errNotObject = errors.New("a message does not begin with {")
	errNoName    = errors.New("a member of a message has no name")
	errNoColon   = errors.New("a member's name is not followed by a colon")
	errRepeated  = errors.New("a message has two members with the same name")
	errBrackets  = errors.New("brackets do not match")
	errTooLong   = errors.New("a message is longer than Options.MaxMessage")
	errCut       = errors.New("the connection ended inside a message")
)

// excerpt returns the bytes around b[at], for an error message.
func excerpt(b []byte, at int) string {
	const before, after = 24, 40
	return string(b[max(0, at-before):min(len(b), at+after)])
}
