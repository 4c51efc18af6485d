package wire

// MemberDecoder is a value that is received as a JSON object. DecodeMember reads the value of
// the member with the given name and returns the member's number, or returns 0 and reads nothing
// if it knows no such member. The name is part of the text: it must be neither changed nor kept.
//
// Each member has a number of its own, from 1 up. By these numbers [Decoder.Object] finds a
// repeated member without comparing names. If the members have no numbers, DecodeMember returns
// [Unnumbered], and Object compares the names.
type MemberDecoder interface {
	DecodeMember(d *Decoder, name []byte) (number int)
}

// Unnumbered is what DecodeMember returns for a member that it knows and that has no number.
const Unnumbered = -1

// UnionDecoder is a union. Its DecodeMember knows the common members, the discriminator among them.
//
// Discriminator returns the name of the discriminator. DecodeBranch is called once for an object,
// before the members are read in their order: when DecodeMember has read the discriminator, wherever
// it is in the object, or when the object has none. DecodeBranch creates the branch and returns what
// reads the members that the union does not know, or nil if nothing does. The branch may be a union,
// too.
type UnionDecoder interface {
	MemberDecoder
	Discriminator() string
	DecodeBranch() MemberDecoder
}

// maxNumber is the greatest number that has a bit of its own in a word, where number 0 has none.
// Members with greater ones are compared by their names.
const maxNumber = 63

const endOfObject = "a comma or the end of the object"

// Object reads an object into m, which should be zero: members that are missing are left as
// they are. If m is a union, Object looks for the discriminator first, so that the branch is there
// when the members are read. The branch is created even if the object has none of its members. A
// member that neither m nor a branch knows is skipped. Object fails if two members have the same
// name.
func (d *Decoder) Object(m MemberDecoder) {
	first := len(d.branches)
	if union, ok := m.(UnionDecoder); ok {
		d.decodeBranches(union)
	}
	numbers, names := uint64(0), names{first: len(d.names)} // of the members so far
	for ok := d.open('{', '}', "an object"); ok; ok = d.more('}', endOfObject) {
		start := d.pos
		name := d.name()
		if d.err != nil {
			break
		}
		number := m.DecodeMember(d, name)
		if uint(number-1) < maxNumber {
			bit := uint64(1) << (number & maxNumber)
			if numbers&bit != 0 {
				d.failRepeated(start)
			}
			numbers |= bit
			continue
		}
		if names.at == 0 {
			names.at, names.one = start, name
		} else {
			names.add(d, name, start)
		}
		if number == 0 {
			d.branchMember(first, name)
		}
	}
	d.names = d.names[:names.first]
	clear(d.branches[first:]) // for the garbage collector
	d.branches = d.branches[:first]
}

// branchMember lets the first branch that knows the member read it. The branches are d.branches from
// first on. If none knows the member, branchMember skips it.
func (d *Decoder) branchMember(first int, name []byte) {
	for _, branch := range d.branches[first:] {
		if branch.DecodeMember(d, name) != 0 {
			return
		}
	}
	d.Skip()
}

// names are the names of the members of one object that have no numbers. Most objects have none, or
// one.
type names struct {
	at    int             // the offset of the first name; 0: there is none
	one   []byte          // that name
	first int             // of the offsets in Decoder.names, if there are more
	marks uint64          // of the names
	many  map[string]bool // the names, if they are more than fewNames
}

// fewNames are found fast enough by looking at each of them.
const fewNames = 32

// add adds the name of the member at an offset, which is not the first one. It fails if the name is
// among them already.
func (n *names) add(d *Decoder, name []byte, start int) {
	if d.err != nil {
		return
	}
	if len(d.names) == n.first {
		n.marks = markOf(n.one)
		d.names = append(d.names, n.at)
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

// name reads a member's name and the colon.
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

// unusualName is name for those with escapes or blanks before the colon, and for what is none.
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
