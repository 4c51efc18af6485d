package diff

import "github.com/qmpkit/qmpkit/qmp/introspect"

// enums compares two enums. One whose values have no members compares like one whose values have
// no features: where it comes from values could have none.
func enums(n *node, a, b *introspect.Enum) {
	n.features(Type, place{}, "$", a.Features, b.Features)
	old, new := values(a), values(b)
	for _, name := range union(old, new) {
		was, before := old[name]
		is, after := new[name]
		at := here("^" + name)
		switch {
		case !after:
			n.report(finding{kind: Removed, what: Value, at: at, breaks: valueRemoved})
		case !before:
			n.report(finding{kind: Added, what: Value, at: at})
		default:
			n.features(Value, at, "$", was.Features, is.Features)
		}
	}
}

func values(e *introspect.Enum) map[string]introspect.EnumMember {
	return index(e.Members, func(m introspect.EnumMember) string { return m.Name })
}
