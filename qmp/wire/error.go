package wire

import "strconv"

// Error is the first failure of a Decoder or an Encoder.
type Error struct {
	// Path is the place of the failure inside the value: "file.filename", "props[2].name". It is
	// empty for the value itself.
	Path string
	// Offset is the byte offset in the text that was read, or -1 if encoding failed.
	Offset int
	// Reason says what is wrong.
	Reason string
}

// Error returns all the fields in one line.
func (e *Error) Error() string {
	text := e.Reason
	if e.Path != "" {
		text = e.Path + ": " + text
	}
	if e.Offset >= 0 {
		text += " (at byte " + strconv.Itoa(e.Offset) + ")"
	}
	return text
}
