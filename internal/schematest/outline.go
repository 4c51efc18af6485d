package schematest

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// outline is a text taken apart as far as its outermost objects.
type outline struct {
	array  bool // the values are an array's elements; else there is one
	values []outlined
	most   int // the members of the object that has most
}

// outlined is the text of a value or, of an object, the texts of its members.
type outlined struct {
	text    string
	object  bool
	members []string
}

// outlineOf takes apart a text, which must be valid.
func outlineOf(text []byte) *outline {
	o := &outline{}
	d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	if d.PeekKind() != '[' {
		o.add(d)
		return o
	}
	o.array = true
	token(d)
	for d.PeekKind() != ']' {
		o.add(d)
	}
	return o
}

// add reads one value.
func (o *outline) add(d *jsontext.Decoder) {
	if d.PeekKind() != '{' {
		o.values = append(o.values, outlined{text: value(d)})
		return
	}
	v := outlined{object: true}
	token(d)
	for d.PeekKind() != '}' {
		quoted := value(d)
		v.members = append(v.members, quoted+":"+value(d))
	}
	token(d)
	o.most = max(o.most, len(v.members))
	o.values = append(o.values, v)
}

func token(d *jsontext.Decoder) {
	if _, err := d.ReadToken(); err != nil {
		panic(err)
	}
}

func value(d *jsontext.Decoder) string {
	v, err := d.ReadValue()
	if err != nil {
		panic(err)
	}
	return string(v)
}

// with returns the text with the members of each object changed.
func (o *outline) with(change func(members []string) []string) []byte {
	texts := make([]string, len(o.values))
	for i, v := range o.values {
		texts[i] = v.text
		if v.object {
			texts[i] = "{" + strings.Join(change(v.members), ", ") + "}"
		}
	}
	if !o.array {
		return []byte(texts[0])
	}
	return []byte("[" + strings.Join(texts, ", ") + "]")
}
