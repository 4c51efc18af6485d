package hotplug

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// The kinds of things that a device can use, for people.
const (
	aNode    = "node"
	aDrive   = "drive" // of -drive
	aNetdev  = "netdev"
	anObject = "object"
	aChardev = "character device"
	anFDSet  = "fdset"
)

// defaultNames returns the names that a part of a device can have if the caller gives none. The first is for a disk, a
// NIC or memory, the second for another device.
func defaultNames(what, id string) []string {
	switch what {
	case aChardev:
		return []string{id + "-chardev"}
	case anObject:
		return []string{id, id + "-object"}
	case anFDSet:
		return nil // QEMU chooses the number
	}
	return []string{id}
}

const maxNodeName = 31 // bytes, of BDS.node_name in include/block/block_int-common.h

// oneName returns the name that the caller gave in field or in the ID or node-name of the backend's Options, or else
// byDefault.
func oneName(field, name, inOptions, byDefault string) (string, error) {
	if name != "" && inOptions != "" && name != inOptions {
		return "", fmt.Errorf("%s is %q, and Options has %q: give one of them", field, name, inOptions)
	}
	given := cmp.Or(name, inOptions)
	if given == "" {
		return byDefault, nil
	}
	return given, checkName(field, given)
}

// checkName checks a name by QEMU's rule (id_wellformed of util/id.c).
func checkName(field, name string) error {
	for i, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		other := '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_'
		if !letter && (i == 0 || !other) {
			return fmt.Errorf("%s must begin with a letter, and have letters, digits, '-', '.' and '_' only", field)
		}
	}
	return nil
}

// A set of descriptors carries the names of its device and of its node, see opaqueOf. Other parts of a device have no
// place for a text. If such a part does not have its default name, a mark tells later that it belongs to the device: an
// object that nothing uses, with the names in its ID.

// markOf returns the ID of the mark for a part of a device.
func markOf(id, what, name string) string { return markPrefix(id, what) + name }

// markObject returns the object of a mark: a secret without content.
func markObject(id string) qemu.ObjectAdd {
	return qemu.ObjectAdd{ID: id, QOMType: qemu.ObjectTypeSecret, Branch: &qemu.SecretProperties{Data: new("")}}
}

func markPrefix(id, what string) string {
	return id + "." + strings.ReplaceAll(what, " ", "-") + "."
}

// checkReading returns an error if the IDs of marks and secrets of a device would have a second reading: "a.node.node.x"
// could belong to the device "a" or "a.node".
func checkReading(id string) error {
	for _, what := range []string{aNode, aNetdev, aChardev, anObject} {
		if word := strings.Trim(markPrefix("", what), "."); slices.Contains(strings.Split(id, ".")[1:], word) {
			return fmt.Errorf("ID must not have the part %q if a part of the device has another name or the disk has secrets", "."+word)
		}
	}
	return nil
}

// markedBy returns the name of the part that an object marks for a device.
func markedBy(o object, id, what string) (name string, ok bool) {
	name, ok = strings.CutPrefix(o.name, markPrefix(id, what))
	return name, ok && o.kind == "secret" && name != ""
}

// unmark removes the mark for a part of a device, if it has one.
func (vm *VM) unmark(ctx context.Context, id, what, name string) error {
	if slices.Contains(defaultNames(what, id), name) {
		return nil
	}
	_, err := vm.removeObject(ctx, markOf(id, what, name))
	return err
}

// mark adds the mark for a part of a device, as a step of an operation before the part is added. A mark that exists
// already is enough: an interrupted operation left it, or a device with this ID exists, which a later step notices.
func (vm *VM) mark(ctx context.Context, undo *rollback, id, what, name string) error {
	if slices.Contains(defaultNames(what, id), name) {
		return nil
	}
	if err := checkReading(id); err != nil {
		return err
	}
	mark := markOf(id, what, name)
	add := markObject(mark)
	err := undo.step(ctx, step{
		what: "object " + mark,
		do:   func(ctx context.Context) error { return add.Do(ctx, vm.conn) },
		undo: func(ctx context.Context) error { _, err := vm.removeObject(ctx, mark); return err },
		ours: func(ctx context.Context) (bool, error) {
			exists, err := vm.deviceExists(ctx, id)
			if exists && err == nil && what == aNode { // AddNode adds to a device that exists
				exists, err = vm.nodeExists(ctx, name)
			}
			return !exists, err
		},
	})
	if !refused(err) {
		return err
	}
	switch kind, lookErr := vm.objectType(ctx, mark); {
	case lookErr != nil:
		return errors.Join(err, lookErr)
	case kind == "secret":
		return nil
	case kind != "":
		return exists(anObject, mark, kind)
	}
	return err
}
