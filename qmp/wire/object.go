package wire

import "math/bits"

// MemberDecoder is a value that is received as a JSON object. DecodeMember reads the value of the
// member with the given name and returns the member's number, or returns 0 and reads nothing if
// it knows no such member. The name is part of the text: DecodeMember must not change or keep it.
//
// Each member has a different number, from 1 up. [Decoder.Object] uses the numbers to find a
// repeated member without comparing names. If the members have no numbers, DecodeMember returns
// [Unnumbered], and Object compares names.
type MemberDecoder interface {
	DecodeMember(d *Decoder, name []byte) (number int)
}

// DecodeMember returns Unnumbered if it knows the member and the member has no number.
const Unnumbered = -1

// maxNumber is the greatest number that has its own bit in a word; number 0 has no bit. Members
// with greater ones are compared by their names.
const maxNumber = 63

// Object reads an object into m, which should be zero: missing members stay as they are. If m is
// a union, its branch reads the members that m does not know. Object skips members that neither
// knows, and fails if two members have the same name.
func (d *Decoder) Object(m MemberDecoder) {
	if union, ok := m.(UnionDecoder); ok {
		d.union(union)
		return
	}
	var numbers uint64 // of the members so far
	var names names
	for name, start := d.member('{'); name != nil; name, start = d.member(',') {
		number := m.DecodeMember(d, name)
		if uint(number-1) >= maxNumber {
			names.add(d, name, start)
			if number == 0 {
				d.Skip()
			}
			continue
		}
		bit := uint64(1) << (number & maxNumber)
		if numbers&bit != 0 {
			d.failRepeated(start)
		}
		numbers |= bit
	}
	names.forget(d)
}

// names are the names of the members of one object that have no numbers. Most objects have no such
// members, or one.
type names struct {
	one   int             // the offset of the first name; 0: there is none
	first int             // of the offsets in Decoder.names, if there are more
	marks uint64          // of the names
	many  map[string]bool // the names, if they are more than fewNames
}

// fewNames are found fast enough by looking at each of them.
const fewNames = 32

// add adds the name of the member at an offset. It fails if the name is among them already.
func (n *names) add(d *Decoder, name []byte, start int) {
	if d.err != nil {
		return
	}
	if n.one == 0 {
		n.one, n.first, n.marks = start, len(d.names), markOf(name)
		return
	}
	if len(d.names) == n.first {
		d.names = append(d.names, n.one)
	}
	if len(d.names)-n.first == fewNames {
		n.addToMany(d, name, start)
		return
	}
	mark := markOf(name)
	if n.marks&mark != 0 && d.hasName(d.names[n.first:], name) {
		d.failRepeated(start)
	}
	n.marks |= mark
	d.names = append(d.names, start)
}

// forget gives back the memory that d.names has for an object which has ended.
func (n *names) forget(d *Decoder) {
	if n.one != 0 {
		d.names = d.names[:n.first]
	}
}

// addToMany is add for an object with many names.
func (n *names) addToMany(d *Decoder, name []byte, start int) {
	if n.many == nil {
		n.many = map[string]bool{}
		after := d.pos
		for _, d.pos = range d.names[n.first:] {
			n.many[string(d.name())] = true
		}
		d.pos = after
	}
	if n.many[string(name)] {
		d.failRepeated(start)
	}
	n.many[string(name)] = true
}

// markOf returns a word with one bit set: the same for equal names, and rarely for others.
func markOf(name []byte) uint64 {
	n := uint32(len(name))
	if n == 0 {
		return 1
	}
	x := n<<24 | uint32(name[0])<<16 | uint32(name[n/2])<<8 | uint32(name[n-1])
	return 1 << (x * 0x9E3779B1 >> 26)
}

// hasName reports whether one of the names at these offsets is the given one.
func (d *Decoder) hasName(offsets []int, name []byte) bool {
	after := d.pos
	defer func() { d.pos = after }()
	for _, d.pos = range offsets {
		if string(d.name()) == string(name) {
			return true
		}
	}
	return false
}

// failRepeated fails at the member at an offset.
func (d *Decoder) failRepeated(start int) {
	if d.err == nil {
		d.pos = start
		d.name() // so that the path is that of the member
		d.failAt(start, "repeated member")
	}
}

// member reads the text before a member's value: the brace that begins the object or a comma, then the
// name and the colon. It returns the name and its offset. If there is no member, it reads the end of
// the object and returns nil. After a failure it returns nil, too.
func (d *Decoder) member(before byte) (name []byte, start int) {
	data, i := d.data, d.pos
	if i+2 >= len(data) || data[i] != before || d.depth >= MaxDepth {
		return d.unusualMember(before)
	}
	if i++; data[i] == ' ' {
		i++
	}
	if start = i; data[i] == '"' {
		for i++; i+8 <= len(data); i += 8 {
			special := specialBytes(load64(data[i : i+8]))
			if special == 0 {
				continue
			}
			i += bits.TrailingZeros64(special) / 8
			if i+2 >= len(data) || data[i] != '"' || data[i+1] != ':' {
				break
			}
			d.pos = i + 2
			if data[i+2] == ' ' {
				d.pos++
			}
			if before == '{' {
				d.depth++
			}
			return data[start+1 : i], start
		}
	}
	return d.unusualMember(before)
}

// unusualMember is member for the end of the object, and for text that QEMU would write in
// another way.
func (d *Decoder) unusualMember(before byte) (name []byte, start int) {
	if before == '{' && !d.open('{', '}', "an object") ||
		before == ',' && !d.more('}', "a comma or the end of the object") {
		return nil, 0
	}
	d.next()
	start = d.pos
	return d.name(), start
}

// name reads a member's name and the colon. It returns nil after a failure.
func (d *Decoder) name() []byte {
	data, start := d.data, d.pos+1
	if d.pos < len(data) && data[d.pos] == '"' {
		end := plain(data, start)
		if end+1 < len(data) && data[end] == '"' && data[end+1] == ':' {
			d.pos = blanks(data, end+2)
			return data[start:end]
		}
	}
	return d.unusualName()
}

// unusualName is name for names with escapes or with blanks before the colon, and for errors.
func (d *Decoder) unusualName() []byte {
	if d.next() != '"' {
		d.unexpected("a member's name")
		return nil
	}
	name, literal := d.quoted()
	if d.next() != ':' {
		d.unexpected("a colon")
		return nil
	}
	d.pos = blanks(d.data, d.pos+1)
	if !literal {
		return appendUnescaped(nil, name)
	}
	return name
}
