package qapi

import (
	"strings"

	"github.com/qmpkit/qmpkit/internal/syntax"
)

// Doc is the documentation comment of a definition.
type Doc struct {
	Pos Pos
	// Since is the first QEMU version with the definition, such as "0.14", or "" if the comment
	// does not say. Some comments add a remark: "2.1 (poweroff since 2.8)".
	Since string
	// Sections has all sections of the comment, in order.
	Sections []DocSection
}

// DocSection is a part of a [Doc].
type DocSection struct {
	Kind DocKind
	// Name is the name of the member or feature that the section describes, or the tag that
	// begins the section, such as "Returns". It is empty for plain text.
	Name string
	Pos  Pos
	// Lines has the text in QEMU's markup: reStructuredText since QEMU 5.2, before that a simpler
	// markup.
	Lines []string
}

// Text returns the section's text.
func (s *DocSection) Text() string { return strings.Join(s.Lines, "\n") }

// DocKind is the kind of a section of a [Doc].
type DocKind = syntax.SectionKind

// The kinds of sections.
const (
	DocText    = syntax.Plain       // of the definition as a whole
	DocMember  = syntax.MemberText  // of a member, an argument, a value or an alternative
	DocFeature = syntax.FeatureText // of a feature of the definition or of a member
	DocTagged  = syntax.Tagged      // Returns:, Errors:, Since:, …
)

// Member returns the section about a member, or nil if there is none. Doc may be nil.
func (d *Doc) Member(name string) *DocSection { return d.section(DocMember, name) }

// Feature is like [Doc.Member] for a feature.
func (d *Doc) Feature(name string) *DocSection { return d.section(DocFeature, name) }

// Tagged is like [Doc.Member] for the first section with a tag such as "Returns".
func (d *Doc) Tagged(tag string) *DocSection { return d.section(DocTagged, tag) }

// Seen returns the version in the mark "(seen first in 11.1)" of a member, a value or an alternative, or of
// the definition itself if member is "". qapigen join marks the parts that it took from a server. Seen
// returns "" for all other parts.
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

// SeenIn is like [Doc.Seen], but also looks for the member in the base and in the type of the
// arguments, like [DescriptionOf].
func SeenIn(d Definition, member string) string {
	if s := DescriptionOf(d, member); s != nil {
		return syntax.Seen(s.Lines)
	}
	return ""
}

// DescriptionOf returns the section about a member, a value or an alternative of a definition, or
// nil if there is none. It also looks in the documentation of the base and of the type of the
// arguments.
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

// HasProse reports whether the schema's documentation has text about definitions or members. The
// output of qapigen print has no such text.
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
