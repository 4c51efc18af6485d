package gogen

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// This file writes the versions of things into comments. The comments do not mention the oldest version of the facts and
// older ones: all supported versions have their things.

// factOf returns the facts of a path, or nil if there are none.
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

// definitionFact returns the facts of a definition. A type is removed together with everything that uses
// it. If the facts have no date for a type, the type is as old as its uses.
func (b *builder) definitionFact(d qapi.Definition) *facts.Fact {
	f := b.factOf(b.qemuName(d))
	if in, ok := b.timesInUse()[d]; ok {
		if f == nil {
			f = &facts.Fact{Since: in.Since}
		}
		f.Removed = in.Removed
	}
	return f
}

// partFact returns the facts of a definition's member or value.
func (b *builder) partFact(d qapi.Definition, name string) *facts.Fact {
	return b.componentFact(d, partComponent(d, name))
}

// componentFact returns the facts of a part of a definition by its path: "/aio" of BlockdevOptionsFile. The
// facts can be better under the path of a use of the type: the type may have got another name, or two types
// were merged.
func (b *builder) componentFact(d qapi.Definition, component string) *facts.Fact {
	if component == "" {
		return nil
	}
	f := b.factOf(b.qemuName(d) + component)
	for _, u := range b.usesOf(d) {
		if f != nil && !isRemoved(f) {
			break
		}
		for _, path := range b.paths(u) {
			if in := b.factOf(path + component); f == nil {
				f = in
			} else if in != nil && isLater(in.Removed, f.Removed) {
				f.Removed = in.Removed
			}
		}
	}
	return b.confirmed(f, d, component)
}

// A use is a place with a type: "/backing" of a struct, "/+file" of a union, "/ret-type" of a command.
type use struct {
	owner     qapi.Definition
	component string
}

// paths returns paths to a use: from its owner, and from a command or an event if the owner is a type.
func (b *builder) paths(u use) []string {
	paths := []string{b.qemuName(u.owner) + u.component}
	if place, ok := b.place[u.owner]; ok {
		paths = append(paths, place+u.component)
	}
	return paths
}

// usesOf returns the uses of a type: commands and events before types.
func (b *builder) usesOf(d qapi.Definition) []use {
	b.usedTypes()
	return b.uses[d]
}

// usedTypes returns the types that commands and events reach, the nearest ones first.
func (b *builder) usedTypes() []qapi.Definition {
	if b.uses != nil {
		return b.used
	}
	b.uses, b.place = map[qapi.Definition][]use{}, map[qapi.Definition]string{}
	var reach func(t qapi.Type, u use)
	reach = func(t qapi.Type, u use) {
		if array, ok := t.(*qapi.Array); ok {
			reach(array.Element, u)
		}
		d, ok := t.(qapi.Definition)
		if !ok {
			return
		}
		if b.uses[d] == nil {
			b.used = append(b.used, d)
			b.place[d] = cmp.Or(b.place[u.owner], u.owner.Head().Name) + u.component
		}
		b.uses[d] = append(b.uses[d], u)
		if a, ok := t.(*qapi.Alternate); ok { // it takes no component of a path
			for _, alternative := range a.Alternatives {
				reach(alternative.Type, u)
			}
		}
	}
	for _, c := range b.whole.Commands() {
		reach(c.Arg, use{c, "/arg-type"})
		reach(c.Returns, use{c, "/ret-type"})
	}
	for _, e := range b.whole.Events() {
		reach(e.Arg, use{e, "/arg-type"})
	}
	for i := 0; i < len(b.used); i++ { // which grows
		d := b.used[i]
		if o, ok := d.(qapi.ObjectType); ok {
			for _, m := range o.AllMembers() {
				reach(m.Type, use{d, "/" + introspect.Component(m.Name)})
			}
		}
		if u, ok := d.(*qapi.Union); ok {
			for _, br := range u.Branches {
				reach(br.Type, use{d, "/+" + br.Value})
			}
		}
	}
	return b.used
}

