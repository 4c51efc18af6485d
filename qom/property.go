package qom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

const devices = "/machine/peripheral/"

// DevicePath returns the path of the device with this ID.
func DevicePath(id string) string { return devices + id }

// ObjectPath returns the path of the object of object-add with this ID.
func ObjectPath(id string) string { return "/objects/" + id }

// ChardevPath returns the path of the character device with this ID.
func ChardevPath(id string) string { return "/chardevs/" + id }

// Get reads a property. The package comment has the types for T.
//
// Get returns an error that matches:
//   - [ErrNoObject], [ErrNoProperty]: there is no such object, or no such property.
//   - [ErrRefused]: QEMU refused to read the property: it can only be set, or has no value now.
//   - [*qmp.DecodeError]: T does not hold the value.
//
// Source: qom-get; qom-list after a refusal.
func Get[T any](ctx context.Context, x qmp.Executor, path, property string) (T, error) {
	value, err := get[T](ctx, x, path, property)
	return value, failed(why(ctx, x, path, property, err), "get %q of %q", property, path)
}

// Lookup reads a property that an object may have. has is false if QEMU refuses to read the property, which usually means
// that the object does not have it. Unlike [Get], Lookup never sends a second command.
//
// Lookup returns an error that matches:
//   - [ErrNoObject]: there is no such object.
//   - [*qmp.DecodeError]: T does not hold the value. has is true.
//
// Source: qom-get.
func Lookup[T any](ctx context.Context, x qmp.Executor, path, property string) (value T, has bool, err error) {
	value, err = get[T](ctx, x, path, property)
	switch {
	case errors.Is(err, qmp.ErrDeviceNotFound):
		err = &refusal{ErrNoObject, err}
	case refused(err):
		return value, false, nil
	default:
		_, has = errors.AsType[*qmp.DecodeError](err)
		has = has || err == nil
	}
	return value, has, failed(err, "get %q of %q", property, path)
}

func get[T any](ctx context.Context, x qmp.Executor, path, property string) (value T, err error) {
	raw, err := qemu.QOMGet{Path: path, Property: property}.Do(ctx, x)
	if err != nil {
		return value, err
	}
	return decode[T](raw)
}

// decode decodes the value of a property.
func decode[T any](raw qmp.RawJSON) (value T, err error) {
	switch into := any(&value).(type) {
	case *qmp.RawJSON:
		*into = raw
	case *any: // as in Args: integers stay integers
		*into, err = decodeAny(raw)
	case *map[string]any:
		*into, err = decodeAs[qmp.Args](raw)
	case *[]any:
		*into, err = decodeAs[[]any](raw)
	default:
		if err = json.Unmarshal(raw, into); err == nil && string(raw) == "null" && reflect.TypeFor[T]().Kind() != reflect.Pointer {
			err = errors.New("value is null")
		}
	}
	if err != nil {
		var none T // instead of a part of the value
		return none, &qmp.DecodeError{Command: "qom-get", Reason: err.Error()}
	}
	return value, nil
}

// decodeAny decodes a value as [qmp.Args] does.
func decodeAny(raw qmp.RawJSON) (any, error) {
	var args qmp.Args
	err := args.UnmarshalJSON(slices.Concat([]byte(`{"v":`), raw, []byte(`}`)))
	return args["v"], err
}

func decodeAs[T any](raw qmp.RawJSON) (value T, err error) {
	decoded, err := decodeAny(raw)
	value, ok := decoded.(T)
	if err == nil && !ok {
		err = fmt.Errorf("value is %T, not %T", decoded, value)
	}
	return value, err
}

// Set sets a property. [qmp.Args] lists the possible types of value.
//
// Set returns an error that matches:
//   - [ErrNoObject], [ErrNoProperty]: there is no such object, or no such property.
//   - [ErrRefused]: QEMU refused the value, or the property cannot be set.
//   - [*qmp.EncodeError]: the value cannot be sent.
//
// Source: qom-set; qom-list after a refusal.
func Set(ctx context.Context, x qmp.Executor, path, property string, value any) error {
	raw, err := encode(value)
	if err == nil {
		err = qemu.QOMSet{Path: path, Property: property, Value: raw}.Do(ctx, x)
	}
	return failed(why(ctx, x, path, property, err), "set %q of %q", property, path)
}

// encode encodes the value of a property.
func encode(value any) (qmp.RawJSON, error) {
	text, err := qmp.Args{"value": value}.MarshalJSON()
	if err != nil {
		return nil, err
	}
	if string(text) == "{}" {
		return nil, &qmp.EncodeError{Command: "qom-set", Path: "value", Reason: "nil pointer"}
	}
	return text[len(`{"value":`) : len(text)-len(`}`)], nil
}

// Has reports whether an object has a property. If there is no such object, the error matches [ErrNoObject].
//
// Source: qom-list.
func Has(ctx context.Context, x qmp.Executor, path, property string) (bool, error) {
	all, err := List(ctx, x, path)
	return slices.ContainsFunc(all, func(p Property) bool { return p.Name == property }), err
}

