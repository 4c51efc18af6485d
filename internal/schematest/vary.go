package schematest

import (
	"reflect"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/qmpkit/qmpkit/qapi"
)

// vary changes a value into one that a program may send, too, although no document decodes to it: a
// nil mandatory array, an empty discriminator that the type of the branch determines, a RawBranch
// in place of a known branch, no branch, or blanks in a RawJSON.
func (b *bindings) vary(g *generator, v reflect.Value, t qapi.Type) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	switch t := t.(type) {
	case *qapi.Builtin:
		if t.TypeName() == "any" && g.oneIn(2) {
			varyRaw(g, v)
		}
	case *qapi.Array:
		for i := range v.Len() {
			b.vary(g, v.Index(i), t.Element)
		}
	case *qapi.Alternate:
		for i, a := range t.Alternatives {
			b.vary(g, v.Field(i), a.Type)
		}
	case qapi.ObjectType:
		b.varyObject(g, v, t)
	}
}

func varyRaw(g *generator, v reflect.Value) {
	if v.IsNil() || g.oneIn(3) {
		v.SetZero()
		return
	}
	text := jsontext.Value(v.Bytes()).Clone()
	if err := text.Indent(); err != nil {
		panic(err)
	}
	v.SetBytes(append(append([]byte(" "), text...), '\n'))
}

func (b *bindings) varyObject(g *generator, v reflect.Value, t qapi.ObjectType) {
	for i, m := range t.AllMembers() {
		f := v.Field(i)
		if _, ok := m.Type.(*qapi.Array); ok && f.Len() == 0 && g.oneIn(2) {
			f.SetZero()
		}
		b.vary(g, f, m.Type)
	}
	if v.NumField() == len(t.AllMembers()) {
		return
	}
	last := v.Field(v.NumField() - 1)
	if u, ok := t.(*qapi.Union); ok {
		b.varyBranch(g, v, last, u)
		return
	}
	last.Set(reflect.ValueOf(g.args(2)))
}

func (b *bindings) varyBranch(g *generator, v, field reflect.Value, u *qapi.Union) {
	branch, _ := findBranch(u, v.Field(tagIndex(u)).String())
	switch {
	case g.oneIn(8):
		field.SetZero()
	case g.oneIn(8):
		raw := reflect.New(b.rawBranch)
		raw.Elem().Field(0).Set(reflect.ValueOf(g.args(2)))
		field.Set(raw)
	case branch != nil && branch.Type != nil:
		if m := b.data(branch); m != nil {
			b.vary(g, field.Elem().Elem(), m.Type)
		} else {
			b.varyObject(g, field.Elem().Elem(), branch.Type)
		}
		if b.onlyFor(u, branch) && g.oneIn(2) {
			v.Field(tagIndex(u)).SetString("")
		}
	}
}

// onlyFor reports whether the type of the branch serves only one value of the discriminator.
func (b *bindings) onlyFor(u *qapi.Union, branch *qapi.Branch) bool {
	for _, other := range u.Branches {
		if other != branch && other.Type != nil && b.branchType(u, other) == b.branchType(u, branch) {
			return false
		}
	}
	return true
}
