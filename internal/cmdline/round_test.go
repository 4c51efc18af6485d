package cmdline

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// TestRound: Parse takes random arguments of all commands, as JSON, in braces and by keys with dots, and
// returns the same arguments.
func TestRound(t *testing.T) {
	for _, version := range versions {
		for _, kind := range []string{"qemu", "storage", "guest"} {
			l := languageOf(t, version, kind)
			m := &maker{Rand: rand.New(rand.NewPCG(20, 3)), schema: l.Schema}
			for command := range l.Schema.Commands() {
				for range 6 {
					args := m.value(command.ArgType, 0).(qmp.Args)
					text, err := args.MarshalJSON()
					require.NoError(t, err)
					for _, line := range []string{
						`{"execute": "` + command.Name + `", "arguments": ` + string(text) + "}",
						command.Name + " " + string(text),
						command.Name + m.dotted("", args),
						command.Name + m.braced(args),
					} {
						c, err := l.Parse(t.Context(), line)
						require.NoError(t, err, line)
						require.Equal(t, string(text), string(c.Arguments()), line)
					}
				}
			}
		}
	}
}

// A maker makes random arguments by a schema, and writes them.
type maker struct {
	*rand.Rand
	schema *introspect.Schema
}

// words are texts that are special in some way.
var words = []string{"text", "", "a b", "it's", `"q"`, `\`, "[x", "{y", "null", "5", "on", "a,b", "a=b", "é\n\t"}

func (m *maker) value(typ string, depth int) any {
	switch t := m.schema.Lookup(typ).(type) {
	case *introspect.Enum:
		return t.Members[m.IntN(len(t.Members))].Name
	case *introspect.Array:
		elements := []any{}
		for range m.IntN(3) {
			if depth < 4 {
				elements = append(elements, m.value(t.ElementType, depth+1))
			}
		}
		return elements
	case *introspect.Alternate:
		types := slices.Clone(t.Types)
		if depth > 3 {
			types = slices.DeleteFunc(types, func(name string) bool { return introspect.JSONType(m.schema.Lookup(name)) == "object" })
		}
		return m.value(types[m.IntN(len(types))], depth+1)
	case *introspect.Object:
		object := qmp.Args{}
		for o := t; o != nil; {
			for _, member := range o.Members {
				if !member.Optional || depth < 3 && m.IntN(3) == 0 {
					object[member.Name] = m.value(member.Type, depth+1)
				}
			}
			tag, _ := object[o.Tag].(string)
			v := o.Variant(tag)
			if v == nil {
				break
			}
			o = m.schema.Lookup(v.Type).(*introspect.Object)
		}
		return object
	case *introspect.Builtin:
		switch t.JSONType {
		case "string", "value":
			return words[m.IntN(len(words))]
		case "int":
			return []any{0, -1, 4096, uint64(1<<64 - 1)}[m.IntN(4)]
		case "number":
			return []any{0.5, 3, -0.25}[m.IntN(3)]
		case "boolean":
			return m.IntN(2) == 0
		}
	}
	return nil
}

// dotted writes members as keys with dots.
func (m *maker) dotted(before string, value any) string {
	var b strings.Builder
	switch v := value.(type) {
	case qmp.Args:
		if len(v) > 0 || before == "" {
			names := slices.Sorted(maps.Keys(v))
			m.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			for _, name := range names {
				b.WriteString(m.dotted(before+"."+name, v[name]))
			}
			return b.String()
		}
	case []any:
		if len(v) > 0 {
			for i, element := range v {
				b.WriteString(m.dotted(before+"."+strconv.Itoa(i), element))
			}
			return b.String()
		}
	}
	return " " + before[1:] + "=" + m.scalar(value, false)
}

// braced writes the arguments with each member in braces.
func (m *maker) braced(args qmp.Args) string {
	var b strings.Builder
	for name, value := range args {
		b.WriteString(" " + name + "=" + m.scalar(value, true))
	}
	return b.String()
}

// scalar writes a value, without quotes where it needs none.
func (m *maker) scalar(value any, inner bool) string {
	switch v := value.(type) {
	case qmp.Args:
		var parts []string
		for name, value := range v {
			parts = append(parts, name+[]string{": ", "=", " : "}[m.IntN(3)]+m.scalar(value, true))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, value := range v {
			parts = append(parts, m.scalar(value, true))
		}
		return "[" + strings.Join(parts, " , ") + "]"
	case string:
		if slices.Contains(words[1:], v) {
			return string(appendQuoted(nil, v))
		}
		return v
	case bool:
		if m.IntN(2) == 0 {
			return map[bool]string{true: "on", false: "off"}[v]
		}
	case nil:
		return "null"
	}
	return fmt.Sprint(value)
}