// timesInUse returns, for each type, the first release with a use of the type and the release that removed
// the last use, as far as the facts have them.
func (b *builder) timesInUse() map[qapi.Definition]facts.Fact {
	if b.times != nil || b.opts.Facts == nil {
		return b.times
	}
	b.times = map[qapi.Definition]facts.Fact{}
	type edge struct {
		to    qapi.Definition
		owner qapi.Type // nil if the fact has the times of the owner
		fact  *facts.Fact
	}
	var edges []edge
	for _, d := range b.usedTypes() {
		for _, u := range b.usesOf(d) {
			owner, _ := u.owner.(qapi.Type)
			for _, path := range b.paths(u) {
				if f := b.factOf(path); f != nil {
					edges = append(edges, edge{d, owner, f})
				}
				owner = nil // the second path begins with a command or an event
			}
		}
	}
	for changed := true; changed; { // since an owner may be in use longer than was thought
		changed = false
		for _, e := range edges {
			since, removed := e.fact.Since, e.fact.Removed
			if e.owner != nil {
				owner, ok := b.times[e.owner.(qapi.Definition)]
				if !ok {
					continue
				}
				if facts.Compare(owner.Since.Release, since.Release) > 0 {
					since = owner.Since
				}
				if isLater(removed, owner.Removed) {
					removed = owner.Removed
				}
			}
			found, ok := b.times[e.to]
			if !ok || facts.Compare(since.Release, found.Since.Release) < 0 {
				found.Since, changed = since, true
			}
			if !ok || isLater(removed, found.Removed) {
				found.Removed, changed = removed, true
			}
			b.times[e.to] = found
		}
	}
	return b.times
}

// isLater reports whether a removal is later than another one. A thing that still exists counts as removed
// last.
func isLater(a, b facts.Date) bool {
	return b.Release != "" && (a.Release == "" || facts.Compare(a.Release, b.Release) > 0)
}

// qemuName returns the name of a definition in QEMU. Package unmask invents a name for a type that only an
// older server has. If the facts have the place of the type, they have the real name.
func (b *builder) qemuName(d qapi.Definition) string {
	if name, ok := b.qemuNames[d]; ok {
		return name
	}
	name := d.Head().Name
	b.qemuNames[d] = name // of a type that contains itself
	if b.opts.Facts == nil || b.factOf(name) != nil {
		return name
	}
	if b.nodes == nil {
		b.nodes = map[string]facts.Node{}
		for n := range b.opts.Facts.Nodes() {
			b.nodes[n.Name] = n
		}
	}
	found := map[string]bool{}
	for _, u := range b.usesOf(d) {
		b.follow(found, b.qemuName(u.owner), u.component[1:])
	}
	maps.DeleteFunc(found, func(known string, _ bool) bool {
		return b.nodes[known].Kind != kindOf(d) || b.whole.Lookup(known) != nil
	})
	if len(found) == 1 {
		for name = range found {
			b.qemuNames[d] = name
		}
	}
	return name
}

// follow adds the names of the types that a component leads to from a node of the facts.
func (b *builder) follow(found map[string]bool, node, component string) {
	for _, p := range b.nodes[node].Parts {
		switch {
		case p.Label[0] == '<': // a base takes no component
			b.follow(found, p.Target, component)
		case p.Label == strings.TrimPrefix(component, " "):
			found[p.Target] = true
			for _, alternative := range b.nodes[p.Target].Parts {
				if alternative.Label[0] == '|' {
					found[alternative.Target] = true
				}
			}
		}
	}
}

// partComponent returns the path from a definition to its member or value, or "" if there is none.
func partComponent(d qapi.Definition, name string) string {
	switch d.(type) {
	case *qapi.Enum:
		return "/^" + name
	case *qapi.Command, *qapi.Event:
		return "/arg-type/" + introspect.Component(name)
	case qapi.ObjectType:
		return "/" + introspect.Component(name)
	}
	return ""
}

// dates returns the sentences about the versions of a thing. They give the release that added it, if it is
// newer than the oldest version of the facts and than its owner, and the release that removed it, if that
// is before the owner's. The owner is nil if there is none.
func (b *builder) dates(f, owner *facts.Fact) (sentences []string) {
	if f == nil {
		return nil
	}
	if b.isNew(f, owner) {
		sentences = append(sentences, f.Since.Words("Since", "New")+".")
	}
	if !isGone(f, owner) {
		return sentences
	}
	return append(sentences, removal(f)...)
}

// isGone reports whether a thing was removed before its owner, which can be nil.
func isGone(f, owner *facts.Fact) bool {
	return isRemoved(f) && (owner == nil || isLater(owner.Removed, f.Removed))
}

