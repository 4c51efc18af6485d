package unmask

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A place is where a type is used.
type place struct {
	module string // of the definition that uses it
	name   string // what a type that is used there is called
	path   string // for people
}

// A user is something that uses types: a command, an event, or a type with a name.
type user struct {
	info   introspect.Info
	module string
	prefix string // of the names of what it uses
	path   string
	wraps  bool // see isWrapper
}

// newUser returns a type with a name as a user of others.
func newUser(info introspect.Info, module, name string) user {
	u := user{info: info, module: module, prefix: name, path: name}
	if isWrapper(info) {
		u.prefix, u.wraps = strings.CutSuffix(name, wrapper)
	}
	return u
}

// nameTypes gives all types their names: first the recovered ones, then, to new types, names of
// the places where it is used. The walk begins with all commands, events and types that have
// names, each kind by its names, so that the nearest place gives the name and the order of the
// server's array does not matter.
func (b *builder) nameTypes() {
	b.taken = newNameSet(b.live, b.names)
	for _, info := range b.live.Infos {
		if name := b.foundName(info); name != "" {
			b.types[info.Head().Name] = name
			b.taken.take(name, info)
		}
	}
	queue := b.users()
	for i := 0; i < len(queue); i++ { // the loop appends to it
		for name, at := range b.usedBy(queue[i]) {
			if u, ok := b.nameAt(name, at); ok {
				queue = append(queue, u)
			}
		}
	}
}

// foundName returns the name that was found for a type, if there is one and it needs one.
func (b *builder) foundName(info introspect.Info) string {
	found := b.chosen[info.Head().Name]
	switch {
	case !isImplicit(found):
		return found
	case strings.HasSuffix(found, "-wrapper"):
		return withoutPrefix(found)
	}
	return ""
}

// users returns the commands and events that the walk begins with.
func (b *builder) users() (users []user) {
	for _, info := range b.live.Infos {
		name := info.Head().Name
		switch info.(type) {
		case *introspect.Command, *introspect.Event:
			users = append(users, user{info: info, module: cmp.Or(b.names.module(name), newModule), prefix: camel(name), path: name})
		default:
			if known := b.types[name]; known != "" {
				users = append(users, newUser(info, cmp.Or(b.names.module(known), newModule), known))
			}
		}
	}
	kind := func(u user) int {
		switch u.info.(type) {
		case *introspect.Command:
			return 0
		case *introspect.Event:
			return 1
		}
		return 2
	}
	slices.SortFunc(users, func(x, y user) int {
		return cmp.Or(cmp.Compare(kind(x), kind(y)), cmp.Compare(x.path, y.path))
	})
	return users
}

// usedBy yields the types that something uses, with the places.
func (b *builder) usedBy(u user) iter.Seq2[string, place] {
	return func(yield func(string, place) bool) {
		switch info := u.info.(type) {
		case *introspect.Command:
			_ = b.argument(u, info.ArgType, "Options", yield) &&
				yield(info.RetType, u.place("Result", "ret-type"))
		case *introspect.Event:
			b.argument(u, info.ArgType, "Data", yield)
		case *introspect.Object:
			_ = u.members(info, "", yield) && u.variants(info, yield)
		case *introspect.Alternate:
			for _, t := range info.Types {
				if !yield(t, u.place(kind(b.live, t), kind(b.live, t))) {
					return
				}
			}
		}
	}
}

// argument yields the type of arguments, or the types of the arguments if they have no type
// together.
func (b *builder) argument(u user, name, word string, yield func(string, place) bool) bool {
	if b.hasName(name) {
		return yield(name, u.place(word, "arg-type"))
	}
	return u.members(b.live.Lookup(name).(*introspect.Object), "arg-type/", yield)
}

func (u user) members(o *introspect.Object, path string, yield func(string, place) bool) bool {
	for i := range o.Members {
		m := &o.Members[i]
		word := m.Name
		if u.wraps {
			word = ""
		}
		if !yield(m.Type, u.place(word, path+m.Name)) {
			return false
		}
	}
	return true
}

func (u user) variants(o *introspect.Object, yield func(string, place) bool) bool {
	for _, v := range o.Variants {
		if !yield(v.Type, u.place(v.Case, "+"+v.Case)) {
			return false
		}
	}
	return true
}

func (u user) place(word, path string) place {
	return place{u.module, u.prefix + camel(word), u.path + "/" + path}
}

// nameAt gives a type the name of a place, if it has none and needs one, and returns it as a user
// of others. A type that has its name, but is defined nowhere, gets its module.
func (b *builder) nameAt(name string, at place) (u user, isNew bool) {
	info := element(b.live, name)
	name = info.Head().Name
	known := b.types[name]
	if known != "" {
		if b.modules[known] == "" && b.names.module(known) == "" {
			b.modules[known] = at.module
		}
		return user{}, false
	}
	if !b.hasName(name) {
		return user{}, false
	}
	first := typeName(at.name)
	if isWrapper(info) {
		first += wrapper
	}
	known = first
	for i := 2; !b.taken.free(known, info); i++ {
		known = first + strconv.Itoa(i)
	}
	b.taken.take(known, info)
	b.types[name] = known
	b.modules[known] = at.module
	b.places[known] = at.path
	return newUser(info, at.module, known), true
}

// QEMU writes a branch that is not to have its members beside those of its union as a struct with
// the one member data, and calls it FooWrapper where the type of data is Foo.
const wrapper = "Wrapper"

func isWrapper(info introspect.Info) bool {
	o, ok := info.(*introspect.Object)
	return ok && o.Tag == "" && len(o.Members) == 1 && o.Members[0].Name == "data"
}

// hasName reports whether a type is one that a schema defines. The others are the built-in ones,
// arrays, the empty object, and the arguments of one command or event, which are written in
// their place unless they have branches.
func (b *builder) hasName(name string) bool {
	info := b.live.Lookup(name)
	switch info.(type) {
	case *introspect.Builtin, *introspect.Array:
		return false
	}
	if b.foundName(info) != "" || b.values[name] {
		return true
	}
	o, ok := info.(*introspect.Object)
	if !ok || o.Tag != "" {
		return true
	}
	return !isEmpty(o) && !(b.arguments[name] == 1 && b.uses[name] == 1)
}
