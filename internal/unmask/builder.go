package unmask

import (
	"cmp"
	"path"
	"slices"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// newModule is the file for the commands and events that the names' schema does not have.
const newModule = "new.json"

// A builder makes the definitions of a server's schema. Its maps are by the server's names of
// types, unless they say otherwise.
type builder struct {
	live  *introspect.Schema
	names *namer

	pairs  map[pair]bool        // the candidates
	like   map[string]qapi.Type // the old type that is most like it
	chosen map[string]string    // the old name, if it is this type's alone

	uses      map[string]int  // how often it is referred to
	arguments map[string]int  // how often as the arguments of a command or an event
	values    map[string]bool // whether something has a value of it: not as arguments, nor as a branch

	taken   nameSet
	types   map[string]string // the names in the new schema
	modules map[string]string // by the new name, where the names' schema has no such type
	places  map[string]string // by the new name, of types that are named after them

	bases   map[string]*introspect.Object // the structs, by the new name
	derived map[string]*introspect.Object // the base that was found for it

	definitions []*definition
}

func newBuilder(live *introspect.Schema, names *namer) *builder {
	candidates := match(live, names.Introspect(qapi.IntrospectOptions{Unmask: true}))
	b := &builder{
		live: live, names: names, pairs: map[pair]bool{},
		like: map[string]qapi.Type{}, chosen: choose(candidates, ownNames(live)),
		uses: map[string]int{}, arguments: map[string]int{}, values: map[string]bool{},
		types: map[string]string{}, modules: map[string]string{}, places: map[string]string{},
		bases: map[string]*introspect.Object{}, derived: map[string]*introspect.Object{},
	}
	best := map[string]float64{}
	for _, c := range candidates {
		b.pairs[c.pair] = true
		if c.old == b.chosen[c.live] || c.weight() > best[c.live] && b.names.types[b.chosen[c.live]] == nil {
			best[c.live] = c.weight()
			b.like[c.live] = names.types[c.old]
		}
	}
	for _, info := range live.Infos {
		b.count(info)
	}
	return b
}

// count counts the references of an entry.
func (b *builder) count(info introspect.Info) {
	value := func(name string) {
		b.uses[name]++
		b.values[name] = true
	}
	argument := func(name string) {
		b.uses[name]++
		b.arguments[name]++
	}
	switch info := info.(type) {
	case *introspect.Command:
		argument(info.ArgType)
		b.uses[info.RetType]++
	case *introspect.Event:
		argument(info.ArgType)
	case *introspect.Array:
		value(info.ElementType)
	case *introspect.Object:
		for i := range info.Members {
			value(info.Members[i].Type)
		}
		for _, v := range info.Variants {
			b.uses[v.Type]++
		}
	case *introspect.Alternate:
		for _, t := range info.Types {
			value(t)
		}
	}
}

// main is the name of the schema's main file, which is that of the names' schema.
func (b *builder) main() string { return path.Base(b.names.Modules[0].Name) }

// files returns the modules in which something is, in the order of the names' schema.
func (b *builder) files() (files []string) {
	used := map[string]bool{}
	for _, d := range b.definitions {
		used[d.module] = true
	}
	for _, m := range b.names.Modules {
		if name := path.Base(m.Name); used[name] {
			used[name] = false
			files = append(files, name)
		}
	}
	if used[newModule] {
		files = append(files, newModule)
	}
	return files
}

// sort puts the definitions into the order of the names' schema, and after them the new ones, by
// its names.
func (b *builder) sort() {
	order := func(d *definition) int {
		if i, ok := b.names.order[d.name]; ok {
			return i
		}
		return len(b.names.order)
	}
	slices.SortFunc(b.definitions, func(x, y *definition) int {
		return cmp.Or(cmp.Compare(order(x), order(y)), cmp.Compare(x.name, y.name))
	})
}

// namedTypes returns the types that have names.
func (b *builder) namedTypes() (types []Type) {
	for _, name := range b.types {
		types = append(types, Type{name, b.places[name]})
	}
	slices.SortFunc(types, func(x, y Type) int { return cmp.Compare(x.Name, y.Name) })
	return types
}
