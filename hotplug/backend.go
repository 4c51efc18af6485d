package hotplug

import (
	"errors"
	"reflect"
)

// What is behind a device has one type for each kind: a backend, as QEMU calls it. Fields that go with
// one kind are in its type. The interfaces are sealed: what a backend must do may grow.

// backendOf returns a backend as a value: the caller may have given a pointer to one.
func backendOf[B any](backend B) (B, error) {
	v := reflect.ValueOf(backend)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if !v.IsValid() {
		return backend, errors.New("needs a Backend")
	}
	return v.Interface().(B), nil
}
