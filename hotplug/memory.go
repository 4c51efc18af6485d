package hotplug

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Memory says what memory to add, and how. ID and one of Size and Backend are needed. The machine
// was started with room for it: -m 1G,slots=4,maxmem=8G.
type Memory struct {
	// ID is the name of the memory: of its device and of the object behind it. See the package's
	// documentation for what it may be.
	ID string

	// Size is how much there is, in bytes. QEMU refuses sizes that are no multiple of a page, and
	// Linux uses memory in blocks of 128 MiB.
	Size uint64

	// Backend, instead of Size, is the object that has the memory: huge pages, a file, some NUMA
	// nodes of the host. Its ID may be left out, since it follows from ID, and its QOMType if it
	// follows from its Branch.
	Backend *qemu.ObjectOptions

	// Driver is the device's, "pc-dimm" when empty. With "virtio-mem-pci" the guest is given as
	// much of the memory as the property requested-size has, which ResizeMemory changes.
	Driver string

	// Bus is the id of the bus for a virtio-mem-pci, as in [Disk]. On q35 it must name an empty root
	// port. A pc-dimm needs none.
	Bus string

	// Props are further properties of the device, by their names in QEMU: "node", the guest's NUMA
	// node; "requested-size". See [qmp.Args] for what values they can have.
	Props qmp.Args
}

const (
	defaultMemoryDriver = "pc-dimm"
	memoryBackend       = "memory-backend-" // what the types of such objects begin with
)

// check finds what is wrong before anything is done.
func (m *Memory) check() error {
	if err := checkID(m.ID); err != nil {
		return err
	}
	if (m.Size == 0) == (m.Backend == nil) {
		return errors.New("needs one of Size and Backend")
	}
	if m.Backend != nil {
		kind, err := typeOf(m.Backend)
		if err != nil {
			return fmt.Errorf("Backend: %w", err)
		}
		if !strings.HasPrefix(kind, memoryBackend) {
			return fmt.Errorf("Backend is a %q: it must be one of memory", kind)
		}
		if m.Backend.ID != "" && m.Backend.ID != m.ID {
			return fmt.Errorf("Backend has the ID %q: it must be empty or ID", m.Backend.ID)
		}
	}
	if _, ok := m.Props["memdev"]; ok {
		return errors.New(`Props has "memdev", which follows from other fields`)
	}
	return nil
}

// typeOf returns the type of an object, which may follow from its branch alone.
func typeOf(object *qemu.ObjectOptions) (string, error) {
	text, err := object.MarshalJSON()
	if err != nil {
		return "", err
	}
	var options struct {
		Type string `json:"qom-type"`
	}
	err = json.Unmarshal(text, &options)
	return options.Type, err
}

// object is the request for the object.
func (m *Memory) object() qemu.ObjectAdd {
	if m.Backend != nil {
		add := qemu.ObjectAdd(*m.Backend)
		add.ID = m.ID
		return add
	}
	return qemu.ObjectAdd{
		ID:      m.ID,
		QOMType: qemu.ObjectTypeMemoryBackendRAM,
		Branch:  &qemu.MemoryBackendProperties{Size: m.Size},
	}
}

// device is the request for the device.
func (m *Memory) device() qemu.DeviceAdd {
	add := qemu.DeviceAdd{Driver: m.Driver, ID: new(m.ID), Bus: qmp.NonZero(m.Bus), Props: qmp.Args{"memdev": m.ID}}
	if add.Driver == "" {
		add.Driver = defaultMemoryDriver
	}
	for name, value := range m.Props {
		add.Props[name] = value
	}
	return add
}

// objectType returns the type of the object with this id, "" if there is none.
func (vm *VM) objectType(ctx context.Context, id string) (string, error) {
	objects, err := vm.objects(ctx, objectsPath, "child")
	for _, o := range objects {
		if o.name == id {
			return o.kind, err
		}
	}
	return "", err
}

// backendExists tells whether there is memory of this name, with or without a device.
func (vm *VM) backendExists(ctx context.Context, id string) (bool, error) {
	kind, err := vm.objectType(ctx, id)
	return strings.HasPrefix(kind, memoryBackend), err
}

// removeBackend removes a device's memory, which may be gone already, and waits a while for its
// users to leave.
func (vm *VM) removeBackend(ctx context.Context, id string) error {
	exists, err := vm.backendExists(ctx, id)
	if err != nil || !exists {
		return err // an object of another kind is not this memory's
	}
	return removeBusy(ctx,
		func() error { return qemu.ObjectDel{ID: id}.Do(ctx, vm.conn) },
		func() (bool, error) { return vm.backendExists(ctx, id) })
}

// AddMemory adds memory: an object that has it (object-add) and a device (device_add). When it
// returns the guest is being told of it; how a Linux guest uses it is decided by its kernel
// parameter memhp_default_state: with "online_movable" it can give it back.
//
// When it fails, everything is as before, unless the error is a [*RollbackError]. An error that
// matches [ErrExists] says that the ID is in use, by a device or an object.
func (vm *VM) AddMemory(ctx context.Context, m Memory) error {
	return vm.adding(ctx, "memory", m.ID, func(undo *rollback) error { return vm.addMemory(ctx, undo, &m) })
}

func (vm *VM) addMemory(ctx context.Context, undo *rollback, m *Memory) error {
	if err := m.check(); err != nil {
		return err
	}
	if err := vm.checkNoDevice(ctx, m.ID); err != nil {
		return err
	}
	kind, err := vm.objectType(ctx, m.ID)
	if err != nil {
		return err
	}
	if kind != "" {
		return fmt.Errorf("%w: an object %s (%s) without a device", ErrExists, m.ID, kind)
	}
	err = undo.step("memory backend "+m.ID,
		func() error { return m.object().Do(ctx, vm.conn) },
		func(ctx context.Context) error { return vm.removeBackend(ctx, m.ID) })
	if err != nil {
		return err
	}
	return undo.step("device "+m.ID,
		func() error { return m.device().Do(ctx, vm.conn) },
		func(ctx context.Context) error { return vm.unplugMemory(ctx, m.ID) })
}
