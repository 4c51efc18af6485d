package diff

import (
	"slices"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// kinds are kinds of JSON: the json-types of built-in types, enum for some strings, object, and
// array. A kind that includes another goes with that: number with int, string with enum.
type kinds []string

const (
	enumKind   = "enum"
	stringKind = "string"
)

// every are the kinds of the type any.
var every = kinds{"null", "boolean", "int", "number", enumKind, stringKind, "array", "object"}

// kindOf names the kind of a type that is not an alternate.
func kindOf(t introspect.Info) string {
	b, ok := t.(*introspect.Builtin)
	switch {
	case !ok:
		return t.MetaType()
	case b.JSONType == "value":
		return "any"
	}
	return b.JSONType
}

// kindsOf are the kinds of types, without alternates.
func kindsOf(types []introspect.Info) (all kinds) {
	for _, t := range types {
		switch kind := kindOf(t); kind {
		case "any":
			all = append(all, every...)
		case "number":
			all = append(all, "int", "number")
		case stringKind:
			all = append(all, enumKind, stringKind)
		default:
			all = append(all, kind)
		}
	}
	return all
}

// take reports whether a value of any of the other kinds is one of k.
func (k kinds) take(other kinds) bool {
	return !slices.ContainsFunc(other, func(kind string) bool { return !slices.Contains(k, kind) })
}

// withStrings has all strings where k has some.
func (k kinds) withStrings() kinds {
	if slices.Contains(k, enumKind) {
		return append(slices.Clone(k), stringKind)
	}
	return k
}
