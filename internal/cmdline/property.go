package cmdline

import (
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// properties are the members of an object that the schema does not have: those of a device.
type properties struct {
	open   bool          // the object takes members that the schema does not have
	values []Value       // the members, if Values knows them
	typ    *propertyType // of the object; nil for the arguments of a command
	owner  string        // the driver or the type
}

// openTo returns the properties that a command takes beside its arguments: those of a device and, up to QEMU
// 5.2, of an object.
func (c *checker) openTo(p place, t *introspect.Object, all []entry) properties {
	if len(p.names) > 0 || t.Tag != "" {
		return properties{}
	}
	switch p.command {
	case "device_add":
		driver := tagOf("driver", all)
		return properties{open: true, values: c.propertiesOf("device-property", driver), owner: driver}
	case "object-add":
		typ := tagOf("qom-type", all)
		return properties{open: true, values: c.propertiesOf("object-property", typ), owner: typ}
	}
	return properties{}
}

// propertiesOf returns the properties of a driver, a type or a path.
func (c *checker) propertiesOf(kind, of string) []Value {
	if of == "" {
		return nil
	}
	return c.values(c.ctx, Kind(kind+":"+of))
}

// property returns the type of a property, or nil if it is not known. It notes a mistake if a driver does not have
// the property but one with a similar name. The server's list is not complete: it lacks the properties of
// arrays in old versions, for example.
func (c *checker) property(p place, g *group, props properties) *propertyType {
	if g.name == "" {
		c.noName(p, g)
		return nil
	}
	if i := slices.IndexFunc(props.values, func(v Value) bool { return v.Text == g.name }); i >= 0 {
		return &propertyType{name: props.values[i].Type}
	}
	if len(g.entries) == 1 && g.entries[0].value == nil {
		return nil // the cursor is there, or the value is missing
	}
	var names []string
	for _, v := range props.values {
		names = append(names, v.Text)
	}
	if like := near(g.name, names); len(like) > 0 && !strings.HasPrefix(g.name, "len-") && !strings.Contains(g.name, "[") {
		c.fail(g.from, g.to, props.owner+" has no property "+g.name+asQuestion(like), "")
	}
	return nil
}

// typeOf returns the type of a member. Where the schema has no type, it asks for the type of the property.
func (c *checker) typeOf(p place, typ string, all []entry) introspect.Info {
	t := c.Schema.Lookup(typ)
	if t == nil || introspect.JSONType(t) != "value" || len(p.names) != 1 {
		return t
	}
	if _, ok := t.(*introspect.Builtin); !ok {
		return t
	}
	switch p.command + " " + p.names[0] {
	case "qom-set value":
		name := tagOf("property", all)
		for _, v := range c.propertiesOf("qom-property", tagOf("path", all)) {
			if v.Text == name {
				return &propertyType{name: v.Type}
			}
		}
		return &propertyType{}
	case "object-add props":
		return &propertyType{values: func() []Value { return c.propertiesOf("object-property", tagOf("qom-type", all)) }}
	}
	return t
}
