package syntax

import "strconv"

// Pos is a place in a file.
type Pos struct {
	Line int // from 1
	// Column is the column in characters from 1, or 0 if only the line is known. A tab in column
	// c leads to column (c+7)%8+1, as in QEMU's parser.
	Column int
}

// String returns "line:column", or "line".
func (p Pos) String() string {
	s := strconv.Itoa(p.Line)
	if p.Column > 0 {
		s += ":" + strconv.Itoa(p.Column)
	}
	return s
}

// Error is an error in a schema file.
type Error struct {
	Pos     Pos
	Message string
}

// Error returns "line:column: message".
func (e *Error) Error() string { return e.Pos.String() + ": " + e.Message }
