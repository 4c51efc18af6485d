package syntax

import "strconv"

// Pos is a place in a file.
type Pos struct {
	Line int // from 1
	// Column counts characters from 1; 0 says that only the line is known. A tab is
	// counted as QEMU does it: it leads from column c to (c+7)%8+1.
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

// Error is something that does not belong into a schema file.
type Error struct {
	Pos     Pos
	Message string
}

// Error returns "line:column: message".
func (e *Error) Error() string { return e.Pos.String() + ": " + e.Message }
