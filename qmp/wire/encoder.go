package wire

// MemberEncoder is a value that is sent as a JSON object. EncodeMembers writes its members
// without the braces, so that a base or a union's branch is written into the object around it.
type MemberEncoder interface {
	EncodeMembers(e *Encoder)
}

// ValueEncoder is a value of any JSON kind: an alternate. EncodeValue writes exactly one value.
type ValueEncoder interface {
	EncodeValue(e *Encoder)
}

// Encoder appends one JSON value to a buffer, in compact form because QEMU reads a monitor byte
// by byte. It writes the commas itself. The zero value is ready for use. An Encoder belongs to
// one goroutine.
type Encoder struct {
	buf    []byte
	start  int // where in buf this encoder began
	object int // where the innermost object's members begin; -1: to be found out
	depth  int // open arrays and objects
	redact bool
	err    *Error
}

// NewEncoder returns an Encoder that appends to b, which may be nil.
func NewEncoder(b []byte) *Encoder {
	e := new(Encoder)
	e.Reset(b)
	return e
}

// Reset makes e a new Encoder that appends to b. It forgets the error and Redact.
func (e *Encoder) Reset(b []byte) {
	*e = Encoder{buf: b, start: len(b), object: -1}
}

// Redact makes Secret write "***" from now on. Use it for output for people.
func (e *Encoder) Redact() { e.redact = true }

// Redacted reports whether Redact was called since Reset.
func (e *Encoder) Redacted() bool { return e.redact }

// Bytes returns the buffer: the bytes that Reset was given, and those written since. After a
// failure the output is incomplete.
func (e *Encoder) Bytes() []byte { return e.buf }

// OK reports whether nothing has failed yet.
func (e *Encoder) OK() bool { return e.err == nil }

// Err returns the first failure, an *Error, or nil.
func (e *Encoder) Err() error {
	if e.err == nil {
		return nil
	}
	return e.err
}

// Fail records that the next value cannot be written, for the given reason. The Encoder keeps the
// first failure, and every later call returns at once.
func (e *Encoder) Fail(reason string) {
	if e.err == nil {
		e.err = &Error{Path: pathAt(e.buf[e.start:]), Offset: -1, Reason: reason}
	}
}

// Name begins a member of the object being written; its value must follow. Name does not escape
// the name, because a QAPI name needs no escapes. It returns e, for e.Name("id").String(v.ID).
//
//go:noinline
func (e *Encoder) Name(name string) *Encoder {
	if e.err != nil {
		return e
	}
	e.separate('{')
	e.buf = append(append(append(e.buf, '"'), name...), '"', ':')
	return e
}

// ExtraName is like Name for a name that is not from a schema. It escapes the name, and fails if
// the object already has this member. It compares the name with those of all members before it,
// which takes time.
func (e *Encoder) ExtraName(name string) *Encoder {
	if e.err != nil {
		return e
	}
	e.separate('{')
	mark := len(e.buf)
	b, ok := appendQuoted(e.buf, name)
	if !ok {
		e.Fail("member name is not valid UTF-8")
		return e
	}
	if e.object < 0 {
		e.object = e.start + innermost(e.buf[e.start:])
	}
	e.buf = append(b, ':')
	if hasMember(e.buf[e.object:mark], b[mark:]) {
		e.Fail("member is given already")
	}
	return e
}

// Elem begins an element of the array being written; its value must follow. It returns e, for
// e.Elem().String(s).
//
//go:noinline
func (e *Encoder) Elem() *Encoder {
	if e.err == nil {
		e.separate('[')
	}
	return e
}

// separate writes the comma between two members or elements: none after the opening byte.
func (e *Encoder) separate(open byte) {
	if n := len(e.buf); n > e.start && e.buf[n-1] != open {
		e.buf = append(e.buf, ',')
	}
}

// Object writes the members of m as one object.
func (e *Encoder) Object(m MemberEncoder) {
	if m == nil {
		e.Fail("value is nil")
	}
	outer := e.object
	e.BeginObject()
	if e.err != nil {
		return // in particular at the depth bound: m may lead back to itself
	}
	m.EncodeMembers(e)
	e.EndObject()
	e.object = outer
}

// BeginObject begins an object; members follow, then EndObject.
func (e *Encoder) BeginObject() {
	e.begin('{')
	e.object = len(e.buf)
}

// EndObject ends the object begun last.
func (e *Encoder) EndObject() {
	e.end('}')
	e.object = -1
}

// BeginArray begins an array; elements follow, each after Elem, then EndArray.
//
//go:noinline
func (e *Encoder) BeginArray() { e.begin('[') }

// EndArray ends the array begun last.
//
//go:noinline
func (e *Encoder) EndArray() { e.end(']') }

func (e *Encoder) begin(open byte) {
	if e.depth >= MaxDepth {
		e.Fail("nested too deeply")
	}
	if e.err == nil {
		e.depth++
		e.buf = append(e.buf, open)
	}
}

func (e *Encoder) end(end byte) {
	if e.err == nil {
		e.depth--
		e.buf = append(e.buf, end)
	}
}
