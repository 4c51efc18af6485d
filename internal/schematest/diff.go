package schematest

import (
	"fmt"
	"reflect"
)

// diff tells the first place at which two values of one type differ, "" if there is none.
func diff(got, want reflect.Value) string {
	if reflect.DeepEqual(got.Interface(), want.Interface()) {
		return ""
	}
	return find("", got, want)
}

func find(path string, got, want reflect.Value) string {
	differ := fmt.Sprintf("%s: %s, want %s", path, show(got), show(want))
	switch got.Kind() {
	case reflect.Pointer, reflect.Interface:
		if got.IsNil() || want.IsNil() || got.Elem().Type() != want.Elem().Type() {
			return differ
		}
		return find(path, got.Elem(), want.Elem())
	case reflect.Struct:
		for i := range got.NumField() {
			if !same(got.Field(i), want.Field(i)) {
				return find(path+"."+got.Type().Field(i).Name, got.Field(i), want.Field(i))
			}
		}
	case reflect.Slice:
		if got.Len() != want.Len() || got.IsNil() != want.IsNil() || got.Type().Elem().Kind() == reflect.Uint8 {
			return differ
		}
		for i := range got.Len() {
			if !same(got.Index(i), want.Index(i)) {
				return find(fmt.Sprintf("%s[%d]", path, i), got.Index(i), want.Index(i))
			}
		}
	}
	return differ
}

func same(a, b reflect.Value) bool { return reflect.DeepEqual(a.Interface(), b.Interface()) }

func show(v reflect.Value) string { return fmt.Sprintf("%T %#[1]v", v.Interface()) }
