package wire

// A generated type that no command sends has no EncodeMembers, and one that no server sends no
// DecodeMember: a program would link the code for both directions of all types, since it calls these
// methods by interfaces. What their JSON needs are methods of other names, which only a program links
// that marshals and unmarshals such types.

// MemberMarshaler is like [MemberEncoder] for a type that clients do not send. MarshalMembers serves
// json.Marshal and logs.
type MemberMarshaler interface {
	MarshalMembers(e *Encoder)
}

// MemberUnmarshaler is like [MemberDecoder] for a type that clients do not receive. UnmarshalMember
// serves json.Unmarshal.
type MemberUnmarshaler interface {
	UnmarshalMember(d *Decoder, name []byte) (number int)
}

// UnionUnmarshaler is like [UnionDecoder] for a union that clients do not receive. UnmarshalBranch
// returns a [MemberUnmarshaler], a [MemberDecoder] or nil.
type UnionUnmarshaler interface {
	MemberUnmarshaler
	Discriminator() (name string, number int)
	UnmarshalBranch() any
}

// ValueDecoder is a value of any JSON kind: an alternate. DecodeValue reads exactly one value.
type ValueDecoder interface {
	DecodeValue(d *Decoder)
}

// Marshal writes the members of m as one object.
func (e *Encoder) Marshal(m MemberMarshaler) { e.Object(marshaler{m}) }

// MarshalBranch writes the members of a union's branch, which is a MemberMarshaler or a MemberEncoder.
func (e *Encoder) MarshalBranch(branch any) {
	switch b := branch.(type) {
	case MemberMarshaler:
		b.MarshalMembers(e)
	case MemberEncoder:
		b.EncodeMembers(e)
	}
}

// Generated writes the value of a generated type that v points to. It returns false, and writes
// nothing, if v is of another type.
func (e *Encoder) Generated(v any) bool {
	switch v := v.(type) {
	case MemberEncoder:
		e.Object(v)
	case ValueEncoder:
		v.EncodeValue(e)
	case MemberMarshaler:
		e.Marshal(v)
	default:
		return false
	}
	return true
}

// Unmarshal reads an object into m, as Object does.
func (d *Decoder) Unmarshal(m MemberUnmarshaler) { d.Object(unmarshaler(m)) }

// Generated reads a value of a generated type into v, which points to a zero value. It returns false,
// and reads nothing, if v is of another type.
func (d *Decoder) Generated(v any) bool {
	switch v := v.(type) {
	case MemberDecoder:
		d.Object(v)
	case ValueDecoder:
		v.DecodeValue(d)
	case MemberUnmarshaler:
		d.Unmarshal(v)
	default:
		return false
	}
	return true
}

// marshaler is a MemberEncoder.
type marshaler struct{ MemberMarshaler }

func (m marshaler) EncodeMembers(e *Encoder) { m.MarshalMembers(e) }

// unmarshaler returns m as a MemberDecoder, and as a UnionDecoder if it is a union.
func unmarshaler(m MemberUnmarshaler) MemberDecoder {
	if u, ok := m.(UnionUnmarshaler); ok {
		return unionUnmarshaler{u}
	}
	return memberUnmarshaler{m}
}

type memberUnmarshaler struct{ MemberUnmarshaler }

func (m memberUnmarshaler) DecodeMember(d *Decoder, name []byte) int {
	return m.UnmarshalMember(d, name)
}

type unionUnmarshaler struct{ UnionUnmarshaler }

func (u unionUnmarshaler) DecodeMember(d *Decoder, name []byte) int {
	return u.UnmarshalMember(d, name)
}

func (u unionUnmarshaler) DecodeBranch() MemberDecoder {
	switch b := u.UnmarshalBranch().(type) {
	case MemberDecoder:
		return b
	case MemberUnmarshaler:
		return unmarshaler(b)
	}
	return nil
}