// A Property is a property of an object.
type Property struct {
	Name string
	Type string // QEMU's name: "bool", "uint64", "str", "link<memory-backend>". Some versions have "str" for an enum or an address.

	// Value is the value, if the caller asked for it: see [ListValues] and [WalkValues]. It is nil if QEMU refuses to
	// read it.
	Value qmp.RawJSON
}

// Child returns the type of the object that the property contains. ok is false if the property has no such object.
func (p Property) Child() (kind string, ok bool) { return inner(p.Type, "child<") }

// Link returns the type of the objects that the property can link to. ok is false if the property is no link.
func (p Property) Link() (kind string, ok bool) { return inner(p.Type, "link<") }

func inner(kind, prefix string) (string, bool) {
	kind, ok := strings.CutPrefix(kind, prefix)
	if !ok {
		return "", false
	}
	return strings.TrimSuffix(kind, ">"), true
}

// List returns the properties of an object without their values. If there is no such object, the error matches
// [ErrNoObject].
//
// Source: qom-list.
func List(ctx context.Context, x qmp.Executor, path string) ([]Property, error) {
	all, err := list(ctx, x, path)
	return all, failed(err, "list %q", path)
}

func list(ctx context.Context, x qmp.Executor, path string) ([]Property, error) {
	infos, err := qemu.QOMList{Path: path}.Do(ctx, x)
	if err != nil {
		return nil, noObject(path, err)
	}
	all := make([]Property, len(infos))
	for i, info := range infos {
		all[i] = Property{Name: info.Name, Type: info.Type}
	}
	return all, nil
}

// ListValues returns the properties of an object with their values. If there is no such object, the error matches
// [ErrNoObject]. QEMU 10.1 answers in one command. Older ones need a command for each property.
//
// Source: qom-list-get, or qom-list and qom-get.
func ListValues(ctx context.Context, x qmp.Executor, path string) ([]Property, error) {
	all, err := listValues(ctx, x, path, func(Property) bool { return true })
	return all, failed(err, "list %q", path)
}

// listValues reads the properties of an object, and at least the values that the caller wants.
func listValues(ctx context.Context, x qmp.Executor, path string, wants func(Property) bool) ([]Property, error) {
	if lacks := lacksListGet(x); !lacks.Load() {
		objects, err := qemu.QOMListGet{Paths: []string{path}}.Do(ctx, x)
		switch {
		case errors.Is(err, qmp.ErrCommandNotFound):
			lacks.Store(true)
		case err != nil:
			return nil, noObject(path, err)
		case len(objects) != 1:
			return nil, &qmp.DecodeError{Command: "qom-list-get", Reason: fmt.Sprintf("got %d objects instead of one", len(objects))}
		default:
			all := make([]Property, len(objects[0].Properties))
			for i, p := range objects[0].Properties {
				all[i] = Property(p)
			}
			return all, nil
		}
	}
	all, err := list(ctx, x, path)
	if err != nil {
		return nil, err
	}
	return all, together(len(all), func(i int) error {
		if !wants(all[i]) {
			return nil
		}
		value, err := qemu.QOMGet{Path: path, Property: all[i].Name}.Do(ctx, x)
		switch {
		case errors.Is(err, qmp.ErrDeviceNotFound): // the object is gone
			return &refusal{ErrNoObject, err}
		case refused(err):
			return nil
		}
		all[i].Value = value
		return err
	})
}

type listGetKey struct{}

// lacksListGet returns whether the server is known to lack qom-list-get, so that it is asked once for each connection.
func lacksListGet(x qmp.Executor) *atomic.Bool {
	server := qmp.ServerOf(x)
	if server == nil {
		return new(atomic.Bool)
	}
	return server.Keep(listGetKey{}, func() any { return new(atomic.Bool) }).(*atomic.Bool)
}

// A Link is a link of an object to another one.
type Link struct {
	Property string
	Type     string // of the objects to which it can link: "memory-backend"
	Target   string // a path; empty for none
}

// Links returns the links of an object to others: the bus of a device, its iothread, the memory of a DIMM. The drive, the
// netdev and the character device of a device are not links, but names: see [Get]. If there is no such object, the error
// matches [ErrNoObject].
//
// Source: qom-list-get, or qom-list and qom-get.
func Links(ctx context.Context, x qmp.Executor, path string) ([]Link, error) {
	all, err := listValues(ctx, x, path, func(p Property) bool { _, link := p.Link(); return link })
	var links []Link
	for _, p := range all {
		kind, ok := p.Link()
		if !ok || p.Value == nil {
			continue
		}
		target, decodeErr := decode[string](p.Value)
		if decodeErr != nil {
			err = decodeErr
		}
		links = append(links, Link{p.Name, kind, target})
	}
	if err != nil {
		return nil, failed(err, "list links of %q", path)
	}
	return links, nil
}
