package qapi

import (
	"strings"

	"github.com/qmpkit/qmpkit/qapi/syntax"
)

// Doc is the documentation comment of a definition.
type Doc struct {
	Pos Pos
	// Since is the QEMU version that brought the definition, such as "0.14"; "" if the
	// comment does not say. Some add a remark: "2.1 (poweroff since 2.8)".
	Since string
	// Sections holds the whole comment, cut into its sections, in order.
	Sections []DocSection
}

// DocSection is a part of a [Doc].
type DocSection struct {
	Kind DocKind
	// Name is the name of the member or feature that the section describes, or the tag
	// that it begins with: "Returns", "Errors", "Since", "TODO", "Note", "Example", ….
	// Plain text has none.
	Name string
	Pos  Pos
	// Lines holds the text in QEMU's markup (reStructuredText, up to QEMU 5.1 a simple one
	// of its own).
	Lines []string
}

// Text returns the section's text.
func (s *DocSection) Text() string { return strings.Join(s.Lines, "\n") }

// DocKind tells the sections of a [Doc] apart.
type DocKind = syntax.SectionKind

// The kinds of sections.
const (
	DocText    = syntax.Plain       // of the definition as a whole
	DocMember  = syntax.MemberText  // of a member, an argument, a value or an alternative
	DocFeature = syntax.FeatureText // of a feature, which may be that of a member
	DocTagged  = syntax.Tagged      // Returns:, Errors:, Since:, …
)

// Member returns what a documentation comment says about a member, nil if it says nothing. A
// nil Doc says nothing.
func (d *Doc) Member(name string) *DocSection { return d.section(DocMember, name) }

// Feature is like Member, for a feature.
func (d *Doc) Feature(name string) *DocSection { return d.section(DocFeature, name) }

// Tagged is like Member, for the first section with that tag.
func (d *Doc) Tagged(tag string) *DocSection { return d.section(DocTagged, tag) }

// Seen returns the version of the QEMU that a member, a value or an alternative was first seen in,
// or the definition itself if member is "": what a join of schemas noted there. It is "" for what comes from
// QEMU's source.
func (d *Doc) Seen(member string) string {
	if d == nil {
		return ""
	}
	kind := DocMember
	if member == "" {
		kind = DocText
	}
	for i := range d.Sections {
		s := &d.Sections[i]
		if s.Kind != kind || s.Name != member {
			continue
		}
		if version := syntax.Seen(s.Lines); version != "" {
			return version
		}
	}
	return ""
}

// SeenIn is [Doc.Seen] for a member of a definition that may be its base's, or that of the type of
// its arguments, as [DescriptionOf] finds it.
func SeenIn(d Definition, member string) string {
	if s := DescriptionOf(d, member); s != nil {
		return syntax.Seen(s.Lines)
	}
	return ""
}

// DescriptionOf returns what is said about a member of a definition, or about a value or an
// alternative: in the definition's own documentation, or in that of the type which brings the
// member, its base or the type of its arguments. It is nil if nothing is said.
func DescriptionOf(d Definition, member string) *DocSection {
	if s := d.Head().Doc.Member(member); s != nil {
		return s
	}
	switch d := d.(type) {
	case *Struct:
		if d.Base != nil {
			return DescriptionOf(d.Base, member)
		}
	case *Union:
		return DescriptionOf(d.Base, member)
	case *Command:
		if d.Arg != nil {
			return DescriptionOf(d.Arg, member)
		}
	case *Event:
		if d.Arg != nil {
			return DescriptionOf(d.Arg, member)
		}
	}
	return nil
}

// HasProse tells whether there is documentation in a schema besides what belongs to its language:
// text about a definition or a member. A copy without prose, as qapigen print makes it, has none.
func (s *Schema) HasProse() bool {
	for _, d := range s.Definitions {
		doc := d.Head().Doc
		if doc == nil {
			continue
		}
		for _, section := range doc.Sections {
			if (section.Kind == DocText || section.Kind == DocMember) && len(section.Lines) > 0 &&
				syntax.Seen(section.Lines) == "" && !syntax.IsRemark(section.Lines) {
				return true
			}
		}
	}
	return false
}

func (d *Doc) section(kind DocKind, name string) *DocSection {
	if d == nil {
		return nil
	}
	for i := range d.Sections {
		if s := &d.Sections[i]; s.Kind == kind && s.Name == name {
			return s
		}
	}
	return nil
}

// names returns the names of the sections of one kind.
func (d *Doc) names(kind DocKind) map[string]bool {
	names := map[string]bool{}
	for i := range d.Sections {
		if s := &d.Sections[i]; s.Kind == kind {
			names[s.Name] = true
		}
	}
	return names
}
