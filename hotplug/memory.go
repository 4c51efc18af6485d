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

// Memory describes memory to add. ID and Backend are required. The machine must have been started with room
// for it: -m 1G,slots=4,maxmem=8G.
type Memory struct {
	// ID is the name of the device and of the object behind it. The package comment has the rules for IDs.
	ID string

	// Backend is the object that provides the memory: a [RAM] or an [Object].
	Backend MemoryBackend

	// Driver is the driver of the device. If it is empty, it is "pc-dimm". With "virtio-mem-pci", the
	// property requested-size says how much of the memory the guest gets. ResizeMemory changes it.
	Driver string

	// Bus is the ID of the bus for a virtio-mem-pci, as in [Disk]. A pc-dimm needs no bus.
	Bus string

	// Props are further properties of the device, by their names in QEMU: "node", the guest's NUMA node;
	// "requested-size". [qmp.Args] lists the possible types of values.
	Props qmp.Args
}

const (
	defaultMemoryDriver = "pc-dimm"
	memoryBackend       = "memory-backend-" // the beginning of the types of such objects
)

// check returns an error if m is invalid. It sends nothing.
func (m *Memory) check() (err error) {
	if err := checkID(m.ID); err != nil {
		return err
	}
	if m.Backend, err = backendOf(m.Backend); err != nil {
		return err
	}
	if err := m.Backend.checkMemory(m.ID); err != nil {
		return err
	}
	return checkProps(m.Props, nil, "memdev")
}

// A MemoryBackend is the object in QEMU that provides the memory. It is one of:
//   - [RAM]: memory of the QEMU process.
//   - [Object]: any memory that object-add can create: huge pages, a file, some NUMA nodes of the host.
type MemoryBackend interface {
	// checkMemory returns an error if the backend is invalid. It sends nothing. id is the memory's.
	checkMemory(id string) error

	// object returns the request for the object.
	object(id string) qemu.ObjectAdd
}

// RAM is memory of the QEMU process (memory-backend-ram).
type RAM struct {
	// Size is the size in bytes. QEMU refuses a size that is not a multiple of the page size, and a Linux guest
	// uses memory in blocks of 128 MiB.
	Size uint64
}

func (r RAM) checkMemory(string) error {
	if r.Size == 0 {
		return errors.New("RAM needs a Size")
	}
	return nil
}

func (r RAM) object(id string) qemu.ObjectAdd {
	return qemu.ObjectAdd{
		ID:      id,
		QOMType: qemu.ObjectTypeMemoryBackendRAM,
		Branch:  &qemu.MemoryBackendProperties{Size: r.Size},
	}
}

// An Object is any memory that object-add can create: huge pages, a file, some NUMA nodes of the host.
type Object struct {
	// Options describes the object. Its ID must be empty or the memory's. Its QOMType may be empty if
	// Branch determines it.
	Options qemu.ObjectOptions
}

func (o Object) checkMemory(id string) error {
	kind, err := typeOf(&o.Options)
	if err != nil {
		return fmt.Errorf("Options: %w", err)
	}
	if !strings.HasPrefix(kind, memoryBackend) {
		return fmt.Errorf("Options has the type %q: it must be a memory backend", kind)
	}
	if o.Options.ID != "" && o.Options.ID != id {
		return fmt.Errorf("Options has the ID %q: it must be empty or the ID of the memory", o.Options.ID)
	}
	return nil
}

func (o Object) object(id string) qemu.ObjectAdd {
	add := qemu.ObjectAdd(o.Options)
	add.ID = id
	return add
}

// typeOf returns the type of an object, which the branch alone may determine.
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

// device returns the request for the device.
func (m *Memory) device() qemu.DeviceAdd {
	return deviceOf(m.ID, m.Driver, defaultMemoryDriver, m.Bus, qmp.Args{"memdev": m.ID}, m.Props)
}

// objectType returns the type of the object with this ID, or "" if there is none.
func (vm *VM) objectType(ctx context.Context, id string) (string, error) {
	objects, err := vm.objects(ctx, objectsPath, "child")
	for _, o := range objects {
		if o.name == id {
			return o.kind, err
		}
	}
	return "", err
}

// backendExists reports whether a memory object has this ID, with or without a device.
func (vm *VM) backendExists(ctx context.Context, id string) (bool, error) {
	kind, err := vm.objectType(ctx, id)
	return strings.HasPrefix(kind, memoryBackend), err
}

// removeBackend removes the object of a memory device, if it exists. It waits for a while if the object is
// in use.
func (vm *VM) removeBackend(ctx context.Context, id string) error {
	exists, err := vm.backendExists(ctx, id)
	if err != nil || !exists {
		return err // an object of another kind is not this memory's
	}
	_, err = vm.removeObject(ctx, id)
	return err
}

// AddMemory hot-adds memory: the object that provides it, and a device. When it returns, QEMU has told the
// guest. The kernel parameter memhp_default_state decides how a Linux guest uses the memory: with
// "online_movable" the guest can give it back.
//
// If AddMemory fails, everything is as before, unless the error is a [*RollbackError]. The error matches:
//   - [ErrExists]: the ID is in use, by a device or an object.
//   - [*qmp.Error]: QEMU refused a command, which the error names.
//
// Source: object-add, device_add.
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
		return because(ErrExists, "ID is in use by an object (%s) without a device", kind)
	}
	err = undo.step(ctx, step{
		what: "memory backend " + m.ID,
		do:   func(ctx context.Context) error { return m.Backend.object(m.ID).Do(ctx, vm.conn) },
		undo: func(ctx context.Context) error { return vm.removeBackend(ctx, m.ID) },
	})
	if err != nil {
		return err
	}
	p := plugging{vm: vm, undo: undo, device: m.device(), unplug: func(ctx context.Context) error { return vm.unplugMemory(ctx, m.ID) }}
	return p.run(ctx)
}
