package schematest

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/qmpkit/qmpkit/qapi"
)

// rewrite is a text that says the same as another one.
type rewrite struct {
	name string
	text []byte
}

// strangerName is the name of a member that no type has, and strangerText how it is written: in
// such a way that nobody finds it by comparing bytes.
const (
	strangerName = "__stranger!"
	strangerText = `"__stranger\u0021" : [{"driver": "qcow2", "type": null}, "\ud83d\ude00"]`
)

// rewrites lists texts that say the same as a valid one: without blanks, and, unless its values
// are of no type, with one member more than a server of this version sends, and with the members
// in another order, so that discriminators come first and last. Members move in outermost objects
// only: the text itself or the elements of an array.
func rewrites(text []byte, untyped bool) []rewrite {
	compact := jsontext.Value(copied(text))
	if err := compact.Compact(jsontext.AllowDuplicateNames(true)); err != nil {
		panic(err) // the text is valid
	}
	all := []rewrite{{"without blanks", compact}}
	if untyped {
		return all
	}
	o := outlineOf(text)
	all = append(all, rewrite{"with an unknown member", o.with(func(members []string) []string {
		return append([]string{strangerText}, members...)
	})})
	for n := 1; n <= min(o.most-1, 4); n++ {
		all = append(all, rewrite{"rotated", o.with(func(members []string) []string {
			n := n % max(1, len(members))
			return slices.Concat(members[n:], members[:n])
		})})
	}
	return append(all, rewrite{"reversed", o.with(func(members []string) []string {
		members = slices.Clone(members)
		slices.Reverse(members)
		return members
	})})
}

// isUntyped reports whether the values of a type, or the elements of an array, are any JSON.
func isUntyped(t qapi.Type) bool {
	if a, ok := t.(*qapi.Array); ok {
		t = a.Element
	}
	b, ok := t.(*qapi.Builtin)
	return ok && b.JSONKind() == qapi.KindValue
}
