package wire

import "bytes"

// decodeBranches lets a union read its discriminator, wherever that is in the object that comes
// next, and appends the union's branch to d.branches. If the branch is a union, decodeBranches does
// the same for it, and so on. The cursor stays in front of the object.
//
// The text in front of a discriminator has not been validated yet, so decodeBranches never fails. A
// discriminator that cannot be read fails when the members are read in their order.
func (d *Decoder) decodeBranches(union UnionDecoder) {
	data, pos, depth, err := d.data, d.pos, d.depth, d.err
	for union != nil {
		if d.pos = seekMember(data, pos, union.Discriminator()); d.pos >= 0 {
			union.DecodeMember(d, d.name())
		}
		failed := d.err != err
		d.data, d.pos, d.depth, d.err = data, pos, depth, err
		if failed {
			break // as the members will, at the discriminator or before it
		}
		branch := union.DecodeBranch()
		if branch == nil {
			break
		}
		d.branches = append(d.branches, branch)
		union, _ = branch.(UnionDecoder)
	}
}

// seekMember returns the offset of the member with the given name, -1 if there is none, in the object
// that begins at text[i]. It looks at no more than it needs to find its way: what it returns for a
// text that is not valid JSON means nothing.
func seekMember(text []byte, i int, name string) int {
	i = blanks(text, i)
	if i == len(text) || text[i] != '{' {
		return -1
	}
	for i < len(text) && text[i] != '}' && text[i] != ']' {
		start := blanks(text, i+1)
		end := stringEnd(text, start)
		if end < 0 {
			break
		}
		if isName(text[start:end+1], name) {
			return start
		}
		i = passMember(text, end+1)
	}
	return -1
}

// isName reports whether a string in its quotes is the given name.
func isName(quoted []byte, name string) bool {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1:len(quoted)-1]) == name
	}
	d := Decoder{data: quoted}
	return string(d.text()) == name && d.err == nil
}

// passMember returns the offset of the comma or the bracket after the member in which i is, or
// len(text).
func passMember(text []byte, i int) int {
	for depth := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			if i = stringEnd(text, i); i < 0 {
				return len(text)
			}
		case '{', '[':
			depth++
		case ',':
			if depth == 0 {
				return i
			}
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return i
}
