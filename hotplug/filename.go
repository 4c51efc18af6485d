package hotplug

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Names of files are bytes, and JSON has only UTF-8. Since QEMU is told "/dev/fdset/N" instead of a
// name, a tree of nodes is copied with placeholders for the names that are not UTF-8.

// fileNames are the names that have placeholders.
type fileNames []string

// placeholderMark begins a placeholder: no file's name has it.
const placeholderMark = "\x00"

var errFileName = errors.New("the name of a file that QEMU opens itself is not UTF-8")

// hide returns the placeholder of a name, or the name if it needs none.
func (n *fileNames) hide(name string) string {
	if utf8.ValidString(name) && !strings.HasPrefix(name, placeholderMark) {
		return name
	}
	*n = append(*n, name)
	return placeholderMark + strconv.Itoa(len(*n)-1)
}

// show returns the name of a placeholder, or the name itself if it is none.
func (n fileNames) show(name string) string {
	if number, ok := strings.CutPrefix(name, placeholderMark); ok {
		if i, err := strconv.Atoi(number); err == nil && 0 <= i && i < len(n) {
			return n[i]
		}
	}
	return name
}

// hideAll copies a tree with placeholders. The copy shares with the tree what has no such name.
func (n *fileNames) hideAll(options *qemu.BlockdevOptions) *qemu.BlockdevOptions {
	return n.copyValue(reflect.ValueOf(options)).Interface().(*qemu.BlockdevOptions)
}

func (n *fileNames) copyValue(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return v
		}
		inner := n.copyValue(v.Elem())
		if v.Kind() == reflect.Interface {
			return inner
		}
		made := reflect.New(v.Type().Elem())
		made.Elem().Set(inner)
		return made
	case reflect.Struct:
		made := reflect.New(v.Type()).Elem()
		made.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				made.Field(i).Set(n.copyValue(v.Field(i)))
			}
		}
		if file, ok := made.Addr().Interface().(*qemu.BlockdevOptionsFile); ok {
			file.Filename = n.hide(file.Filename)
		}
		return made
	case reflect.Slice:
		if v.IsNil() || v.Type().Elem().Kind() == reflect.Uint8 {
			return v
		}
		made := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			made.Index(i).Set(n.copyValue(v.Index(i)))
		}
		return made
	case reflect.Map: // the members of a node whose driver is not among the generated types
		if v.IsNil() {
			return v
		}
		made := reflect.MakeMap(v.Type())
		for _, key := range v.MapKeys() {
			value := n.copyValue(v.MapIndex(key))
			if value.Kind() == reflect.String && key.String() == "filename" {
				value = reflect.ValueOf(n.hide(value.String())).Convert(value.Type())
			}
			made.SetMapIndex(key, value)
		}
		return made
	}
	return v
}
