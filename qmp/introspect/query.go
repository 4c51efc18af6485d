package introspect

import (
	"errors"
	"strings"
)

// ErrQuery matches the error of a malformed path: a component is empty, or something follows a
// component that ends the path.
var ErrQuery = errors.New("introspect: malformed query")

// ErrSchema matches the error of a query in a malformed schema: a type that it names is missing,
// or types lead to each other for ever.
var ErrSchema = errors.New("introspect: malformed schema")

// How many types a query may pass: one after the other, and in all. Arrays and alternates are
// passed without a component, and of an alternate's types several may be tried, so that a schema
// that is malformed could make it endless.
const (
	maxQueryDepth = 1000
	maxQuerySteps = 100_000
)

// Has reports whether the schema has what a path describes. The grammar is libvirt's, with two
// additions:
//
//	path       = command-or-event *( "/" component )
//	second     = "arg-type" | "ret-type" | "$" feature
//	of object  = member | "*" member      which must be optional
//	           | "+" case                 the branch of a union
//	           | "$" feature
//	of a member, behind it                "$$" feature (an addition)
//	of enum    = "^" value [ "/$" feature ]
//	of builtin = "!" json-type            null, string, number, int, boolean or value
//	of another = "!" json-type            string of an enum, object, array (an addition)
//
// An array takes no other component. An alternate has what one of its types has. A blank stands before
// a name that does not begin with a letter. A feature, a json-type, and a value's feature end a
// path. The first component may also name a type, which is a number unless the view was made
// without masking; the path then goes on from that type.
//
//	blockdev-add
//	blockdev-add/arg-type/+file/$dynamic-auto-read-only
//	blockdev-add/arg-type/+file/aio/^io_uring
//	block-commit/arg-type/*top
//	block-commit/arg-type/base/$$deprecated
//	netdev_add/arg-type/id/!string
//
// Has returns false, and no error, if something in the path is not in the schema, and if a
// component does not fit what it stands behind: "+arg-type", "^value" behind an object. It reads
// the path from the front and looks no further then.
//
// The error matches:
//   - [ErrQuery]: a component is empty, or something follows one that ends the path.
//   - [ErrSchema]: a type that the path leads to is missing, or types lead to each other for ever.
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

// entry follows what is behind the name of a command or an event.
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
		return false, queryError(q.path, "something follows the feature "+name)
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

// named follows what is behind something of the type with that name.
func (q *query) named(name string, rest []string) (bool, error) {
	q.steps++
	if q.depth++; q.depth > maxQueryDepth || q.steps > maxQuerySteps {
		return false, &pathError{ErrSchema, q.path, "types lead to each other for ever"}
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
	return false, &pathError{ErrSchema, q.path, name + " is no type"}
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
		return false, queryError(q.path, "something follows the type "+jsonType)
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

// plain returns the name in a component: without the blank, or the asterisk, before it. Like libvirt
// it takes any character for the blank that is no letter.
func plain(component string) string {
	if !isLetter(component[0]) {
		return component[1:]
	}
	return component
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
