package wire

import (
	"slices"
	"strconv"
)

// Tag returns the discriminator to write for a union. tag is the discriminator that was set, and values
// are the discriminators that the type of Branch stands for. Without values the type stands for any
// discriminator. Tag returns tag if it is one of the values. If tag is empty and there is one value, Tag
// returns that value. It fails in all other cases, and if Branch holds a nil pointer (isNil).
func (e *Encoder) Tag(tag string, isNil bool, values ...string) string {
	if isNil {
		e.Fail("Branch holds a nil pointer")
		return ""
	}
	switch {
	case tag != "" && (len(values) == 0 || slices.Contains(values, tag)):
		return tag
	case tag != "":
		e.Fail("discriminator " + strconv.Quote(tag) + " disagrees with the branch, which is for " + list(values))
	case len(values) == 0:
		e.Fail("discriminator is empty")
	case len(values) == 1:
		return values[0]
	default:
		e.Fail("discriminator is empty; the branch is for " + list(values))
	}
	return ""
}

// TagIfAny is like Tag for a type that stands for any discriminator, in a union that only servers send.
// Some servers leave out the discriminator. An empty tag is then not a failure, and no discriminator is
// written.
func (e *Encoder) TagIfAny(tag string, isNil bool) string {
	if tag == "" && !isNil {
		return noTag
	}
	return e.Tag(tag, isNil)
}

// noTag is the tag of a union without a discriminator. No discriminator has this character: QEMU takes no
// string with it.
const noTag = "\x00"

// Discriminator writes a union's discriminator as a member. tag is the result of [Encoder.Tag] or
// the value that was set. An empty tag is a failure.
func (e *Encoder) Discriminator(name, tag string) {
	if tag == noTag {
		return
	}
	e.Name(name)
	if tag == "" {
		e.Fail("discriminator is empty")
		return
	}
	e.String(tag)
}

// list prints values for a message: `"a"`, `"a" or "b"`.
func list(values []string) string {
	text := ""
	for i, v := range values {
		switch {
		case i == 0:
		case i == len(values)-1:
			text += " or "
		default:
			text += ", "
		}
		text += strconv.Quote(v)
	}
	return text
}
