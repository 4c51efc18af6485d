package gogen

import (
	"strings"
	"unicode"

	"github.com/qmpkit/qmpkit/qapi"
)

// A namer translates the names in QEMU's prose to Go.
type namer struct {
	b       *builder
	members map[string]string // of the definition that the prose is about
}

// memberNames returns the Go names of a definition's members, values or alternatives.
func (b *builder) memberNames(d qapi.Definition) map[string]string {
	found := map[string]string{}
	switch d := d.(type) {
	case *qapi.Enum:
		for value, name := range b.constants(d) {
			found[value] = "[" + name + "]"
		}
		return found
	case *qapi.Alternate:
		for _, a := range d.Alternatives {
			found[a.Name] = fieldName(a.Name)
		}
		return found
	}
	if o := objectOf(d); o != nil {
		return b.fieldNames(o)
	}
	return found
}

// objectOf returns the object that a definition is, or that has its members; nil if there is none.
func objectOf(d qapi.Definition) qapi.ObjectType {
	switch d := d.(type) {
	case qapi.ObjectType:
		return d
	case *qapi.Command:
		return d.Arg
	case *qapi.Event:
		return d.Arg
	}
	return nil
}

// ref returns the text for a marked name: the field, or a link to the Go name. A name without a Go name
// stays as it is.
func (n *namer) ref(name string) string {
	if field, ok := n.members[name]; ok {
		return field
	}
	if link, ok := n.link(name); ok {
		return link
	}
	owner, member, ok := strings.Cut(name, ".")
	if d := n.b.schema.Lookup(owner); ok && d != nil {
		if link, ok := n.link(owner); ok && n.b.memberNames(d)[member] != "" {
			return link + "." + strings.Trim(n.b.memberNames(d)[member], "[]")
		}
	}
	return name
}

// link returns the link to the Go name of a definition, or false if the package has none.
func (n *namer) link(name string) (string, bool) {
	switch d := n.b.schema.Lookup(name).(type) {
	case nil:
		return "", false
	case *qapi.Command:
		return "[" + n.b.commands[d] + "]", true
	case *qapi.Event:
		return "[" + n.b.events[d] + "]", true
	case qapi.Definition:
		return "[" + n.b.typeName(d) + "]", true
	}
	return "", false
}

// errorClasses are the client's names for QEMU's specific classes of errors.
var errorClasses = map[string]string{
	"CommandNotFound": "[qmp.ErrCommandNotFound]",
	"DeviceNotActive": "[qmp.ErrDeviceNotActive]",
	"DeviceNotFound":  "[qmp.ErrDeviceNotFound]",
	"KVMMissingCap":   "[qmp.ErrKVMMissingCap]",
}

// word returns the text for a word: a link if the word can only be a name, such as DEVICE_DELETED,
// query-block and BlockInfo, but not stop.
func (n *namer) word(word string) string {
	if class, ok := errorClasses[word]; ok {
		return class
	}
	humped := strings.IndexFunc(strings.TrimLeftFunc(word, unicode.IsUpper), unicode.IsUpper) > 0
	if strings.ContainsAny(word, "-_") || humped {
		if link, ok := n.link(word); ok {
			return link
		}
	}
	return word
}
