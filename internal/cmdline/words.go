package cmdline

import (
	"strings"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// wantsOf returns in words, with examples, what a place of a type takes.
func (c *checker) wantsOf(p place, t introspect.Info) string {
	switch introspect.JSONType(t) {
	case "int":
		if isSize(p) {
			return "bytes, such as 512, 0x200, 64K or 10G"
		}
		return "a number such as 5 or 0x5"
	case "boolean":
		return "on, off, true or false"
	}
	return c.inWords(p, t)
}

// inWords describes a type: "an integer", "one of on, off".
func (l *Language) inWords(p place, t introspect.Info) string {
	switch t := t.(type) {
	case *introspect.Enum:
		var names []string
		for _, m := range t.Members {
			names = append(names, m.Name)
		}
		return "one of " + strings.Join(some(names, 12), ", ")
	case *introspect.Array:
		return "a list: [" + l.inWords(p, l.Schema.Lookup(t.ElementType)) + ", …]"
	case *introspect.Object:
		return "members"
	case *introspect.Alternate:
		if l.isReference(t) {
			return Kind("node").words() + ", or members of a new one"
		}
		var words []string
		for _, name := range t.Types {
			if typ := l.Schema.Lookup(name); typ != nil {
				words = append(words, l.inWords(p, typ))
			}
		}
		return strings.Join(words, ", or ")
	case *propertyType:
		if t.name != "" {
			return t.name
		}
	}
	switch introspect.JSONType(t) {
	case "string":
		if kinds := l.kindsOf(p); len(kinds) > 0 {
			return kinds[0].words()
		}
		return "a string"
	case "int":
		if isSize(p) {
			if isRate(p.name()) {
				return "bytes per second"
			}
			return "a size in bytes"
		}
		return "an integer"
	case "number":
		return "a number"
	case "boolean":
		return "on or off"
	case "null":
		return "null"
	}
	return "any value"
}
