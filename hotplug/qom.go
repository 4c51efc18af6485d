package hotplug

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qom"
)

// QEMU's object model (QOM) is a tree of objects with properties: devices, buses, memory, secrets.
// query-pci shows less: it does not list devices behind a bridge until the firmware has numbered the buses, and it never
// has the name of a bus.

const (
	devicesPath = "/machine/peripheral" // the parent of devices with an ID
	objectsPath = "/objects"            // the parent of the objects of object-add
)

// devicePath returns the path of the device with this ID.
func devicePath(id string) string { return devicesPath + "/" + id }

// objectPath returns the path of the object of object-add with this ID.
func objectPath(id string) string { return objectsPath + "/" + id }

// together calls functions at the same time, so that their commands are in flight together. It returns the error of
// the first function that has one.
func together(all ...func() error) error {
	errs := make([]error, len(all))
	var running sync.WaitGroup
	for i, f := range all {
		running.Go(func() { errs[i] = f() })
	}
	running.Wait()
	return cmp.Or(errs...)
}

// An object is a child of another object, or the target of a link of the other object.
type object struct {
	name string // in the other object
	kind string // its type
	path string // empty for a link
}

// objects lists the children of an object (relation "child"), or the objects that it links to ("link").
// It lists none if the object at the path is gone. Old QEMUs have no /objects before object-add makes
// the first object.
func (vm *VM) objects(ctx context.Context, path, relation string) ([]object, error) {
	properties, err := qom.List(ctx, vm.conn, path)
	if errors.Is(err, qom.ErrNoObject) {
		return nil, nil
	}
	var all []object
	for _, p := range properties {
		if relation == "link" {
			if kind, ok := p.Link(); ok {
				all = append(all, object{name: p.Name, kind: kind})
			}
		} else if kind, ok := p.Child(); ok {
			all = append(all, object{name: p.Name, kind: kind, path: path + "/" + p.Name})
		}
	}
	return all, err
}

// objectProperty reads a property of an object into value. has is false if there is no such object or
// property.
func (vm *VM) objectProperty(ctx context.Context, path, name string, value any) (has bool, err error) {
	_, has, err = vm.lookUp(ctx, path, name, value)
	return has, err
}

// lookUp reads a property of an object into value. There may be no such object, or the object may not have the property.
func (vm *VM) lookUp(ctx context.Context, path, name string, value any) (object, has bool, err error) {
	raw, has, err := qom.Lookup[qmp.RawJSON](ctx, vm.conn, path, name)
	if errors.Is(err, qom.ErrNoObject) {
		return false, false, nil
	}
	return err == nil, has && json.Unmarshal(raw, value) == nil, err
}

// A kinds is a set of types of objects.
type kinds map[string]bool

// implementing asks QEMU for a type and all types that derive from it.
func (vm *VM) implementing(ctx context.Context, kind string) (kinds, error) {
	types, err := qemu.QOMListTypes{Implements: new(kind)}.Do(ctx, vm.conn)
	all := kinds{}
	for _, t := range types {
		all[t.Name] = true
	}
	return all, err
}

// property reads a property of a device into value. There may be no device of this id, or none
// with this property.
func (vm *VM) property(ctx context.Context, id, name string, value any) (device, has bool, err error) {
	return vm.lookUp(ctx, devicePath(id), name, value)
}

// deviceExists reports whether there is a device with this id.
func (vm *VM) deviceExists(ctx context.Context, id string) (bool, error) {
	var kind string
	device, _, err := vm.property(ctx, id, "type", &kind)
	return device, err
}
