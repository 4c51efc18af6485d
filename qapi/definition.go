package qapi

import "slices"

// Definition is a part of a schema with a name: an [*Enum], [*Struct], [*Union], [*Alternate],
// [*Command] or [*Event].
type Definition interface {
	// Head returns the fields that all kinds of definition share.
	Head() *Header
	sealed()
}

// Header has the fields that all kinds of definition share.
type Header struct {
	Name     string
	Module   *Module
	Pos      Pos
	If       Cond // nil: always there
	Features []*Feature
	Doc      *Doc // nil: not documented

	// Implicit marks a type without a name in the schema: the inline arguments of a command, the
	// inline base of a union, or the type of a branch in a union of QEMU 5.2 without a
	// discriminator.
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

// Features with a meaning in QAPI itself.
const (
	Deprecated = "deprecated"
	Unstable   = "unstable"
)

// HasFeature reports whether features has a feature with this name.
func HasFeature(features []*Feature, name string) bool {
	return slices.ContainsFunc(features, func(f *Feature) bool { return f.Name == name })
}
