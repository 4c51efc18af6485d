package diff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A view is a schema that was checked: the types that it names are in it, and to follow arrays
// and alternates comes to an end.
type view struct{ *introspect.Schema }

// maxNesting is how many arrays may be in each other; QEMU has two.
const maxNesting = 100

// newView checks a schema; which is its name in errors.
func newView(s *introspect.Schema, which string) (*view, error) {
	v := &view{s}
	for _, info := range s.Infos {
		if fault := v.fault(info); fault != "" {
			return nil, fmt.Errorf("diff: the %s schema: %w: %s: %s", which, introspect.ErrSchema, info.Head().Name, fault)
		}
	}
	return v, nil
}

// fault returns the error of an entry, or "".
func (v *view) fault(info introspect.Info) string {
	for _, name := range references(info) {
		switch v.Lookup(name).(type) {
		case nil:
			return "there is no type " + name
		case *introspect.Command, *introspect.Event:
			return name + " is not a type"
		}
	}
	switch info := info.(type) {
	case *introspect.Object:
		for _, variant := range info.Variants {
			if _, ok := v.Lookup(variant.Type).(*introspect.Object); !ok {
				return variant.Type + ", of a branch, is not an object"
			}
		}
	case *introspect.Alternate:
		for _, name := range info.Types {
			if _, nested := v.Lookup(name).(*introspect.Alternate); nested {
				return name + " is an alternate too"
			}
		}
	case *introspect.Array:
		if v.nests(info) {
			return fmt.Sprintf("more than %d arrays in each other", maxNesting)
		}
	}
	return ""
}

// nests reports whether there are too many arrays in an array. What one of them names may not be
// there, which is that one's fault.
func (v *view) nests(array *introspect.Array) bool {
	for range maxNesting {
		var ok bool
		if array, ok = v.Lookup(array.ElementType).(*introspect.Array); !ok {
			return false
		}
	}
	return true
}

// references are the names of the types that an entry names.
func references(info introspect.Info) (names []string) {
	switch info := info.(type) {
	case *introspect.Command:
		return []string{info.ArgType, info.RetType}
	case *introspect.Event:
		return []string{info.ArgType}
	case *introspect.Array:
		return []string{info.ElementType}
	case *introspect.Alternate:
		return info.Types
	case *introspect.Object:
		for i := range info.Members {
			names = append(names, info.Members[i].Type)
		}
		for _, v := range info.Variants {
			names = append(names, v.Type)
		}
	}
	return names
}

// leaves are the types that a value can be of: those of an alternate, or the one itself. Of each
// kind of JSON there is one; should there be more, the first one counts.
func (v *view) leaves(t introspect.Info) []introspect.Info {
	alternate, ok := t.(*introspect.Alternate)
	if !ok {
		return []introspect.Info{t}
	}
	var types []introspect.Info
	for _, name := range alternate.Types {
		leaf := v.Lookup(name)
		if !slices.ContainsFunc(types, func(t introspect.Info) bool { return kindOf(t) == kindOf(leaf) }) {
			types = append(types, leaf)
		}
	}
	return types
}

// describe describes a type without names, because a server does not send them.
func (v *view) describe(name string) string { return v.describeType(v.Lookup(name), 3) }

// describeType goes down to a depth, since the array in an alternate may be one of alternates.
func (v *view) describeType(t introspect.Info, depth int) string {
	switch t := t.(type) {
	case *introspect.Array:
		if depth <= 0 {
			return kindOf(t)
		}
		return "array of " + v.describeType(v.Lookup(t.ElementType), depth-1)
	case *introspect.Alternate:
		var parts []string
		for _, leaf := range v.leaves(t) {
			parts = append(parts, v.describeType(leaf, depth))
		}
		return strings.Join(parts, " or ")
	}
	return kindOf(t)
}

// describeMember describes a member: whether it is mandatory, and its type.
func (v *view) describeMember(m *introspect.Member) string {
	if m.Optional {
		return "optional " + v.describe(m.Type)
	}
	return "mandatory " + v.describe(m.Type)
}
