package wire_test

import (
	"bytes"
	"testing"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// lax is the yardstick for the price of strictness: a scanner written by hand for one type,
// which trusts the text, knows no escapes, and reports no errors.
type lax struct {
	text []byte
	i    int
}

// to moves behind the next byte c.
func (l *lax) to(c byte) { l.i += bytes.IndexByte(l.text[l.i:], c) + 1 }

// quoted returns the next string.
func (l *lax) quoted() []byte {
	l.to('"')
	n := bytes.IndexByte(l.text[l.i:], '"')
	s := l.text[l.i : l.i+n]
	l.i += n + 1
	return s
}

// types reads what qom-list-types returns.
func (l *lax) types() []typeInfo {
	values := []typeInfo{}
	for l.text[l.i] != ']' {
		l.to('{')
		values = append(values, typeInfo{})
		v := &values[len(values)-1]
		for l.text[l.i-1] != '}' {
			name := l.quoted()
			l.to(' ')
			switch string(name) {
			case "name":
				v.Name = string(l.quoted())
			case "parent":
				v.Parent = new(string(l.quoted()))
			case "abstract":
				v.Abstract = new(l.text[l.i] == 't')
				for l.text[l.i] != ',' && l.text[l.i] != '}' {
					l.i++
				}
			}
			l.i++ // the comma or the brace
		}
	}
	return values
}

// BenchmarkStrictness compares the decoder with a lax scanner made for the one type.
func BenchmarkStrictness(b *testing.B) {
	text := []byte(typesReply(440))
	b.Run("lax", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if n := len((&lax{text: text}).types()); n != 440 {
				b.Fatal(n)
			}
		}
	})
	b.Run("strict", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			d := wire.NewDecoder(text)
			n := len(list(d, func(v *typeInfo) { d.Object(v) }))
			if err := d.End(); err != nil || n != 440 {
				b.Fatal(n, err)
			}
		}
	})
}
