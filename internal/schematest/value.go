package schematest

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
)

// value is the Go value that a document for the subject stands for.
func (b *bindings) value(s subject, doc *node) reflect.Value {
	v := reflect.New(s.goType).Elem()
	b.set(v, s.typ, doc)
	if s.extra {
		rest := doc.members
		for _, m := range s.typ.(qapi.ObjectType).AllMembers() {
			_, rest = cut(rest, m.Name)
		}
		if len(rest) > 0 {
			v.Field(v.NumField() - 1).Set(reflect.ValueOf(rawMembers(rest)))
		}
	}
	return v
}

// set makes v what the document says: what is not there stays zero, a member that is not known
// leaves no trace but in a RawBranch, an enum value is kept whatever it is. A union without its
// discriminator has a RawBranch, or the branch that [Package.Unsent] says.
func (b *bindings) set(v reflect.Value, t qapi.Type, doc *node) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch t := t.(type) {
	case *qapi.Builtin:
		setBuiltin(v, t, doc)
	case *qapi.Enum:
		v.SetString(doc.str)
	case *qapi.Array:
		v.Set(reflect.MakeSlice(v.Type(), len(doc.elems), len(doc.elems)))
		for i, e := range doc.elems {
			b.set(v.Index(i), t.Element, e)
		}
	case *qapi.Alternate:
		other := true
		for i, a := range t.Alternatives {
			if hasKind(doc, a.Type.JSONKind()) {
				b.set(v.Field(i), a.Type, doc)
				other = false
			}
		}
		if other {
			v.Field(len(t.Alternatives)).SetBytes([]byte(doc.text))
		}
	case qapi.ObjectType:
		b.setObject(v, t, doc.members)
	}
}

func hasKind(doc *node, kind qapi.JSONKind) bool {
	switch kind {
	case qapi.KindString:
		return doc.kind == '"'
	case qapi.KindNumber, qapi.KindInt:
		return doc.kind == '0'
	case qapi.KindBoolean:
		return doc.kind == 't' || doc.kind == 'f'
	case qapi.KindNull:
		return doc.kind == 'n'
	case qapi.KindObject:
		return doc.kind == '{'
	default:
		return doc.kind == '['
	}
}

func setBuiltin(v reflect.Value, t *qapi.Builtin, doc *node) {
	var err error
	switch kind := t.JSONKind(); {
	case kind == qapi.KindString:
		v.SetString(doc.str)
	case kind == qapi.KindBoolean:
		v.SetBool(doc.kind == 't')
	case kind == qapi.KindNumber:
		var f float64
		f, err = strconv.ParseFloat(doc.text, 64)
		v.SetFloat(f)
	case kind == qapi.KindInt && t.Signed():
		var i int64
		i, err = strconv.ParseInt(doc.text, 10, t.Bits())
		v.SetInt(i)
	case kind == qapi.KindInt:
		var u uint64
		u, err = strconv.ParseUint(doc.text, 10, t.Bits())
		v.SetUint(u)
	case kind == qapi.KindValue:
		v.SetBytes([]byte(doc.text))
	}
	if err != nil {
		panic(fmt.Sprintf("the generator made a wrong %s: %v", t.TypeName(), err))
	}
}

// setObject sets the fields of an object, and its branch from the members that are left.
func (b *bindings) setObject(v reflect.Value, t qapi.ObjectType, members []member) {
	rest := members
	for i, m := range t.AllMembers() {
		var value *node
		value, rest = cut(rest, m.Name)
		if value != nil {
			b.set(v.Field(i), m.Type, value)
		}
	}
	u, ok := t.(*qapi.Union)
	if !ok {
		return
	}
	field, tag := v.Field(v.NumField()-1), v.Field(tagIndex(u))
	if tag.Len() == 0 {
		tag.SetString(b.Unsent[u.Name])
	}
	switch branch, known := findBranch(u, tag.String()); {
	case known && branch.Type != nil:
		p := reflect.New(b.branchType(u, branch))
		if m := b.data(branch); m == nil {
			b.setObject(p.Elem(), branch.Type, rest)
		} else if value, _ := cut(rest, m.Name); value != nil {
			b.set(p.Elem(), m.Type, value)
		}
		field.Set(p)
	case !known:
		p := reflect.New(b.rawBranch)
		if len(rest) > 0 {
			p.Elem().Field(0).Set(reflect.ValueOf(rawMembers(rest)))
		}
		field.Set(p)
	}
}

// cut returns the value of the member with that name, nil if there is none, and the others.
func cut(members []member, name string) (value *node, rest []member) {
	for _, m := range members {
		if m.name == name {
			value = m.value
		} else {
			rest = append(rest, m)
		}
	}
	return value, rest
}

// tagIndex is the place of the discriminator among the members.
func tagIndex(u *qapi.Union) int {
	for i, m := range u.AllMembers() {
		if m.Name == u.Discriminator.Name {
			return i
		}
	}
	panic(u.Name + " has no discriminator")
}

func findBranch(u *qapi.Union, value string) (branch *qapi.Branch, known bool) {
	for _, b := range u.Branches {
		if b.Value == value {
			return b, true
		}
	}
	return nil, false
}

// rawMembers is what a RawBranch keeps of members.
func rawMembers(members []member) qmp.Args {
	args := qmp.Args{}
	for _, m := range members {
		args[m.name] = argOf(m.value.append(nil, func() string { return "" }))
	}
	return args
}
