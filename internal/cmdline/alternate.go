package cmdline

import (
	"slices"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// alternative chooses the type of a value that can have several. It returns nil after a mistake, and if the
// cursor is at the value.
func (c *checker) alternative(p place, t *introspect.Alternate, all []entry) introspect.Info {
	types := c.alternatives(t)
	first := all[0]
	for _, e := range all {
		if e.deep {
			first = e
		}
	}
	find := func(fits func(introspect.Info) bool) introspect.Info {
		if i := slices.IndexFunc(types, fits); i >= 0 {
			return types[i]
		}
		return nil
	}
	isObject := func(t introspect.Info) bool { return introspect.JSONType(t) == "object" }
	isArray := func(t introspect.Info) bool { return introspect.JSONType(t) == "array" }
	isString := func(t introspect.Info) bool { return introspect.JSONType(t) == "string" }
	var typ introspect.Info
	v := first.value
	switch {
	case first.deep && first.key != "" && first.key[0] >= '0' && first.key[0] <= '9':
		if typ = find(isArray); typ == nil {
			typ = find(isObject)
		}
	case first.deep:
		if typ = find(isObject); typ == nil {
			typ = find(isArray)
		}
	case v == nil:
		c.noValue(p, first, c.inWords(p, t))
		return nil
	case v.form == object:
		typ = find(isObject)
	case v.form == list:
		typ = find(isArray)
	case c.atCursor(v.to) && (v.form == bare || v.open):
		c.target = &target{place: p, written: v, typ: t, inner: first.exact, json: first.quoted}
		return nil
	case v.form == quoted:
		typ = find(isString)
	default:
		typ = find(func(t introspect.Info) bool { return takesBare(t, v.text) })
	}
	if typ == nil {
		from, to := first.from, first.to
		if v != nil {
			from, to = v.from, v.to
		}
		c.fail(from, to, p.key()+" takes no such value", c.inWords(p, t))
	}
	return typ
}

// alternatives returns the types of an alternate, without alternates, in the order for takesBare: null,
// boolean, numbers, enums, strings.
func (c *checker) alternatives(t *introspect.Alternate) (types []introspect.Info) {
	for _, name := range t.Types {
		if typ := c.Schema.Lookup(name); typ != nil {
			if _, deep := typ.(*introspect.Alternate); !deep {
				types = append(types, typ)
			}
		}
	}
	order := []string{"null", "boolean", "int", "number", "string"}
	rank := func(t introspect.Info) int { return slices.Index(order, introspect.JSONType(t)) }
	slices.SortStableFunc(types, func(a, b introspect.Info) int { return rank(a) - rank(b) })
	return types
}

// takesBare reports whether text without quotes is a value of a type.
func takesBare(t introspect.Info, text string) bool {
	switch introspect.JSONType(t) {
	case "null":
		return text == "null"
	case "boolean":
		_, ok := parseBool(text)
		return ok
	case "int":
		_, ok := parseInt(text, false)
		return ok
	case "number":
		return isNumber(text)
	case "string", "value":
		return true
	}
	return false
}
