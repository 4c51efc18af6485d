package qmpschema

import (
	"reflect"
	"strings"
)

// declares reports whether the place was encoded from a struct that has a field for a member.
func (p *place) declares(member []byte) bool { return tagged(p.goValue(), member).IsValid() }

// goValue returns the struct that a place was encoded from. It is not valid if there is no struct,
// as for qmp.Args.
func (p *place) goValue() reflect.Value {
	if p.outer == nil {
		return structOf(reflect.ValueOf(p.call.Args))
	}
	outer := p.outer.goValue()
	switch {
	case !outer.IsValid():
		return outer
	case p.of != nil:
		return structOf(outer.FieldByName("Branch"))
	}
	v := tagged(outer, p.name)
	switch {
	case p.outer.of != nil && string(p.name) == "data" && !v.IsValid():
		return outer // the branch is the data itself
	case v.Kind() == reflect.Slice && p.index < v.Len():
		v = v.Index(p.index)
	}
	return structOf(v)
}

// structOf returns the struct that a pointer, an interface or an alternate leads to.
func structOf(v reflect.Value) reflect.Value {
	for {
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			v = v.Elem()
		case reflect.Struct:
			alternative := alternativeOf(v)
			if !alternative.IsValid() {
				return v
			}
			v = alternative
		default:
			return reflect.Value{}
		}
	}
}

// alternativeOf returns the value of the set field of an alternate. It returns an invalid value for
// other structs.
func alternativeOf(v reflect.Value) (alternative reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if memberOf(field) != "" || field.Name == "Branch" {
			return reflect.Value{}
		}
		if v.Field(i).Kind() == reflect.Pointer && !v.Field(i).IsNil() {
			alternative = v.Field(i)
		}
	}
	return alternative
}

// tagged returns the field of a struct, which may be not valid, for a member of an object.
func tagged(v reflect.Value, member []byte) reflect.Value {
	if v.IsValid() {
		for i := range v.NumField() {
			if memberOf(v.Type().Field(i)) == string(member) {
				return v.Field(i)
			}
		}
	}
	return reflect.Value{}
}

// memberOf returns the member that a field is for, or "" if there is none.
func memberOf(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}
