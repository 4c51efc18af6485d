package qmptest

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A visitor checks values against their types in the order in which QEMU does: the members of
// an object as the schema has them, then those of its branch, then what is left over; and it
// ends with what is wrong first.
//
// Two names of a value are in QEMU's texts: its whole path, "file.children[0].size", and, of
// what is wrong with an enum's value or an alternate's, its own name only: "size", and "null"
// for an element of an array.
type visitor struct {
	schema  *introspect.Schema
	version qmp.Version // of the QEMU whose words they are
}

// value checks a value against the type with this name. What the package does not know of a newer
// QEMU it takes for right.
func (v visitor) value(path, name, typ string, value json.RawMessage) *qmp.Error {
	switch t := v.schema.Lookup(typ).(type) {
	case *introspect.Builtin:
		return builtin(path, t.JSONType, value)
	case *introspect.Enum:
		return v.enum(path, name, t, value)
	case *introspect.Array:
		return v.array(path, t, value)
	case *introspect.Object:
		if kind(value) != "object" {
			return wrongType(path, "object")
		}
		return v.object(path, t, members(value))
	case *introspect.Alternate:
		return v.alternate(path, name, t, value)
	}
	return nil
}

func wrongType(path, expected string) *qmp.Error {
	return refuse("Invalid parameter type for '" + path + "', expected: " + expected)
}

// kind returns the kind of JSON that a value is, by introspection's names.
func kind(value json.RawMessage) string {
	switch value[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}

// builtin checks a value of a predefined type. Introspection has one type for all integers: it
// does not tell a range, nor that QEMU says "expects uint64" of one without a sign.
func builtin(path, expected string, value json.RawMessage) *qmp.Error {
	switch expected {
	case "value":
		return nil
	case "int":
		if !isInteger(string(value)) {
			return wrongType(path, "integer")
		}
		return nil
	}
	if kind(value) != expected {
		return wrongType(path, expected)
	}
	return nil
}

// isInteger reports whether QEMU has a number as an integer: signed or not, of 64 bits.
func isInteger(text string) bool {
	_, err := strconv.ParseInt(text, 10, 64)
	_, errUnsigned := strconv.ParseUint(text, 10, 64)
	return err == nil || errUnsigned == nil
}

func (v visitor) enum(path, name string, t *introspect.Enum, value json.RawMessage) *qmp.Error {
	if kind(value) != "string" {
		return wrongType(path, "string")
	}
	given := text(value)
	switch {
	case t.Member(given) != nil:
		return nil
	case before(v.version, 6, 0):
		return refuse("Invalid parameter '" + given + "'")
	}
	return refuse("Parameter '" + name + "' does not accept value '" + given + "'")
}

func (v visitor) array(path string, t *introspect.Array, value json.RawMessage) *qmp.Error {
	if kind(value) != "array" {
		return wrongType(path, "array")
	}
	for i, element := range elements(value) {
		if wrong := v.value(fmt.Sprintf("%s[%d]", path, i), "null", t.ElementType, element); wrong != nil {
			return wrong
		}
	}
	return nil
}

func (v visitor) object(path string, t *introspect.Object, given []member) *qmp.Error {
	known := map[string]bool{}
	if wrong := v.members(path, t, given, known); wrong != nil {
		return wrong
	}
	for _, m := range given {
		if !known[m.name] {
			return refuse("Parameter '" + below(path, m.name) + "' is unexpected")
		}
	}
	return nil
}

// members checks those that t has, its branch's included, and notes their names.
func (v visitor) members(path string, t *introspect.Object, given []member, known map[string]bool) *qmp.Error {
	for _, m := range t.Members {
		known[m.Name] = true
		i := find(given, m.Name)
		switch {
		case i >= 0:
			if wrong := v.value(below(path, m.Name), m.Name, m.Type, given[i].value); wrong != nil {
				return wrong
			}
		case !m.Optional:
			return refuse("Parameter '" + below(path, m.Name) + "' is missing")
		}
	}
	if i := find(given, t.Tag); t.Tag != "" && i >= 0 {
		return v.branch(path, t, text(given[i].value), given, known)
	}
	return nil
}

func (v visitor) branch(path string, t *introspect.Object, tag string, given []member, known map[string]bool) *qmp.Error {
	variant := t.Variant(tag)
	if variant == nil {
		return nil
	}
	branch, ok := v.schema.Lookup(variant.Type).(*introspect.Object)
	if !ok {
		return nil
	}
	return v.members(path, branch, given, known)
}

func below(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// text returns a JSON string's value.
func text(value json.RawMessage) (s string) {
	_ = json.Unmarshal(value, &s)
	return s
}
