package wire

import "strconv"

// Error is the first failure of a Decoder or an Encoder.
type Error struct {
	// Path is the place of the failure inside the value: "file.filename", "props[2].name". It is
	// empty for the value itself.
	Path string
	// Offset is the byte offset in the text that was read, and -1 for what failed to encode.
	Offset int
	// Reason says what is wrong.
	Reason string
}

// Error joins the fields to one line.
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
