package gogen

import (
	"slices"
	"strings"
	"unicode"

	"github.com/qmpkit/qmpkit/qapi"
)

// A codec says which methods a type has.
type codec struct {
	sent        bool // EncodeMembers
	received    bool // DecodeMember
	marshaled   bool // MarshalMembers, as it is not sent
	unmarshaled bool // UnmarshalMember, as it is not received
	json        bool // MarshalJSON and UnmarshalJSON
	text        bool // String
}

// both returns c with the methods for encoding or decoding JSON.
func (c codec) both(encoded, decoded bool) codec {
	c.marshaled = encoded && !c.sent
	c.unmarshaled = decoded && !c.received
	return c
}

func (c codec) encodes() bool { return c.sent || c.marshaled }

func (c codec) decodes() bool { return c.received || c.unmarshaled }

// encoder returns the name of the method that writes the members.
func (c codec) encoder() string {
	if c.sent {
		return "EncodeMembers"
	}
	return "MarshalMembers"
}

// decoder returns the name of the method that reads a member.
func (c codec) decoder() string {
	if c.received {
		return "DecodeMember"
	}
	return "UnmarshalMember"
}

// codecs decides which methods each type has. Each method takes time to compile, so a type has only the
// methods that it needs:
//
//   - What commands send has an encoder; results and events have a decoder.
//   - encoding/json writes and reads a struct by the tags of its fields. A type for which tags do not
//     suffice has MarshalJSON and UnmarshalJSON. They use the encoder and the decoder, and so
//     the type and all that it holds have both. What a program does not need but for JSON has other names
//     (see wire.MemberMarshaler), so that only a program that needs it links it.
//   - A type with MarshalJSON has String. So has a type that holds a secret or may hold one (see
//     secretInText). String uses the encoder.
type codecs struct {
	sent, received qapi.Reach // reached from arguments; from results and the data of events
	json, secret   qapi.Reach // reached from types with MarshalJSON; from types that hold a secret
	holds          map[qapi.Type]bool
	cycles         cycles
}

func findCodecs(schema *qapi.Schema, cycles cycles) *codecs {
	c := &codecs{
		sent:     qapi.Reach{},
		received: qapi.Reach{},
		json:     qapi.Reach{},
		secret:   qapi.Reach{},
		holds:    map[qapi.Type]bool{},
		cycles:   cycles,
	}
	c.findSecrets(schema)
	for _, d := range schema.Definitions {
		switch d := d.(type) {
		case *qapi.Command:
			c.sent.Add(d.Arg)
			c.received.Add(d.Returns)
			if d.Arg != nil {
				c.add(d.Arg, d)
			}
		case *qapi.Event:
			c.received.Add(d.Arg)
			if d.Arg != nil {
				c.add(d.Arg, d)
			}
		default:
			c.add(d.(qapi.Type), d)
		}
	}
	return c
}

// add adds a type and the types inside it, or the arguments or data of owner.
func (c *codecs) add(t qapi.Type, owner qapi.Definition) {
	if c.needsJSON(t, owner) {
		c.json.Add(t)
	}
	if c.holdsSecret(t, owner) {
		c.secret.Add(t)
	}
}

// of returns the methods of a type.
func (c *codecs) of(t qapi.Definition) codec {
	typ := t.(qapi.Type)
	return codec{
		sent:     c.sent[typ],
		received: c.received[typ],
		json:     c.needsJSON(typ, t),
		text:     c.needsJSON(typ, t) || c.holdsSecret(typ, t),
	}.both(c.json[typ] || c.secret[typ], c.json[typ])
}

// ofRequest returns the methods of the type for a command whose arguments have no named type.
func (c *codecs) ofRequest(d *qapi.Command) codec {
	if d.Arg == nil {
		return codec{}
	}
	json := c.needsJSON(d.Arg, d)
	text := json || c.holdsSecret(d.Arg, d) || secretInText[d.Name]
	return codec{sent: true, json: json, text: text}.both(false, json)
}

// ofEvent returns the methods of the type for an event whose data have no named type.
func (c *codecs) ofEvent(d *qapi.Event) codec {
	if d.Arg == nil {
		return codec{received: true}
	}
	json := c.needsJSON(d.Arg, d)
	return codec{received: true, json: json, text: json}.both(json, false)
}

