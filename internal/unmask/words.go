package unmask

import (
	"strings"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// camel joins the words of a name as type names are written: x-foo_BAR is XFooBar.
func camel(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, isSeparator) {
		if word == strings.ToUpper(word) {
			word = strings.ToLower(word)
		}
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

func isSeparator(r rune) bool { return r == '-' || r == '_' || r == '.' }

// typeName makes a name that QAPI accepts for a type: it begins with a letter, has a small one in
// it, and does not end as the names of arrays do.
func typeName(name string) string {
	if name == "" || name[0] < 'A' || name[0] > 'Z' {
		name = "X" + name
	}
	if name[1:] == strings.ToUpper(name[1:]) || strings.HasSuffix(name, "List") {
		name += "Type"
	}
	return name
}

// A nameSet has the names that a new type must not get: those in the new schema or in the one that
// the names come from, and the names that these give in Go, where a name for each value of an enum
// and one for the branches of each union stand beside them. Two names are the same if they are so
// without their separators and in small letters.
type nameSet map[string]bool

func newNameSet(live *introspect.Schema, names *namer) nameSet {
	set := nameSet{"rawbranch": true, "decodeevent": true}
	for _, d := range names.Definitions {
		switch d := d.(type) {
		case *qapi.Command:
			set.add(d.Name)
		case *qapi.Event:
			set.add(d.Name + "Event")
		}
	}
	for name, t := range names.types {
		set.add(withoutPrefix(name))
		switch t := t.(type) {
		case *qapi.Union:
			set.add(name + "Branch")
		case *qapi.Enum:
			for _, v := range t.Values {
				set.add(name + v.Name)
			}
		}
	}
	for _, info := range live.Infos {
		switch info.(type) {
		case *introspect.Command:
			set.add(info.Head().Name)
		case *introspect.Event:
			set.add(info.Head().Name + "Event")
		}
	}
	return set
}

// squash returns the form that equal names share.
func squash(name string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if isSeparator(r) {
			return -1
		}
		return r
	}, name))
}

func (s nameSet) add(name string) { s[squash(name)] = true }

// claims are the names that a type needs.
func claims(name string, info introspect.Info) []string {
	all := []string{squash(name)}
	switch info := info.(type) {
	case *introspect.Enum:
		for _, v := range info.Members {
			all = append(all, squash(name+v.Name))
		}
	case *introspect.Object:
		if info.Tag != "" {
			all = append(all, squash(name+"Branch"))
		}
	}
	return all
}

// free reports whether a type can have a name.
func (s nameSet) free(name string, info introspect.Info) bool {
	for _, claim := range claims(name, info) {
		if s[claim] {
			return false
		}
	}
	return true
}

// take claims a name for a type.
func (s nameSet) take(name string, info introspect.Info) {
	for _, claim := range claims(name, info) {
		s[claim] = true
	}
}

// withoutPrefix is the name of a type as a schema may write it: the wrapper of a simple union's
// branch, which QAPI calls q_obj_Abort-wrapper, is AbortWrapper.
func withoutPrefix(name string) string {
	if rest, ok := strings.CutPrefix(name, "q_obj_"); ok {
		return camel(rest)
	}
	return name
}
