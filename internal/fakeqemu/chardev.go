package fakeqemu

import (
	"maps"
	"slices"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A chardevBackend is the part of a character device that the machine looks at: the name of the socket's descriptor.
type chardevBackend struct {
	Data struct {
		Addr struct {
			Data struct{ Str string }
		}
	}
}

func (m *Machine) queryChardev(*arguments) (any, error) {
	all := []qemu.ChardevInfo{}
	for _, id := range slices.Sorted(maps.Keys(m.chardev)) {
		all = append(all, qemu.ChardevInfo{Label: id})
	}
	return all, nil
}

// useChardev records which device uses a character device; "" is none.
func (m *Machine) useChardev(id, user string) error {
	if id == "" {
		return nil
	}
	if was, ok := m.chardev[id]; !ok || was != "" && user != "" {
		return generic("Property 'chardev' can't take value '%s', not found or in use", id)
	}
	m.chardev[id] = user
	return nil
}
