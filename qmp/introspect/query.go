package introspect

import (
	"errors"
	"strings"
)

// ErrQuery means that a path is malformed: a component is empty, or follows a component that must
// be the last one.
var ErrQuery = errors.New("introspect: malformed path")

// ErrSchema means that the schema is malformed: a type is missing, or types
// refer to each other without end.
var ErrSchema = errors.New("introspect: malformed schema")

// How many types a query may pass: one after the other, and in all. Arrays and alternates are
// passed without a component, and of an alternate's types several may be tried, so that a schema
// that is malformed could make it endless.
const (
	maxQueryDepth = 1000
	maxQuerySteps = 100_000
)

// Has reports whether the schema has the command, event, member, value or feature that a path
// describes. The grammar is libvirt's (src/qemu/qemu_qapi.c), with two additions:
//
//	path       = command-or-event *( "/" component )
//	second     = "arg-type" | "ret-type" | "$" feature
//	of object  = member | "*" member      which must be optional
//	           | "+" case                 the branch of a union
//	           | "$" feature
//	after a member                        "$$" feature (an addition)
//	of enum    = "^" value [ "/$" feature ]
//	of builtin = "!" json-type            null, string, number, int, boolean or value
//	of another = "!" json-type            string of an enum, object, array (an addition)
//
// An array needs no component: the component after it is for its elements. For an alternate, it is
// enough that one of its types has the component. If a name does not begin with a letter, write a blank
// before it, as [Component] does. A feature, a json-type and a value's feature must be the last component. The first
// component can also name a type, which is a number unless the schema was made without masking. The
// next component is then for that type.
//
//	blockdev-add
//	blockdev-add/arg-type/+file/$dynamic-auto-read-only
//	blockdev-add/arg-type/+file/aio/^io_uring
//	block-commit/arg-type/*top
//	block-commit/arg-type/base/$$deprecated
//	netdev_add/arg-type/id/!string
//
// Has returns false, and no error, if the schema does not have a component, or if a component
// does not fit the one before it, such as "+arg-type", or "^value" after an object. It stops at
// the first such component.
//
// The error matches:
//   - [ErrQuery]: a component is empty, or follows a component that must be the last one.
//   - [ErrSchema]: a type on the path is missing, or types refer to each other without end.
func (s *Schema) Has(path string) (bool, error) {
	components := strings.Split(path, "/")
	for _, c := range components {
		if c == "" {
			return false, queryError(path, "a component is empty")
		}
	}
	q := &query{schema: s, path: path}
	info := s.Lookup(components[0])
	rest := components[1:]
	switch info := info.(type) {
	case *Command:
		return q.entry(&info.Header, rest, map[string]string{"arg-type": info.ArgType, "ret-type": info.RetType})
	case *Event:
		return q.entry(&info.Header, rest, map[string]string{"arg-type": info.ArgType})
	case nil:
		return false, nil
	}
	return q.named(components[0], rest)
}

// A query is a path being followed.
type query struct {
	schema *Schema
	path   string
	depth  int
	steps  int
}

func queryError(path, reason string) error {
	return &pathError{ErrQuery, path, reason}
}

// A pathError is the error of a query.
type pathError struct {
	kind         error
	path, reason string
}

func (e *pathError) Error() string { return e.kind.Error() + " '" + e.path + "': " + e.reason }
func (e *pathError) Unwrap() error { return e.kind }

// entry follows the components after the name of a command or an event.
func (q *query) entry(h *Header, rest []string, types map[string]string) (bool, error) {
	if len(rest) == 0 {
		return true, nil
	}
	component := rest[0]
	switch component[0] {
	case '^', '!', '+', '*':
		return false, nil // a type has no modifier here
	case '$':
		return q.feature(h.Features, component[1:], rest[1:])
	}
	name, ok := types[plain(component)]
	if !ok {
		return false, nil
	}
	return q.named(name, rest[1:])
}

// feature ends a query.
func (q *query) feature(features []string, name string, rest []string) (bool, error) {
	if len(rest) > 0 {
		return false, queryError(q.path, "the feature "+name+" must be the last component")
	}
	return contains(features, name), nil
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// named follows the components after a part whose type has this name.
func (q *query) named(name string, rest []string) (bool, error) {
	q.steps++
	if q.depth++; q.depth > maxQueryDepth || q.steps > maxQuerySteps {
		return false, &pathError{ErrSchema, q.path, "types refer to each other without end"}
	}
	defer func() { q.depth-- }()
	info := q.schema.Lookup(name)
	if info == nil {
		return false, &pathError{ErrSchema, q.path, "there is no type " + name}
	}
	if len(rest) == 0 {
		return true, nil
	}
	switch info.(type) {
	case *Enum, *Array, *Object:
		if len(rest) == 1 && rest[0] == "!"+JSONType(info) {
			return true, nil
		}
	}
	switch info := info.(type) {
	case *Object:
		return q.object(info, rest)
	case *Enum:
		return q.enum(info, rest)
	case *Builtin:
		return q.builtin(info, rest)
	case *Array:
		return q.named(info.ElementType, rest)
	case *Alternate:
		return q.alternate(info, rest)
	case *Unknown:
		return false, nil
	}
	return false, &pathError{ErrSchema, q.path, name + " is not a type"}
}

func (q *query) object(o *Object, rest []string) (bool, error) {
	component := rest[0]
	rest = rest[1:]
	switch component[0] {
	case '^', '!':
		return false, nil // for other types
	case '$':
		return q.feature(o.Features, component[1:], rest)
	case '+':
		if v := o.Variant(component[1:]); v != nil {
			return q.named(v.Type, rest)
		}
		return false, nil
	}
	m := o.Member(plain(component))
	if m == nil || component[0] == '*' && !m.Optional {
		return false, nil
	}
	if len(rest) > 0 {
		if feature, ok := strings.CutPrefix(rest[0], "$$"); ok {
			return q.feature(m.Features, feature, rest[1:])
		}
	}
	return q.named(m.Type, rest)
}

func (q *query) enum(e *Enum, rest []string) (bool, error) {
	value, ok := strings.CutPrefix(rest[0], "^")
	if !ok {
		return false, nil
	}
	m := e.Member(value)
	if len(rest) == 1 {
		return m != nil, nil
	}
	feature, ok := strings.CutPrefix(rest[1], "$")
	if !ok {
		return false, queryError(q.path, "only a feature can follow the value "+value)
	}
	if m == nil {
		return q.feature(nil, feature, rest[2:])
	}
	return q.feature(m.Features, feature, rest[2:])
}

func (q *query) builtin(b *Builtin, rest []string) (bool, error) {
	jsonType, ok := strings.CutPrefix(rest[0], "!")
	if !ok {
		return false, nil
	}
	if len(rest) > 1 {
		return false, queryError(q.path, "the JSON type "+jsonType+" must be the last component")
	}
	return b.JSONType == jsonType, nil
}

func (q *query) alternate(a *Alternate, rest []string) (bool, error) {
	for _, name := range a.Types {
		if has, err := q.named(name, rest); has || err != nil {
			return has, err
		}
	}
	return false, nil
}

// Component returns the name of a member as a component of a path. If the name does not begin with a letter, such
// as "__com.example_fast", the component begins with a blank.
func Component(member string) string {
	if member != "" && isLetter(member[0]) {
		return member
	}
	return " " + member
}

// plain returns the name in a component: without the blank, or the asterisk, before it. Like libvirt
// it accepts any character that is not a letter as the blank.
func plain(component string) string {
	if !isLetter(component[0]) {
		return component[1:]
	}
	return component
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
