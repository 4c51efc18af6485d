package wire

// MemberDecoder is a value that is received as a JSON object. DecodeMember reads the value of
// the member with the given name and returns true, or returns false and reads nothing when it
// knows no such member. The name is part of the text: it must be neither changed nor kept.
type MemberDecoder interface {
	DecodeMember(d *Decoder, name []byte) bool
}

// UnionDecoder is a union. Its DecodeMember knows the common members and the discriminator.
// DecodeBranch returns (nil, false) as long as the discriminator has not been read, then the
// branch, which it creates once and which may be a union again; (nil, true) stands for a value
// without a branch.
type UnionDecoder interface {
	MemberDecoder
	DecodeBranch() (branch MemberDecoder, decided bool)
}

const endOfObject = "a comma or the end of the object"

// Object reads an object into m, which should be zero: members that are missing are left as
// they are. A member that m does not know is offered to the branch of a union, and skipped when
// nobody knows it. While the discriminator is missing, the members that may wait for it are
// validated and their places recorded; they are read as soon as it is known. A known branch is
// created even when none of its members is there.
func (d *Decoder) Object(m MemberDecoder) {
	waiting, level := len(d.late), 0
	for ok := d.open('{', '}', "an object"); ok; ok = d.more('}', endOfObject) {
		start := d.pos
		name := d.name()
		if d.err != nil {
			return
		}
		if !m.DecodeMember(d, name) {
			if waits, at := d.offer(m, name); waits {
				d.Skip()
				d.late, level = append(d.late, start), at
				continue
			}
		}
		if len(d.late) > waiting {
			level = d.settle(m, waiting, level)
		}
	}
	decided(m) // creates a branch of which no member was there
	d.late = d.late[:waiting]
}

// offer lets the first branch on the way from m read a member that knows it, which m does not.
// A member that nobody knows is skipped. One that may belong to a branch which is not decided
// yet is not read: it waits, for the discriminator that comes after level known ones.
func (d *Decoder) offer(m MemberDecoder, name []byte) (waits bool, level int) {
	for {
		union, ok := m.(UnionDecoder)
		if !ok {
			break
		}
		branch, known := union.DecodeBranch()
		if !known {
			return true, level
		}
		if branch == nil {
			break
		}
		if branch.DecodeMember(d, name) {
			return false, 0
		}
		m = branch
		level++
	}
	d.Skip()
	return false, 0
}

// settle reads the members from d.late[waiting] on if more than level discriminators are known
// by now, and returns how many are. After a failure there is no text to read them from.
func (d *Decoder) settle(m MemberDecoder, waiting, level int) int {
	for len(d.late) > waiting && d.err == nil {
		known := decided(m)
		if known <= level {
			break
		}
		level = known
		d.replay(m, waiting)
	}
	return level
}

// decided counts the discriminators known on the way from m through its branches.
func decided(m MemberDecoder) int {
	for level := 0; ; level++ {
		union, ok := m.(UnionDecoder)
		if !ok {
			return level
		}
		branch, known := union.DecodeBranch()
		if !known {
			return level
		}
		if branch == nil {
			return level + 1
		}
		m = branch
	}
}

// replay offers the members from d.late[waiting] on again, now that one more discriminator is
// known, in the order in which they came. Those that wait for yet another one are kept.
func (d *Decoder) replay(m MemberDecoder, waiting int) {
	end := d.pos
	kept := waiting
	for i, n := waiting, len(d.late); i < n; i++ {
		start := d.late[i] // objects read below use what follows d.late[:n], and give it back
		d.pos = start
		name := d.name()
		if !m.DecodeMember(d, name) {
			if waits, _ := d.offer(m, name); waits {
				d.late[kept] = start
				kept++
			}
		}
		if d.err != nil {
			return // the cursor stays where Fail put it
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
