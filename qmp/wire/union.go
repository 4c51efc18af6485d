package wire

import (
	"slices"
	"strconv"
)

// Tag returns the discriminator to write for a union whose Branch has a type that serves the given
// values: the discriminator that was set, if it is among them, or, if none was set, the only value.
// Without values the type serves any discriminator. Everything else is a failure, and so is a Branch that
// holds a nil pointer.
func (e *Encoder) Tag(tag string, isNil bool, values ...string) string {
	if isNil {
		e.Fail("Branch holds a nil pointer")
		return ""
	}
	switch {
	case tag != "" && (len(values) == 0 || slices.Contains(values, tag)):
		return tag
	case tag != "":
		e.Fail("discriminator " + strconv.Quote(tag) + " disagrees with the branch, which serves " + list(values))
	case len(values) == 0:
		e.Fail("discriminator is empty")
	case len(values) == 1:
		return values[0]
	default:
		e.Fail("discriminator is empty; the branch serves " + list(values))
	}
	return ""
}

// TagIfAny is Tag for a type that serves any discriminator, in a union that servers send and clients do
// not. Servers send such a union without its discriminator: then none is written.
func (e *Encoder) TagIfAny(tag string, isNil bool) string {
	if tag == "" && !isNil {
		return noTag
	}
	return e.Tag(tag, isNil)
}

// noTag is the tag of a union without a discriminator. No discriminator has this character: QEMU takes no
// string with it.
const noTag = "\x00"

// Discriminator writes a union's discriminator, which [Encoder.Tag] returned or which was set, as a
// member. An empty one is a failure.
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
