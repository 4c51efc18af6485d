package gogen

import (
	"path"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

// Which QEMUs have a thing, as comments say it. The oldest version that the facts know, and the versions
// before it, are not told: everything that is supported has what they have.

// factOf returns what is known of a path, nil if nothing is.
func (b *builder) factOf(path string) *facts.Fact {
	if b.opts.Facts == nil {
		return nil
	}
	f, err := b.opts.Facts.Fact(path)
	if err != nil {
		return nil // a name that is none in a path
	}
	return f
}

// definitionFact returns what is known of a definition. A type goes with all that uses it, and is as old as that if the
// facts do not know its name.
func (b *builder) definitionFact(d qapi.Definition) *facts.Fact {
	f, uses := b.factOf(d.Head().Name), b.factOfUses(d, "")
	switch {
	case uses == nil:
	case f == nil:
		f = uses
		f.Deprecated, f.Unstable, f.Use = nil, nil, "" // these are about what uses it
	case !isRemoved(f):
		f.Removed = uses.Removed
	}
	return f
}

// partFact returns what is known of a definition's member or value.
func (b *builder) partFact(d qapi.Definition, name string) *facts.Fact {
	return b.componentFact(d, partComponent(d, name))
}

// componentFact returns what is known of the part of a definition with a path: "/aio" of BlockdevOptionsFile. The facts
// may know it only by the path of what uses the definition: qapigen made up the name, or merged two types.
func (b *builder) componentFact(d qapi.Definition, component string) *facts.Fact {
	if component == "" {
		return nil
	}
	f := b.factOf(d.Head().Name + component)
	if f == nil {
		f = b.factOfUses(d, component)
	}
	return b.confirmed(f, d, component)
}

// factOfUses returns what is known of a part of a type, "" for the type itself, in all places that use the type: the
// first date since which one of them has it, and the last in which all of them are removed.
func (b *builder) factOfUses(d qapi.Definition, component string) (found *facts.Fact) {
	for _, use := range b.usesOf(d) {
		f := b.factOf(use + component)
		if f == nil {
			continue
		}
		if found == nil {
			found = f
			continue
		}
		if facts.Compare(f.Since.Release, found.Since.Release) < 0 {
			found.Since = f.Since
		}
		if last := found.Removed.Release; last != "" && (f.Removed.Release == "" || facts.Compare(f.Removed.Release, last) > 0) {
			found.Removed = f.Removed
		}
		if found.Deprecated == nil {
			found.Deprecated, found.Use = f.Deprecated, f.Use
		}
	}
	return found
}

// usesOf returns the paths from commands and events to what uses a type, the shortest ones first.
func (b *builder) usesOf(d qapi.Definition) []string {
	if b.uses == nil {
		b.uses = map[qapi.Type][]string{}
		b.findUses()
	}
	t, _ := d.(qapi.Type)
	return b.uses[t]
}

func (b *builder) findUses() {
	type step struct {
		path string
		typ  qapi.Type
	}
	var next []step
	var reach func(t qapi.Type, path string)
	reach = func(t qapi.Type, path string) {
		if t == nil {
			return
		}
		if b.uses[t] == nil {
			next = append(next, step{path, t})
		}
		b.uses[t] = append(b.uses[t], path)
		switch t := t.(type) { // what takes no component of a path
		case *qapi.Array:
			reach(t.Element, path)
		case *qapi.Alternate:
			for _, a := range t.Alternatives {
				reach(a.Type, path)
			}
		}
	}
	for _, c := range b.whole.Commands() {
		reach(c.Arg, c.Name+"/arg-type")
		reach(c.Returns, c.Name+"/ret-type")
	}
	for _, e := range b.whole.Events() {
		reach(e.Arg, e.Name+"/arg-type")
	}
	for ; len(next) > 0; next = next[1:] {
		path := next[0].path
		if o, ok := next[0].typ.(qapi.ObjectType); ok {
			for _, m := range o.AllMembers() {
				reach(m.Type, path+"/"+component(m.Name))
			}
		}
		if u, ok := next[0].typ.(*qapi.Union); ok {
			for _, br := range u.Branches {
				reach(br.Type, path+"/+"+br.Value)
			}
		}
	}
}

// partComponent is the path of a definition's member or value from the definition, "" if it has none.
func partComponent(d qapi.Definition, name string) string {
	switch d.(type) {
	case *qapi.Enum:
		return "/^" + name
	case *qapi.Command, *qapi.Event:
		return "/arg-type/" + component(name)
	case qapi.ObjectType:
		return "/" + component(name)
	}
	return ""
}

// dates are the sentences for a thing: since when QEMU has it, if it is younger than the oldest version that the
// facts know and than its owner, and in which version it went, if it went before its owner. The owner is nil if there
// is none.
func (b *builder) dates(f, owner *facts.Fact) (sentences []string) {
	if f == nil {
		return nil
	}
	if b.isNew(f, owner) {
		sentences = append(sentences, "Since QEMU "+release(f.Since)+".")
	}
	if owner != nil && owner.Removed.Release != "" && facts.Compare(owner.Removed.Release, f.Removed.Release) <= 0 {
		return sentences
	}
	return append(sentences, removal(f)...)
}

// isNew reports whether a thing is younger than the oldest version that the facts know, and than its owner.
func (b *builder) isNew(f, owner *facts.Fact) bool {
	return facts.Compare(f.Since.Release, b.opts.Facts.Versions()[0]) > 0 &&
		(owner == nil || facts.Compare(f.Since.Release, owner.Since.Release) > 0)
}

// isRemoved reports whether a newer QEMU does not have a thing.
func isRemoved(f *facts.Fact) bool { return f != nil && f.Removed.Release != "" }

// isDeprecated reports whether something is deprecated: by a feature of the schema, or in a QEMU that the package is for.
func (b *builder) isDeprecated(features []*qapi.Feature, f *facts.Fact) bool {
	return qapi.HasFeature(features, qapi.Deprecated) || f != nil && f.Deprecated != nil &&
		f.Deprecated.Release != "" && facts.Compare(f.Deprecated.Release, b.opts.newest()) <= 0
}

// branchFact returns what is known of a union's branch. One without members is as old as the discriminator's value.
func (b *builder) branchFact(u *qapi.Union, br *qapi.Branch) *facts.Fact {
	if br.Type == nil {
		return b.partFact(u.Discriminator.Type.(*qapi.Enum), br.Value)
	}
	return b.componentFact(u, "/+"+br.Value)
}

// branchDates are the words for a union's branch in a list: "since QEMU 6.1, deprecated".
func (b *builder) branchDates(u *qapi.Union, br *qapi.Branch) string {
	var words []string
	plain := strings.NewReplacer(" (", ", ", ")", "") // the words are in parentheses themselves
	fact := b.branchFact(u, br)
	for _, sentence := range b.dates(fact, b.definitionFact(u)) {
		words = append(words, strings.ToLower(sentence[:1])+plain.Replace(strings.TrimSuffix(sentence[1:], ".")))
	}
	if e, ok := u.Discriminator.Type.(*qapi.Enum); ok {
		i := slices.IndexFunc(e.Values, func(v *qapi.EnumValue) bool { return v.Name == br.Value })
		if i >= 0 && !isRemoved(fact) && b.isDeprecated(e.Values[i].Features, b.partFact(e, br.Value)) {
			words = append(words, "deprecated")
		}
	}
	return strings.Join(words, ", ")
}

// release is the release of a date, with its bounds if it is not exact.
func release(d facts.Date) string {
	newest := strings.TrimPrefix(d.Source, "schema of ")
	switch {
	case d.After == "":
		return d.Release
	case facts.Compare(d.Release, newest) < 0:
		return d.Release + " at the earliest, " + newest + " at the latest"
	}
	return d.Release + " (not in " + d.After + ")"
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

// deprecation is the sentence, after a blank, that says since when something is deprecated; empty if nothing does.
func deprecation(f *facts.Fact) string {
	if f == nil || f.Deprecated == nil || f.Deprecated.Release == "" {
		return ""
	}
	if isRemoved(f) {
		return " It was deprecated in QEMU " + release(*f.Deprecated) + "."
	}
	return " It is deprecated since QEMU " + release(*f.Deprecated) + "."
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

// serverFile is the name that package unmask gives to the file of definitions that no schema has, but a server.
const serverFile = "new.json"

// youngFiles are the files to which QEMU moved definitions that are older, with the release that has them first.
var youngFiles = map[string]string{
	"machine-common.json": "8.2",
	"accelerator.json":    "10.1", "machine-s390x.json": "10.1", "misc-arm.json": "10.1", "misc-i386.json": "10.1",
}

// moduleOf is the file that defines something, as far as the schema or the facts know it.
func (b *builder) moduleOf(d qapi.Definition) string {
	if h := d.Head(); baseName(h.Module) != serverFile || b.opts.Facts == nil {
		return h.Module.Name
	}
	for _, path := range slices.Concat([]string{d.Head().Name}, b.usesOf(d)) {
		if module := b.opts.Facts.Module(path); module != "" && module != strings.TrimSuffix(serverFile, ".json") {
			return module + ".json"
		}
	}
	return d.Head().Module.Name
}

// hasFile reports whether the newest QEMU that the package is for has a file, as far as is known.
func (o *Options) hasFile(name string) bool {
	first, version := youngFiles[name], o.newest()
	return name != serverFile && (first == "" || version == "" || facts.Compare(first, version) <= 0)
}

// fileOf is the name of a definition's file, as a link if the definition's name is none; "" if it is not known.
func (b *builder) fileOf(d qapi.Definition) string {
	file := path.Base(b.moduleOf(d))
	switch {
	case !b.opts.hasFile(file):
		return ""
	case b.reference(d) == "" || b.scope[d.Head().Name] == "":
		return file
	}
	return "[" + file + "]"
}

// target says where the link of a definition's comment leads.
func (b *builder) target(d qapi.Definition) comment {
	address, file := b.reference(d), b.fileOf(d)
	switch {
	case address == "":
		return nil
	case b.scope[d.Head().Name] == "":
		return comment{"[" + d.Head().Name + "]: " + address}
	case file == "":
		return nil
	}
	return comment{file + ": " + address}
}