// needsJSON reports whether encoding/json needs methods to write and read a type as QEMU does, because tags
// do not suffice. The owner is the type itself, or the command or event with the members of t.
func (c *codecs) needsJSON(t qapi.Type, owner qapi.Definition) bool {
	switch t := t.(type) {
	case *qapi.Union, *qapi.Alternate:
		return true
	case *qapi.Struct:
		return isOpen(owner) || slices.ContainsFunc(t.AllMembers(), func(m *qapi.Member) bool { return c.defiesTags(t, m) })
	}
	return false
}

// isOpen reports whether a definition is a command that takes members outside the schema.
func isOpen(d qapi.Definition) bool {
	c, ok := d.(*qapi.Command)
	return ok && c.NoGen && c.Arg != nil
}

// defiesTags reports whether encoding/json writes or reads a member differently from QEMU.
func (c *codecs) defiesTags(owner *qapi.Struct, m *qapi.Member) bool {
	if !isTagName(m.Name) {
		return true
	}
	switch t := m.Type.(type) {
	case *qapi.Array: // nil is null, bytes are base64
		return !m.Optional || isArray(t.Element) || isBuiltin(t.Element, "uint8", "null")
	case *qapi.Builtin: // negative zero loses its sign, null is the same as nothing
		return isBuiltin(t, "number", "null")
	case *qapi.Alternate: // null leaves a pointer nil
		return m.Optional && slices.ContainsFunc(t.Alternatives, func(a *qapi.Alternative) bool { return isBuiltin(a.Type, "null") })
	}
	return !m.Optional && c.cycles.holds(owner, m.Type) // nil is null
}

// isTagName reports whether a tag of encoding/json can have this name. Only a name in the answer of a
// server may be unsuitable.
func isTagName(name string) bool {
	return name != "" && name != "-" && !strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r)
	})
}

func isArray(t qapi.Type) bool { _, ok := t.(*qapi.Array); return ok }

// elementOf returns the element type of an array of any depth, or the type itself.
func elementOf(t qapi.Type) qapi.Type {
	for {
		a, ok := t.(*qapi.Array)
		if !ok {
			return t
		}
		t = a.Element
	}
}

func isBuiltin(t qapi.Type, names ...string) bool {
	b, ok := t.(*qapi.Builtin)
	return ok && slices.Contains(names, b.TypeName())
}

// findSecrets finds the types that hold a secret: a member in the table, or a type that holds one.
func (c *codecs) findSecrets(schema *qapi.Schema) {
	for found := true; found; {
		found = false
		for _, d := range allTypes(schema) {
			if t := d.(qapi.Type); !c.holds[t] && c.holdsSecret(t, d) {
				c.holds[t], found = true, true
			}
		}
	}
}

// allTypes returns the types of a schema, including the implicit types of unions.
func allTypes(schema *qapi.Schema) (all []qapi.Definition) {
	for _, d := range schema.Definitions {
		if _, ok := d.(qapi.Type); ok {
			all = append(all, d)
		}
		if u, ok := d.(*qapi.Union); ok {
			all = append(all, implicitTypes(u)...)
		}
	}
	return all
}

// holdsSecret reports whether String of a type, or of the owner of its members, has to hide something.
func (c *codecs) holdsSecret(t qapi.Type, owner qapi.Definition) bool {
	switch t := t.(type) {
	case *qapi.Alternate:
		return slices.ContainsFunc(t.Alternatives, func(a *qapi.Alternative) bool { return c.isHolder(a.Type) })
	case qapi.ObjectType:
		for _, m := range t.AllMembers() {
			if isSecret(t, owner, m.Name) || c.isHolder(m.Type) {
				return true
			}
		}
		u, ok := t.(*qapi.Union)
		return ok && slices.ContainsFunc(u.Branches, func(b *qapi.Branch) bool { return b.Type != nil && c.isHolder(b.Type) })
	}
	return false
}

// isHolder reports whether a type is known to hold a secret.
func (c *codecs) isHolder(t qapi.Type) bool { return c.holds[elementOf(t)] }
