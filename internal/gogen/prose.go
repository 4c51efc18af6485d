package gogen

import (
	"strings"

	"github.com/qmpkit/qmpkit/internal/rst"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

// licenseNote is in the head of each file with QEMU's prose.
const licenseNote = `// The documentation in this file is QEMU's, which is licensed under the GNU General Public
// License, version 2 or later. See https://www.qemu.org for its source and its authors.
//
// SPDX-License-Identifier: GPL-2.0-or-later`

// prose is QEMU's documentation of a definition, for comments. A nil prose is empty: Options.Docs is false.
type prose struct {
	def    qapi.Definition
	reader rst.Reader
}

// prose returns the documentation of a definition, or nil if Options.Docs is false.
func (b *builder) prose(d qapi.Definition) *prose {
	if !b.opts.Docs {
		return nil
	}
	n := &namer{b: b, members: b.memberNames(d)}
	return &prose{d, rst.Reader{Ref: n.ref, Word: n.word}}
}

// definition returns the documentation of the definition as a whole. Fields and features have their own
// parts. Notes of QEMU's developers to themselves (TODO) are left out.
func (p *prose) definition() comment {
	if p == nil || p.def.Head().Doc == nil {
		return nil
	}
	var blocks []rst.Block
	var text []string // of the paragraphs that follow one another, which are one text
	flush := func() {
		blocks = append(blocks, p.reader.Read(text)...)
		text = nil
	}
	for _, s := range p.def.Head().Doc.Sections {
		if s.Kind == qapi.DocText {
			text = append(append(text, s.Lines...), "")
			continue
		}
		flush()
		if s.Kind == qapi.DocTagged {
			blocks = append(blocks, p.tagged(&s)...)
		}
	}
	flush()
	return render(blocks)
}

// since returns the text after "Since:", in one line: a version, and sometimes more.
func (p *prose) since(doc *qapi.Doc) string {
	switch {
	case doc == nil || doc.Since == "":
		return ""
	case p == nil:
		return oneLine(doc.Since)
	}
	return oneLine(strings.Join(p.section(doc.Tagged("Since")), " "))
}

func (p *prose) tagged(s *qapi.DocSection) []rst.Block {
	switch s.Name {
	case "Since", "TODO":
		return nil
	case "Example", "Examples":
		return append([]rst.Block{rst.Paragraph(s.Name + ":")}, p.reader.ReadExamples(s.Lines)...)
	}
	return rst.Labelled(s.Name, p.reader.ReadHanging(s.Lines))
}

// member returns the documentation of a member, a value or an alternative.
func (p *prose) member(name string) comment {
	if p == nil {
		return nil
	}
	return p.section(qapi.DescriptionOf(p.def, name))
}

// feature returns the documentation of a feature of the definition or of one of its members.
func (p *prose) feature(name string) comment {
	if p == nil {
		return nil
	}
	return p.section(p.def.Head().Doc.Feature(name))
}

func (p *prose) section(s *qapi.DocSection) comment {
	if s == nil {
		return nil
	}
	return render(p.reader.ReadHanging(s.Lines))
}

// remarks returns the paragraphs on the conditions of a thing and on its stability. A deprecation ends with
// the replacement.
func (b *builder) remarks(p *prose, what string, cond qapi.Cond, features []*qapi.Feature, fact *facts.Fact, use string) comment {
	var c comment
	if cond != nil {
		c = append(c, "Only in a QEMU built with "+cond.String()+".")
	}
	c = append(c, p.features(features)...)
	if qapi.HasFeature(features, qapi.Unstable) {
		meaning := "any release of QEMU may change or remove " + what + "."
		if isRemoved(fact) {
			meaning = "any release of QEMU may have changed " + what + "."
		}
		c = append(c, p.labelled("Unstable", qapi.Unstable, meaning, "")...)
	}
	if b.isDeprecated(features, fact) {
		c = append(c, p.deprecated(what, fact, use)...)
	}
	return c
}

// features lists the features that are not remarks themselves, with their documentation.
func (p *prose) features(features []*qapi.Feature) comment {
	var names, rows []string
	for _, f := range features {
		if f.Name == qapi.Deprecated || f.Name == qapi.Unstable {
			continue
		}
		name := f.Name + onlyWith(f.If)
		names = append(names, name)
		if text := p.feature(f.Name); text != nil {
			name += ": " + oneLine(strings.Join(text, " "))
		}
		rows = append(rows, bullet("  - ", name))
	}
	switch {
	case names == nil:
		return nil
	case p == nil:
		return comment{"Features: " + strings.Join(names, ", ") + "."}
	}
	return comment{"Features:", strings.Join(rows, "\n")}
}

// deprecated returns the paragraph on a thing that QEMU will remove, or that a newer QEMU has removed.
func (p *prose) deprecated(what string, fact *facts.Fact, use string) comment {
	meaning := "QEMU will remove " + what + "."
	switch {
	case !isRemoved(fact):
	case fact.Removed.After != "":
		meaning = "QEMU removed " + what + "."
	default:
		meaning = "QEMU " + fact.Removed.Release + " removed " + what + "."
	}
	date := deprecation(fact)
	return p.labelled("Deprecated", qapi.Deprecated, meaning+date+use, date)
}

// labelled returns the remark for a feature: its documentation and then the date or, without documentation,
// its meaning.
func (p *prose) labelled(label, feature, meaning, date string) comment {
	text := p.feature(feature)
	switch {
	case text == nil:
		return comment{label + ": " + meaning}
	case isPreformatted(text[0]):
		return append(comment{label + ": " + meaning}, text...)
	}
	return append(comment{label + ": " + text[0] + date}, text[1:]...)
}
