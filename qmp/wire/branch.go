package wire

// UnionDecoder is a union. Its DecodeMember knows the common members, including the discriminator.
//
// Discriminator returns the name of the discriminator and its number. [Decoder.Object] calls
// DecodeBranch once for an object, after DecodeMember has read the discriminator, or if the object
// has no discriminator. DecodeBranch creates the branch and returns the decoder of the members that
// the union does not know, or nil. The branch can also be a union.
//
// If DecodeMember does not know a member, Object calls it again after DecodeBranch, and then calls
// the DecodeMember of the branch.
type UnionDecoder interface {
	MemberDecoder
	Discriminator() (name string, number int)
	DecodeBranch() MemberDecoder
}

// union reads an object into a union. The branch is created before the first member that the union
// does not know is read, or at the end of the object.
func (d *Decoder) union(m UnionDecoder) {
	var branch MemberDecoder
	var decided bool
	var tag ahead
	var numbers, branchNumbers uint64 // of the members so far
	var names names
	for name, start := d.member('{'); name != nil; name, start = d.member(',') {
		number := 0
		if start == tag.start {
			number, d.pos = tag.number, tag.end
		} else {
			number = m.DecodeMember(d, name)
		}
		if number == 0 && !decided {
			readable := true
			if name, number := m.Discriminator(); numbers>>uint(number)&1 == 0 {
				tag, readable = d.readAhead(m, name, passMember(d.data, d.pos))
			}
			if decided = true; readable {
				branch = d.branch(m, start)
			}
			number = m.DecodeMember(d, name)
		}
		if uint(number-1) < maxNumber {
			bit := uint64(1) << (number & maxNumber)
			if numbers&bit != 0 {
				d.failRepeated(start)
			}
			numbers |= bit
			continue
		}
		if number == 0 && branch != nil {
			number = branch.DecodeMember(d, name)
			if uint(number-1) < maxNumber {
				bit := uint64(1) << (number & maxNumber)
				if branchNumbers&bit != 0 {
					d.failRepeated(start)
				}
				branchNumbers |= bit
				continue
			}
		}
		names.add(d, name, start)
		if number == 0 {
			d.Skip()
		}
	}
	names.forget(d)
	if !decided {
		d.branch(m, len(d.data))
	}
}

// branch creates the branch of a union that has read its discriminator, and returns it. If the branch is
// a union, its branch is created, too. The members that the outer union does not know are those from
// the offset start on.
func (d *Decoder) branch(union UnionDecoder, start int) MemberDecoder {
	branch := union.DecodeBranch()
	inner, ok := branch.(UnionDecoder)
	if !ok {
		return branch
	}
	name, _ := inner.Discriminator()
	if _, readable := d.readAhead(inner, name, start); !readable {
		return branch
	}
	if innermost := d.branch(inner, start); innermost != nil {
		return &branches{branch, innermost}
	}
	return branch
}

// branches are a branch that is a union, and the branch of that.
type branches struct{ outer, inner MemberDecoder }

// DecodeMember lets the first branch that knows the member read it.
func (b *branches) DecodeMember(d *Decoder, name []byte) int {
	if number := b.outer.DecodeMember(d, name); number != 0 {
		return number
	}
	if b.inner.DecodeMember(d, name) != 0 {
		return Unnumbered
	}
	return 0
}

// ahead is where a member is that was read before its turn, and its number.
type ahead struct{ start, end, number int }

// readAhead lets a union read its discriminator, wherever that is from the member at an offset on. The
// cursor stays where it is.
//
// The text in front of the discriminator has not been validated yet, so readAhead never fails. If it
// cannot read the discriminator, that fails in its turn: the union then needs no branch.
func (d *Decoder) readAhead(union UnionDecoder, name string, start int) (tag ahead, readable bool) {
	data, pos, depth, err := d.data, d.pos, d.depth, d.err
	readable = true
	if start = seekMember(data, start, name); start >= 0 {
		d.pos = start
		number := union.DecodeMember(d, d.name())
		if readable = d.err == nil; readable {
			tag = ahead{start, d.pos, number}
		}
	}
	d.data, d.pos, d.depth, d.err = data, pos, depth, err
	return tag, readable
}
