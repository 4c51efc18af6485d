package unmask

import (
	"errors"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// ErrSchema means that the answer of a server is malformed: a type is missing, or a name is
// impossible in QAPI.
var ErrSchema = introspect.ErrSchema

// check checks the conditions that all other code relies on: that each named type exists, that
// arrays are of something else than arrays, and that names have only the characters that names
// have, so that they can be written into a schema.
func check(s *introspect.Schema) error {
	c := &checker{schema: s}
	for _, info := range s.Infos {
		if c.at = info.Head().Name; s.Lookup(c.at) != info {
			c.fail("occurs twice")
		}
		c.info(info)
	}
	if c.err == nil && !c.entries {
		c.err = errNoCommands
	}
	return c.err
}

type checker struct {
	schema  *introspect.Schema
	at      string // the entry
	entries bool   // there are commands or events
	err     error  // the first one
}

func (c *checker) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s %s", ErrSchema, c.at, fmt.Sprintf(format, args...))
	}
}

func (c *checker) info(info introspect.Info) {
	c.names(info.Head().Features...)
	switch info := info.(type) {
	case *introspect.Builtin:
		c.names(info.Name)
	case *introspect.Array:
		c.use(info.ElementType)
		if _, ok := c.schema.Lookup(info.ElementType).(*introspect.Array); ok {
			c.fail("is an array of arrays")
		}
	case *introspect.Enum:
		c.names(info.Name)
		for _, v := range info.Members {
			c.texts(v.Name)
			c.names(v.Features...)
		}
	case *introspect.Object:
		c.object(info)
	case *introspect.Alternate:
		c.names(info.Name)
		for _, t := range info.Types {
			c.use(t)
		}
	case *introspect.Command:
		c.entries = true
		c.names(info.Name)
		c.useObject(info.ArgType)
		c.use(info.RetType)
	case *introspect.Event:
		c.entries = true
		c.names(info.Name)
		c.useObject(info.ArgType)
	default:
		c.fail("has an unknown meta-type: %s", info.MetaType())
	}
}

func (c *checker) object(o *introspect.Object) {
	c.names(o.Name)
	for i := range o.Members {
		m := &o.Members[i]
		c.texts(m.Name)
		c.names(m.Features...)
		c.use(m.Type)
	}
	if o.Tag != "" {
		c.names(o.Tag)
	}
	for _, v := range o.Variants {
		c.names(v.Case)
		c.useObject(v.Type)
	}
}

// use checks that a type is there.
func (c *checker) use(name string) {
	switch c.schema.Lookup(name).(type) {
	case nil, *introspect.Command, *introspect.Event, *introspect.Unknown:
		c.fail("uses %q, which is not a type", name)
	}
}

func (c *checker) useObject(name string) {
	if _, ok := c.schema.Lookup(name).(*introspect.Object); !ok {
		c.fail("uses %q, which is not an object type", name)
	}
}

func (c *checker) names(names ...string) {
	for _, name := range names {
		if c.texts(name); name == "" {
			c.fail("has the malformed name %q", name)
		}
	}
}

// texts is names for members and values, which may be empty.
func (c *checker) texts(name string) {
	if strings.ContainsFunc(name, notInNames) {
		c.fail("has the malformed name %q", name)
	}
}

func notInNames(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
}

// errNoCommands is the error of an array that has nothing to walk from.
var errNoCommands = errors.New("unmask: the answer has no commands and no events")

// element returns the type that an array is of, or the type itself.
func element(s *introspect.Schema, name string) introspect.Info {
	info := s.Lookup(name)
	if a, ok := info.(*introspect.Array); ok {
		return s.Lookup(a.ElementType)
	}
	return info
}

// kind is the kind of JSON that values of the type with that name have.
func kind(s *introspect.Schema, name string) string { return introspect.JSONType(s.Lookup(name)) }
