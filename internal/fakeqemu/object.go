package fakeqemu

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func (m *Machine) objectAdd(args *arguments) (any, error) {
	if m.objects[args.ID] != "" {
		return nil, generic("attempt to add duplicate property '%s' to object (type 'container')", args.ID)
	}
	m.objects[args.ID] = args.QOMType
	m.sizes[args.ID] = args.Size
	return nil, nil
}

func (m *Machine) objectDel(args *arguments) (any, error) {
	if m.objects[args.ID] == "" {
		return nil, generic("object '%s' not found", args.ID)
	}
	for _, d := range m.devices {
		if d.memdev == args.ID || d.objects["rng"] == args.ID || d.objects["cryptodev"] == args.ID {
			return nil, generic("object '%s' is in use, can not be deleted", args.ID)
		}
	}
	delete(m.objects, args.ID)
	delete(m.sizes, args.ID)
	return nil, nil
}

// qomList knows the containers of the user's devices and objects.
func (m *Machine) qomList(args *arguments) (any, error) {
	all := []qemu.ObjectPropertyInfo{}
	for i, id := range m.onBus(args.Path) {
		all = append(all, qemu.ObjectPropertyInfo{
			Name: fmt.Sprintf("child[%d]", i), Type: "link<" + m.devices[id].driver + ">"})
	}
	if len(all) > 0 {
		return all, nil
	}
	switch args.Path {
	case "/objects":
		for _, id := range slices.Sorted(maps.Keys(m.objects)) {
			all = append(all, qemu.ObjectPropertyInfo{Name: id, Type: "child<" + m.objects[id] + ">"})
		}
	case "/machine/peripheral":
		for _, id := range slices.Sorted(maps.Keys(m.devices)) {
			all = append(all, qemu.ObjectPropertyInfo{Name: id, Type: "child<" + m.devices[id].driver + ">"})
		}
	default:
		d := m.devices[strings.TrimPrefix(args.Path, "/machine/peripheral/")]
		if d == nil {
			return nil, deviceNotFound(args.Path)
		}
		for _, name := range d.properties() {
			all = append(all, qemu.ObjectPropertyInfo{Name: name, Type: "string"})
		}
	}
	return all, nil
}
