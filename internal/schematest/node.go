package schematest

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/qmpkit/qmpkit/qapi"
)

// node is a JSON value of a document.
type node struct {
	kind    jsontext.Kind
	text    string // of a scalar, and of a value that no schema types
	str     string // what a string stands for
	members []member
	elems   []*node

	// typ is the type that the schema gives the value; nil where it knows none.
	typ qapi.Type

	// start and end are where the value is in the text that append made.
	start, end int
}

// member is a member of an object.
type member struct {
	name  string
	text  string // of the name
	value *node
}

// lookup returns the member with a name, or nil.
func (n *node) lookup(name string) *node {
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// append appends the value's text, with what blank returns between the tokens.
func (n *node) append(b []byte, blank func() string) []byte {
	b = append(b, blank()...)
	n.start = len(b)
	switch {
	case n.text != "":
		b = append(b, n.text...)
	case n.kind == '[':
		b = append(b, '[')
		for i, e := range n.elems {
			b = comma(b, i)
			b = e.append(b, blank)
		}
		b = append(append(b, blank()...), ']')
	default:
		b = append(b, '{')
		for i, m := range n.members {
			b = append(append(comma(b, i), blank()...), m.text...)
			b = append(append(b, blank()...), ':')
			b = m.value.append(b, blank)
		}
		b = append(append(b, blank()...), '}')
	}
	n.end = len(b)
	return append(b, blank()...)
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

// walk calls f for n and all values in it.
func (n *node) walk(f func(n *node)) {
	f(n)
	for _, m := range n.members {
		m.value.walk(f)
	}
	for _, e := range n.elems {
		e.walk(f)
	}
}
