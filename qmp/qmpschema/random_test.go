package qmpschema

import (
	"math/rand/v2"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A maker makes random arguments of the types of a schema, and changes them.
type maker struct {
	*rand.Rand
	schema *introspect.Schema
	depth  int
}

func newMaker(schema *introspect.Schema, seed uint64) *maker {
	return &maker{Rand: rand.New(rand.NewPCG(seed, 15)), schema: schema}
}

// maxDepth is the depth from which on a value has no optional members and no elements.
const maxDepth = 5

func (m *maker) value(typ string) any {
	m.depth++
	defer func() { m.depth-- }()
	switch t := m.schema.Lookup(typ).(type) {
	case *introspect.Builtin:
		return m.builtin(t.JSONType)
	case *introspect.Enum:
		return t.Members[m.IntN(len(t.Members))].Name
	case *introspect.Array:
		elements := []any{}
		for range m.IntN(3) {
			if m.depth < maxDepth {
				elements = append(elements, m.value(t.ElementType))
			}
		}
		return elements
	case *introspect.Alternate:
		typ := t.Types[m.IntN(len(t.Types))]
		for i := range t.Types {
			if _, deep := m.schema.Lookup(typ).(*introspect.Object); deep && m.depth > maxDepth {
				typ = t.Types[i]
			}
		}
		return m.value(typ)
	case *introspect.Object:
		object := qmp.Args{}
		m.members(object, t)
		return object
	}
	panic("no type: " + typ)
}

func (m *maker) builtin(jsonType string) any {
	switch jsonType {
	case "string", "value":
		return "text"
	case "int":
		return m.IntN(100)
	case "number":
		return 0.5
	case "boolean":
		return m.IntN(2) == 0
	}
	return nil
}

func (m *maker) members(object qmp.Args, t *introspect.Object) {
	for _, member := range t.Members {
		if !member.Optional || m.depth <= maxDepth && m.IntN(2) == 0 {
			object[member.Name] = m.value(member.Type)
		}
	}
	if tag, ok := object[t.Tag].(string); ok {
		if v := t.Variant(tag); v != nil {
			m.members(object, m.schema.Lookup(v.Type).(*introspect.Object))
		}
	}
}

// arguments makes those of a command.
func (m *maker) arguments(c *introspect.Command) qmp.Args { return m.value(c.ArgType).(qmp.Args) }

// change makes one change at a random place: a new member, a value that nobody has, a value of another type.
func (m *maker) change(arguments qmp.Args) {
	var changes []func()
	var visit func(value any, set func(any))
	visit = func(value any, set func(any)) {
		changes = append(changes, func() { set(m.other(value)) })
		switch v := value.(type) {
		case qmp.Args:
			changes = append(changes, func() { v["x-new"] = m.other(nil) })
			for name := range v {
				visit(v[name], func(other any) { v[name] = other })
			}
		case []any:
			for i := range v {
				visit(v[i], func(other any) { v[i] = other })
			}
		}
	}
	changes = append(changes, func() { arguments["x-new"] = 1 })
	for name := range arguments {
		visit(arguments[name], func(other any) { arguments[name] = other })
	}
	changes[m.IntN(len(changes))]()
}

// other returns a value of any type: another text for a text in half of the cases.
func (m *maker) other(value any) any {
	if _, ok := value.(string); ok && m.IntN(2) == 0 {
		return "no-such-value"
	}
	others := []any{"x", 7, 2.5, true, nil, qmp.Args{}, qmp.Args{"x": 1}, []any{}, []any{"x"}, []any{1, 2}}
	return others[m.IntN(len(others))]
}