// isNew reports whether a thing is newer than the oldest version of the facts, and than its owner.
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

// branchFact returns the facts of a union's branch. A branch without members is as old as the
// discriminator's value.
func (b *builder) branchFact(u *qapi.Union, br *qapi.Branch) *facts.Fact {
	if br.Type == nil {
		return b.partFact(u.Discriminator.Type.(*qapi.Enum), br.Value)
	}
	return b.componentFact(u, "/+"+br.Value)
}

// branchDates are the words for a union's branch in a list: "since QEMU 6.1, deprecated".
func (b *builder) branchDates(u *qapi.Union, br *qapi.Branch) string {
	var words []string
	fact := b.branchFact(u, br)
	for _, sentence := range b.dates(fact, b.definitionFact(u)) {
		words = append(words, strings.ToLower(sentence[:1])+strings.TrimSuffix(sentence[1:], "."))
	}
	if e, ok := u.Discriminator.Type.(*qapi.Enum); ok {
		i := slices.IndexFunc(e.Values, func(v *qapi.EnumValue) bool { return v.Name == br.Value })
		if i >= 0 && !isRemoved(fact) && b.isDeprecated(e.Values[i].Features, b.partFact(e, br.Value)) {
			word := "deprecated"
			if fact != nil && fact.Deprecated != nil {
				word = fact.Deprecated.Words("deprecated since", "deprecated")
			}
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}

// removal returns the sentence about the release that removed a thing.
func removal(f *facts.Fact) []string {
	if f == nil || f.Removed.Release == "" {
		return nil
	}
	return []string{f.Removed.Words("Removed in", "Removed") + "."}
}

// deprecation returns a blank and the sentence about the release that deprecated a thing, or "".
func deprecation(f *facts.Fact) string {
	if f == nil || f.Deprecated == nil || f.Deprecated.Release == "" {
		return ""
	}
	if isRemoved(f) {
		return " " + f.Deprecated.Words("It was deprecated in", "It was deprecated") + "."
	}
	return " " + f.Deprecated.Words("It has been deprecated since", "It became deprecated") + "."
}

// replacement returns a blank and the sentence about the replacement of a definition, or of a part of it;
// "" if there is none.
func (b *builder) replacement(d qapi.Definition, part string, f *facts.Fact) string {
	if f == nil || f.Use == "" {
		return ""
	}
	return " Use " + b.replacementName(d, part, f.Use) + "."
}

// replacementName returns the name of the replacement, as a link if the package has it. If the replacement
// is a member or a value beside the part, its own name follows.
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

// reference returns the address of a definition in QEMU's online reference, or "" if it is not known.
func (b *builder) reference(d qapi.Definition) string {
	if b.opts.Facts == nil {
		return ""
	}
	return b.opts.Facts.Reference(d.Head().Name)
}

// wireName returns the name of a definition in the schema, as a link if QEMU's online reference has it.
func (b *builder) wireName(d qapi.Definition) string {
	name := b.qemuName(d)
	if b.reference(d) == "" || b.scope[name] != "" {
		return name
	}
	return "[" + name + "]"
}

// serverFile is the name that package unmask gives to the file of definitions that only the answer of a
// server has.
const serverFile = "new.json"

// youngFiles are the files to which QEMU moved definitions that are older, with the release that has them first.
var youngFiles = map[string]string{
	"machine-common.json": "8.2",
	"accelerator.json":    "10.1", "machine-s390x.json": "10.1", "misc-arm.json": "10.1", "misc-i386.json": "10.1",
}

// moduleOf returns the file of a definition, if the schema or the facts know it.
func (b *builder) moduleOf(d qapi.Definition) string {
	if h := d.Head(); baseName(h.Module) != serverFile || b.opts.Facts == nil {
		return h.Module.Name
	}
	names := []string{b.qemuName(d)}
	for _, u := range b.usesOf(d) {
		names = append(names, b.qemuName(u.owner))
	}
	for _, name := range names {
		if module := b.opts.Facts.Module(name); module != "" && module+".json" != serverFile {
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

// fileOf returns the name of a definition's file, as a link if the definition's name is not a link; "" if
// the file is not known.
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

// target returns the target of the link in the comment of a definition.
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
