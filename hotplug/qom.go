package hotplug

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Where devices are is told by QEMU's tree of objects. query-pci knows less: until the firmware has
// numbered the buses it lists nothing that is behind a bridge, and it never has a bus's name.

// An object is an object in the tree, in another or linked from there.
type object struct {
	name string // in the other
	kind string // its type
	path string // empty for a link
}

// objects lists what is in an object, which may be gone: "child" for its parts, "link" for what
// belongs elsewhere.
func (vm *VM) objects(ctx context.Context, path, relation string) ([]object, error) {
	members, err := qemu.QOMList{Path: path}.Do(ctx, vm.conn)
	if errors.Is(err, qmp.ErrDeviceNotFound) {
		return nil, nil
	}
	var all []object
	for _, m := range members {
		kind, ok := strings.CutPrefix(m.Type, relation+"<")
		if !ok {
			continue
		}
		o := object{name: m.Name, kind: strings.TrimSuffix(kind, ">")}
		if relation == "child" {
			o.path = path + "/" + m.Name
		}
		all = append(all, o)
	}
	return all, err
}

// objectProperty reads a property of an object into value. There may be no such object, or none
// with this property.
func (vm *VM) objectProperty(ctx context.Context, path, name string, value any) (has bool, err error) {
	raw, err := qemu.QOMGet{Path: path, Property: name}.Do(ctx, vm.conn)
	if refused(err) {
		return false, nil
	}
	return err == nil && json.Unmarshal(raw, value) == nil, err
}

// A kinds is a set of types of objects.
type kinds map[string]bool

// implementing asks for the types that are of another, or derived from it.
func (vm *VM) implementing(ctx context.Context, kind string) (kinds, error) {
	types, err := qemu.QOMListTypes{Implements: new(kind)}.Do(ctx, vm.conn)
	all := kinds{}
	for _, t := range types {
		all[t.Name] = true
	}
	return all, err
}
