package schematest

import (
	"reflect"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/qmpkit/qmpkit/qmp"
)

// settled changes a decoded value so that it equals what is decoded from a text which says the
// same: a RawJSON is as the server wrote it, and loses its blanks; a RawBranch takes any members,
// and loses the one that rewrites added. Nothing else depends on such things.
func settled(v reflect.Value) reflect.Value {
	if !v.IsValid() {
		return v
	}
	p := reflect.New(v.Type()).Elem()
	p.Set(v)
	settle(p)
	return p
}

func settle(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			settle(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			settle(v.Field(i))
		}
	case reflect.Slice:
		if raw, ok := v.Interface().(qmp.RawJSON); ok {
			v.SetBytes(withoutBlanks(raw))
			return
		}
		for i := range v.Len() {
			settle(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(settledArgs(v.Interface().(qmp.Args))))
	}
}

// settledArgs are the members of a RawBranch, nil if there are none.
func settledArgs(args qmp.Args) qmp.Args {
	delete(args, strangerName)
	if len(args) == 0 {
		return nil
	}
	return args
}

// withoutBlanks leaves nil alone.
func withoutBlanks(raw qmp.RawJSON) qmp.RawJSON {
	if raw == nil {
		return nil
	}
	v := jsontext.Value(raw).Clone()
	if err := v.Compact(jsontext.AllowDuplicateNames(true)); err != nil {
		panic(err) // it was checked when it was decoded
	}
	return qmp.RawJSON(v)
}
