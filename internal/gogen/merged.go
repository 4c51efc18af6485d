package gogen

import (
	"slices"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

// Which of several schemas have a thing: what contradicts the facts, as a build with backports does, and what the
// facts do not know, as the commands of a fork.

// sourceFact returns the facts of a path in the schemas that were merged for the package, or nil if there
// is only one schema.
func (b *builder) sourceFact(path string) *facts.Fact {
	if b.opts.Sources == nil {
		return nil
	}
	f, err := b.opts.Sources.Path(path)
	if err != nil {
		return nil
	}
	return f
}

// confirmed returns the facts of a definition's part ("" for the definition itself), without the dates that
// the schemas contradict. Such a type had another name before, or a build has more than other builds of its
// version.
func (b *builder) confirmed(f *facts.Fact, d qapi.Definition, component string) *facts.Fact {
	if f == nil || b.opts.Sources == nil {
		return f
	}
	paths := []string{d.Head().Name + component}
	for _, u := range b.usesOf(d) {
		for _, path := range b.paths(u) {
			paths = append(paths, path+component)
		}
	}
	for _, path := range paths {
		in := b.sourceFact(path)
		for _, version := range b.opts.Sources.Versions() {
			if in == nil || !in.In(version) {
				continue
			}
			if facts.Compare(version, f.Since.Release) < 0 {
				f.Since = facts.Date{}
			}
			if f.Removed.Release != "" && facts.Compare(version, f.Removed.Release) >= 0 {
				f.Removed = facts.Date{}
			}
		}
	}
	return f
}

// onlyIn returns the sentence for a thing that only some of the merged schemas have, or nil if all have it.
func (b *builder) onlyIn(path string) []string {
	f := b.sourceFact(path)
	if f == nil {
		return nil
	}
	all := b.opts.Sources.Versions()
	having := slices.DeleteFunc(slices.Clone(all), func(version string) bool { return !f.In(version) })
	switch len(having) {
	case len(all), 0:
		return nil
	case 1:
		return []string{"In the schema of QEMU " + having[0] + " only."}
	}
	return []string{"In the schemas of QEMU " + enumerate(having, "and") + " only."}
}

// partOnlyIn is onlyIn for a member or a value. It returns nil if the sentence of the definition says the
// same.
func (b *builder) partOnlyIn(d qapi.Definition, name string) []string {
	only := b.onlyIn(d.Head().Name + partComponent(d, name))
	if slices.Equal(only, b.onlyIn(d.Head().Name)) {
		return nil
	}
	return only
}

// newest returns the version of the newest QEMU that the package is for, or "" if it is not known.
func (o *Options) newest() string {
	newest := o.Version
	for _, version := range o.Also {
		if version[0] >= '0' && version[0] <= '9' && facts.Compare(version, newest) > 0 {
			newest = version
		}
	}
	return newest
}

// schemas names the schemas of the package: "the schema of QEMU 10.0.2".
func (o *Options) schemas(word string) string {
	if o.Version == "" {
		return "a " + word
	}
	if o.Merged == nil {
		return "the " + word + " of QEMU " + o.Version
	}
	return "the " + word + "s of QEMU " + enumerate(slices.Concat([]string{o.Version}, o.Merged), "and")
}
