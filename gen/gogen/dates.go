package gogen

import (
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

// partDates are the sentences for a part of a definition.
func (b *builder) partDates(d qapi.Definition, f *facts.Fact) (sentences []string) {
	if f == nil {
		return nil
	}
	since := f.Since.Release
	owner := b.factOf(d.Head().Name)
	isNew := facts.Compare(since, b.opts.Facts.Versions()[0]) > 0
	if isNew && (owner == nil || facts.Compare(since, owner.Since.Release) > 0) {
		if f.Since.After != "" {
			sentences = append(sentences, seenFirst(since))
		} else {
			sentences = append(sentences, "Since QEMU "+since+".")
		}
	}
	return append(sentences, removal(f)...)
}

// removal is the sentence for what a newer QEMU has no more.
func removal(f *facts.Fact) []string {
	switch {
	case f == nil || f.Removed.Release == "":
		return nil
	case f.Removed.After != "":
		return []string{"Removed after QEMU " + f.Removed.After + ", by " + f.Removed.Release + "."}
	}
	return []string{"Removed in QEMU " + f.Removed.Release + "."}
}

// deprecation adds to what the paragraph of something deprecated says: since when, and what to use.
func deprecation(meaning string, f *facts.Fact) string {
	if f == nil || f.Deprecated == nil {
		return meaning
	}
	if f.Deprecated.After == "" && f.Deprecated.Release != "" {
		meaning += " It is deprecated since QEMU " + f.Deprecated.Release + "."
	}
	if f.Use != "" {
		meaning += " Use " + f.Use + "."
	}
	return meaning
}
