package qapi

import (
	"strconv"

	"github.com/qmpkit/qmpkit/internal/syntax"
)

// Pos is a place in a schema file.
type Pos struct {
	// File is the file's path as QEMU shows it: the path given to [Load], or, for an included
	// file, the folder of the including file and the path in its include directive.
	File   string
	Line   int // from 1; 0: the file as a whole
	Column int // in characters from 1; 0: not known
}

// String returns "file:line:column", or as much of it as is known.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	s := p.File + ":" + strconv.Itoa(p.Line)
	if p.Column > 0 {
		s += ":" + strconv.Itoa(p.Column)
	}
	return s
}

// at returns a place in m.
func (m *Module) at(p syntax.Pos) Pos {
	return Pos{File: m.Path, Line: p.Line, Column: p.Column}
}
