package cmdline

import (
	"slices"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// An entry is a value for a place, or for something below the place.
type entry struct {
	key      string // the part of the key that is left: "driver" of file.driver at the place file
	deep     bool   // the value is for the member that key names; else it is for the place itself
	exact    bool   // the key was in braces, where a dot has no meaning
	quoted   bool
	from, to int    // of what is left of the key
	value    *value // nil if nothing follows the key
}

// end returns the end of the value or, without one, of the key.
func (e entry) end() int {
	if e.value != nil {
		return e.value.to
	}
	return e.to
}

// entries returns the entries of members.
func entries(members []*member, exact bool) (all []entry) {
	for _, m := range members {
		e := entry{key: m.key, deep: true, exact: exact, quoted: m.quoted, from: m.from, to: m.to, value: m.value}
		if !exact && m.value != nil && m.value.form == object && m.key == "" {
			e.deep = false
		}
		all = append(all, e)
	}
	return all
}

// A place is where a value goes.
type place struct {
	command  string   // whose members these are: that of a transaction's action, too
	names    []string // of the members that lead there from the command, without indices
	shown    []string // the same for people, with indices
	path     string   // the same as a path of package introspect
	siblings []entry  // of the last member
}

// member returns the place of a member of an object.
func (p place) member(name string) place {
	p.names = append(slices.Clip(p.names), name)
	p.shown = append(slices.Clip(p.shown), name)
	p.path += "/" + introspect.Component(name)
	return p
}

// element returns the place of an element of a list.
func (p place) element(i int) place {
	p.shown = append(slices.Clip(p.shown), strconv.Itoa(i))
	return p
}

// key returns the place as people write it: "file.driver", "children.0".
func (p place) key() string {
	if len(p.shown) == 0 {
		return p.command
	}
	return strings.Join(p.shown, ".")
}

// name returns the name of the last member, or "" for the arguments.
func (p place) name() string {
	if len(p.names) == 0 {
		return ""
	}
	return p.names[len(p.names)-1]
}
