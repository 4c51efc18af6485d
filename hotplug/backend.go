package hotplug

import (
	"errors"
	"reflect"
)

// A backend is the thing on the host that a device uses. Each kind of backend is a type with its own fields. The
// interfaces of backends are sealed, so that they can get more methods.

// backendOf returns a backend as a value, also if the caller gave a pointer to one.
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
