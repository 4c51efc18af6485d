package gogen

import (
	"slices"

	"github.com/qmpkit/qmpkit/qapi"
)

// Which of several schemas have a thing, as comments say it if the facts do not know the thing: one of a
// fork, or a type that was named after its use.

// onlyIn is the sentence for what not all schemas have that the package was made of; nil if all have it.
func (b *builder) onlyIn(path string) []string {
	if b.opts.Sources == nil || path == "" || b.factOf(path) != nil {
		return nil
	}
	f, err := b.opts.Sources.Path(path)
	if err != nil || f == nil {
		return nil
	}
	all := b.opts.Sources.Versions()
	having := slices.DeleteFunc(slices.Clone(all), func(version string) bool { return !f.In(version) })
	if len(having) == len(all) || len(having) == 0 {
		return nil
	}
	return []string{"Only in QEMU " + enumerate(having, "and") + "."}
}

// partOnlyIn is onlyIn for a member or a value, unless it says what that of its definition does.
func (b *builder) partOnlyIn(d qapi.Definition, name string) []string {
	only := b.onlyIn(partPath(d, name))
	if slices.Equal(only, b.onlyIn(d.Head().Name)) {
		return nil
	}
	return only
}

// schemas says which schemas the package is made of: "the schema of QEMU 10.0.2".
func (o *Options) schemas(word string) string {
	if o.Version == "" {
		return "a " + word
	}
	if o.Merged == nil {
		return "the " + word + " of QEMU " + o.Version
	}
	return "the " + word + "s of QEMU " + enumerate(slices.Concat([]string{o.Version}, o.Merged), "and")
}
