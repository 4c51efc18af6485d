package schematest

import "github.com/qmpkit/qmpkit/qapi"

// reach has the types whose values are sent, in the arguments of a command, and those whose values
// are received, in the result of a command or the data of an event.
type reach struct{ sent, received map[qapi.Type]bool }

func reached(s *qapi.Schema) reach {
	r := reach{map[qapi.Type]bool{}, map[qapi.Type]bool{}}
	for _, c := range s.Commands() {
		mark(r.sent, c.Arg)
		mark(r.received, c.Returns)
	}
	for _, e := range s.Events() {
		mark(r.received, e.Arg)
	}
	return r
}

// mark adds t to the set, and the types that values of t are made of.
func mark(set map[qapi.Type]bool, t qapi.Type) {
	if t == nil || set[t] {
		return
	}
	set[t] = true
	switch t := t.(type) {
	case *qapi.Array:
		mark(set, t.Element)
	case *qapi.Alternate:
		for _, a := range t.Alternatives {
			mark(set, a.Type)
		}
	case *qapi.Struct:
		markMembers(set, t)
	case *qapi.Union:
		markMembers(set, t)
		for _, branch := range t.Branches {
			if branch.Type != nil {
				mark(set, branch.Type)
			}
		}
	}
}

func markMembers(set map[qapi.Type]bool, t qapi.ObjectType) {
	for _, m := range t.AllMembers() {
		mark(set, m.Type)
	}
}

// need says which methods a type must have.
type need struct {
	sent, received         bool // EncodeMembers, DecodeMember
	marshaled, unmarshaled bool // MarshalMembers, UnmarshalMember
	json, text             bool // MarshalJSON and UnmarshalJSON, String
}

func (n need) encodes() bool { return n.sent || n.marshaled }
func (n need) decodes() bool { return n.received || n.unmarshaled }

// needs are those of all definitions.
type needs map[qapi.Definition]need

// findNeeds finds out which methods each type needs. What is sent has an encoder and what is received a
// decoder. What encoding/json cannot write and read by tags has JSON methods, and these need an encoder and a
// decoder of all that they come to, of names of their own. What holds a secret, or may hold one in a text, has
// String, which needs an encoder of all.
func (b *bindings) findNeeds() needs {
	all := needs{}
	reach := reached(b.Schema)
	json, text := map[qapi.Type]bool{}, map[qapi.Type]bool{}
	definitions := append([]qapi.Definition(nil), b.Schema.Definitions...)
	for _, u := range b.Schema.Unions() {
		for _, branch := range u.Branches {
			if branch.Type != nil && branch.Type.Head().Implicit {
				definitions = append(definitions, branch.Type)
			}
		}
	}
	for _, d := range definitions {
		typ := typeOf(d)
		if _, isEnum := d.(*qapi.Enum); isEnum || typ == nil {
			continue
		}
		c, _ := d.(*qapi.Command)
		open := c != nil && c.NoGen
		n := need{json: open || isLossy(typ)}
		n.text = n.json || b.holdsSecret(d, map[qapi.Definition]bool{}) || c != nil && b.SecretInText[c.Name]
		if n.json {
			mark(json, typ)
		}
		if n.text {
			mark(text, typ)
		}
		all[d] = n
	}
	for _, d := range definitions {
		n, typ := all[d], typeOf(d)
		switch d := d.(type) {
		case *qapi.Command:
			if d.Arg != nil && !d.Arg.Head().Implicit && !d.NoGen {
				n = need{json: all[d.Arg].json, text: all[d.Arg].text} // the type is another name of it
				n.sent = n.text
				break
			}
			n.sent, n.unmarshaled = d.Arg != nil, n.json
		case *qapi.Event:
			n.received = true
			if d.Arg != nil && !d.Arg.Head().Implicit {
				n = need{json: all[d.Arg].json, text: all[d.Arg].text, received: true}
				n.sent = n.text && reach.sent[typ]
			}
			n.marshaled = n.text && !n.sent
		default:
			n.sent, n.received = reach.sent[typ], reach.received[typ]
			n.marshaled = (json[typ] || text[typ]) && !n.sent
			n.unmarshaled = json[typ] && !n.received
		}
		all[d] = n
	}
	return all
}

// typeOf is the type whose members a definition has, nil if it has none.
func typeOf(d qapi.Definition) qapi.Type {
	switch d := d.(type) {
	case *qapi.Command:
		if d.Arg != nil {
			return d.Arg
		}
		return nil
	case *qapi.Event:
		if d.Arg != nil {
			return d.Arg
		}
		return nil
	}
	return d.(qapi.Type)
}

// isLossy reports whether encoding/json would lose something of a type that has tags only.
func isLossy(t qapi.Type) bool {
	s, ok := t.(*qapi.Struct)
	if !ok {
		return true // a union or an alternate
	}
	for _, m := range s.AllMembers() {
		switch t := m.Type.(type) {
		case *qapi.Array:
			if _, nested := t.Element.(*qapi.Array); nested || !m.Optional || t.Element.TypeName() == "uint8" || t.Element.TypeName() == "null" {
				return true
			}
		case *qapi.Builtin:
			if t.TypeName() == "number" || t.TypeName() == "null" {
				return true
			}
		case *qapi.Alternate:
			for _, a := range t.Alternatives {
				if m.Optional && a.Type.TypeName() == "null" {
					return true
				}
			}
		case *qapi.Struct, *qapi.Union:
			if !m.Optional && holdsItself(t, map[qapi.Type]bool{}, s) {
				return true
			}
		}
	}
	return false
}

// holdsItself reports whether a value of t always holds one of the type of.
func holdsItself(t qapi.Type, seen map[qapi.Type]bool, of qapi.Type) bool {
	if t == of {
		return true
	}
	o, ok := t.(qapi.ObjectType)
	if !ok || seen[t] {
		return false
	}
	seen[t] = true
	for _, m := range o.AllMembers() {
		if !m.Optional && holdsItself(m.Type, seen, of) {
			return true
		}
	}
	return false
}

// holdsSecret reports whether a secret is somewhere in what a definition has.
func (b *bindings) holdsSecret(d qapi.Definition, seen map[qapi.Definition]bool) bool {
	if seen[d] {
		return false
	}
	seen[d] = true
	in := func(t qapi.Type) bool {
		for {
			a, ok := t.(*qapi.Array)
			if !ok {
				break
			}
			t = a.Element
		}
		held, ok := t.(qapi.Definition)
		return ok && b.holdsSecret(held, seen)
	}
	switch t := typeOf(d).(type) {
	case *qapi.Alternate:
		for _, a := range t.Alternatives {
			if in(a.Type) {
				return true
			}
		}
	case qapi.ObjectType:
		for _, m := range t.AllMembers() {
			if b.secrets[Secret{d.Head().Name, m.Name}] || b.secrets[Secret{t.Head().Name, m.Name}] || in(m.Type) {
				return true
			}
		}
		if u, ok := t.(*qapi.Union); ok {
			for _, branch := range u.Branches {
				if branch.Type != nil && in(branch.Type) {
					return true
				}
			}
		}
	}
	return false
}
