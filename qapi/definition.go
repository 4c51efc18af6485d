package qapi

import "slices"

// Definition is an entity that a schema defines by name: exactly one of [*Enum], [*Struct],
// [*Union], [*Alternate], [*Command] and [*Event].
type Definition interface {
	// Head returns what all kinds of definition have.
	Head() *Header
	sealed()
}

// Header is what all kinds of definition have.
type Header struct {
	Name     string
	Module   *Module
	Pos      Pos
	If       Cond // nil: always there
	Features []*Feature
	Doc      *Doc // nil: not documented

	// Implicit marks a type that the schema does not name: the inline arguments of a
	// command, the inline base of a union, the wrapper of a simple union's branch.
	Implicit bool
}

// Head returns h itself.
func (h *Header) Head() *Header { return h }

func (*Header) sealed() {}

// Feature is a feature of a definition, a member or an enum value.
type Feature struct {
	Name string
	If   Cond
	Pos  Pos
}

// The names of the features that have a meaning to QAPI itself.
const (
	Deprecated = "deprecated"
	Unstable   = "unstable"
)

// HasFeature tells whether a feature of that name is among features.
func HasFeature(features []*Feature, name string) bool {
	return slices.ContainsFunc(features, func(f *Feature) bool { return f.Name == name })
}
