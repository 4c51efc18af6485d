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

// UnionDecoder is a union. Its DecodeMember knows the common members and the discriminator.
// DecodeBranch returns (nil, false) as long as the discriminator has not been read, then the
// branch, which it creates once and which may be a union again; (nil, true) stands for a value
// without a branch. If end is set, the object has ended without the discriminator: DecodeBranch
// then creates the branch that takes the members which nobody has read.
type UnionDecoder interface {
	MemberDecoder
	DecodeBranch(end bool) (branch MemberDecoder, decided bool)
}

// maxNumber is the greatest number that has a bit of its own in a word, where number 0 has none.
// Members with greater ones are compared by their names.
const maxNumber = 63

const endOfObject = "a comma or the end of the object"

// Object reads an object into m, which should be zero: members that are missing are left as
// they are. A member that m does not know is offered to the branch of a union, and skipped if
// nobody knows it. While the discriminator is missing, the members that may wait for it are
// validated and their places recorded. They are read as soon as it is known, or, if it never
// comes, when the object ends. The branch is created even if the object has none of its members.
// Object fails if two members have the same name.
func (d *Decoder) Object(m MemberDecoder) {
	union, _ := m.(UnionDecoder) // nil if it is none
	waiting, level := len(d.late), 0
	numbers, names := uint64(0), names{first: len(d.names)} // of the members so far
	for ok := d.open('{', '}', "an object"); ok; ok = d.more('}', endOfObject) {
		start := d.pos
		name := d.name()
		if d.err != nil {
			return
		}
		number := m.DecodeMember(d, name)
		if uint(number-1) < maxNumber {
			bit := uint64(1) << (number & maxNumber)
			if numbers&bit != 0 {
				d.failRepeated(start)
			}
			numbers |= bit
		} else if names.at == 0 {
			names.at, names.one = start, name
		} else {
			names.add(d, name, start)
		}
		if number == 0 {
			taken, waits, at := offer(d, union, name)
			if !taken {
				d.Skip()
			}
			if waits {
				d.late, level = append(d.late, start), at
				continue
			}
		}
		if len(d.late) > waiting {
			level = d.settle(union, waiting, level)
		}
	}
	d.names = d.names[:names.first]
	if union != nil {
		d.finish(union, waiting, level)
	}
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

// offer lets the first branch on the way from a union read a member that it knows. If no branch
// does, the member is not taken. A member that may belong to a branch which is not decided yet
// waits for the discriminator that comes after level known ones. Nothing takes it if union is nil.
func offer(d *Decoder, union UnionDecoder, name []byte) (taken, waits bool, level int) {
	for ; union != nil; level++ {
		branch, known := union.DecodeBranch(false)
		if !known {
			return false, true, level
		}
		if branch == nil {
			break
		}
		if branch.DecodeMember(d, name) != 0 {
			return true, false, 0
		}
		union, _ = branch.(UnionDecoder)
	}
	return false, false, 0
}

// settle reads the members from d.late[waiting] on if more than level discriminators are known
// by now, and returns how many are. After a failure there is no text to read them from.
func (d *Decoder) settle(union UnionDecoder, waiting, level int) int {
	for len(d.late) > waiting && d.err == nil {
		known, _ := decided(union)
		if known <= level {
			break
		}
		level = known
		d.replay(union, waiting)
	}
	return level
}

// decided counts the discriminators known on the way from a union through its branches. The
// first union whose discriminator is not known is next, nil if there is none.
func decided(union UnionDecoder) (level int, next UnionDecoder) {
	for ; ; level++ {
		branch, known := union.DecodeBranch(false)
		if !known {
			return level, union
		}
		if union, _ = branch.(UnionDecoder); union == nil {
			return level + 1, nil
		}
	}
}

// finish creates the branches of which no member was there, and those whose discriminator never
// came. These read the members from d.late[waiting] on.
func (d *Decoder) finish(union UnionDecoder, waiting, level int) {
	for {
		level = d.settle(union, waiting, level)
		before, next := decided(union)
		if next == nil || d.err != nil {
			break
		}
		next.DecodeBranch(true)
		if after, _ := decided(union); after == before { // it has no branch for them
			break
		}
	}
	d.late = d.late[:waiting]
}

// replay offers the members from d.late[waiting] on again, now that one more branch is known, in
// the order in which they came. Those that wait for yet another one are kept.
func (d *Decoder) replay(union UnionDecoder, waiting int) {
	end := d.pos
	kept := waiting
	for i, n := waiting, len(d.late); i < n; i++ {
		start := d.late[i] // objects read below use what follows d.late[:n], and give it back
		d.pos = start
		name := d.name()
		_, waits, _ := offer(d, union, name)
		if d.err != nil {
			return // the cursor stays where Fail put it
		}
		if waits {
			d.late[kept] = start
			kept++
		}
	}
	d.late = d.late[:kept]
	d.pos = end
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
