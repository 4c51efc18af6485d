package gogen

import (
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

// Which QEMUs have a thing, as comments say it. The oldest version that the facts know, and the versions
// before it, are not told: everything that is supported has what they have.

// factOf returns what is known of a path, nil if nothing is.
func (b *builder) factOf(path string) *facts.Fact {
	if b.opts.Facts == nil || path == "" {
		return nil
	}
	f, err := b.opts.Facts.Fact(path)
	if err != nil {
		return nil // a name that is none in a path
	}
	return f
}

// partFact returns what is known of a definition's member or value.
func (b *builder) partFact(d qapi.Definition, name string) *facts.Fact {
	return b.factOf(partPath(d, name))
}

// partPath is the path of a definition's member or value, "" if it has none.
func partPath(d qapi.Definition, name string) string {
	switch d := d.(type) {
	case *qapi.Enum:
		return d.Name + "/^" + name
	case *qapi.Command, *qapi.Event:
		return d.Head().Name + "/arg-type/" + component(name)
	case qapi.ObjectType:
		return d.Head().Name + "/" + component(name)
	}
	return ""
}

// dates are the sentences for a thing: since when QEMU has it, if it is younger than the oldest version that the
// facts know and than its owner, and in which version it went. The owner is nil if there is none.
func (b *builder) dates(f, owner *facts.Fact) (sentences []string) {
	if f == nil {
		return nil
	}
	if b.isNew(f, owner) {
		sentences = append(sentences, f.Since.Words("Since", "New")+".")
	}
	return append(sentences, removal(f)...)
}

// isNew reports whether a thing is younger than the oldest version that the facts know, and than its owner.
func (b *builder) isNew(f, owner *facts.Fact) bool {
	return facts.Compare(f.Since.Release, b.opts.Facts.Versions()[0]) > 0 &&
		(owner == nil || facts.Compare(f.Since.Release, owner.Since.Release) > 0)
}

// branchFact returns what is known of a union's branch. One without members is as old as the discriminator's value.
func (b *builder) branchFact(u *qapi.Union, br *qapi.Branch) *facts.Fact {
	if br.Type == nil {
		return b.factOf(partPath(u.Discriminator.Type.(*qapi.Enum), br.Value))
	}
	return b.factOf(u.Name + "/+" + br.Value)
}

// branchDates are the words for a union's branch in a list: "since QEMU 6.1, deprecated".
func (b *builder) branchDates(u *qapi.Union, br *qapi.Branch) string {
	var words []string
	fact := b.branchFact(u, br)
	for _, sentence := range b.dates(fact, b.factOf(u.Name)) {
		words = append(words, strings.ToLower(sentence[:1])+strings.TrimSuffix(sentence[1:], "."))
	}
	if e, ok := u.Discriminator.Type.(*qapi.Enum); ok {
		i := slices.IndexFunc(e.Values, func(v *qapi.EnumValue) bool { return v.Name == br.Value })
		if i >= 0 && qapi.HasFeature(e.Values[i].Features, qapi.Deprecated) {
			word := "deprecated"
			if fact != nil && fact.Deprecated != nil {
				word = fact.Deprecated.Words("deprecated since", "deprecated")
			}
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}

// removal is the sentence for what a newer QEMU has no more.
func removal(f *facts.Fact) []string {
	if f == nil || f.Removed.Release == "" {
		return nil
	}
	return []string{f.Removed.Words("Removed in", "Removed") + "."}
}

// deprecation is the sentence, after a blank, that says since when something is deprecated; empty if nothing does.
func deprecation(f *facts.Fact) string {
	if f == nil || f.Deprecated == nil || f.Deprecated.Release == "" {
		return ""
	}
	return " " + f.Deprecated.Words("It is deprecated since", "It became deprecated") + "."
}

// replacement is the sentence, after a blank, that says what to use instead of a definition, or of the part of it
// with a name; empty if nothing does.
func (b *builder) replacement(d qapi.Definition, part string, f *facts.Fact) string {
	if f == nil || f.Use == "" {
		return ""
	}
	return " Use " + b.replacementName(d, part, f.Use) + "."
}

// replacementName is the name of what to use: a link to what the package has for it, with its own name if that is a
// member or a value beside the part.
func (b *builder) replacementName(d qapi.Definition, part, use string) string {
	n := &namer{b: b}
	if name := b.memberNames(d)[use]; part != "" && name != "" {
		if strings.HasPrefix(name, "[") { // a constant
			return name + " (" + use + ")"
		}
		if owner, ok := n.link(d.Head().Name); ok {
			return strings.TrimSuffix(owner, "]") + "." + name + "] (" + use + ")"
		}
	}
	if link, ok := n.link(use); ok && !b.vanishes(b.schema.Lookup(use)) {
		return link
	}
	return use
}

// reference is the address of a definition in QEMU's online reference, "" if it is not known to have one.
func (b *builder) reference(d qapi.Definition) string {
	if b.opts.Facts == nil {
		return ""
	}
	return b.opts.Facts.Reference(d.Head().Name)
}

// wireName is the name of a definition in the schema, as a link if QEMU's online reference has it.
func (b *builder) wireName(d qapi.Definition) string {
	name := d.Head().Name
	if b.reference(d) == "" || b.scope[name] != "" {
		return name
	}
	return "[" + name + "]"
}

// fileOf is the name of a definition's file, as a link if the definition's name is none.
func (b *builder) fileOf(d qapi.Definition) string {
	file := baseName(d.Head().Module)
	if b.reference(d) == "" || b.scope[d.Head().Name] == "" {
		return file
	}
	return "[" + file + "]"
}

// target says where the link of a definition's comment leads.
func (b *builder) target(d qapi.Definition) comment {
	address := b.reference(d)
	switch {
	case address == "":
		return nil
	case b.scope[d.Head().Name] == "":
		return comment{"[" + d.Head().Name + "]: " + address}
	}
	return comment{"[" + baseName(d.Head().Module) + "]: " + address}
}
