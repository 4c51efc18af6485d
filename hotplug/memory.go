package hotplug

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Memory describes memory to add. ID and Backend are required. The machine must have been started with room
// for it: -m 1G,slots=4,maxmem=8G.
type Memory struct {
	// ID is the name of the device. The package comment has the rules for IDs.
	ID string

	// ObjectID is the name of the object behind the device. If it is empty, it is ID. The ID in the Options of an
	// [Object] names the object, too.
	ObjectID string

	// Backend is the object that provides the memory: a [RAM] or an [Object].
	Backend MemoryBackend

	// Driver is the driver of the device. If it is empty, it is "pc-dimm"; on s390x it is "virtio-mem-ccw" (QEMU 10.0 and
	// newer), whose requested-size is then all of the memory unless Props has another one. An aarch64 machine takes DIMMs
	// only with UEFI firmware. A riscv64 machine and a microvm take no memory while they run. Other drivers are:
	//   - "virtio-mem-pci": the property requested-size says how much of the memory the guest gets.
	//     [VM.ResizeMemory] changes the property.
	//   - "nvdimm": storage in memory. The machine needs the option nvdimm=on. QEMU cannot remove it.
	//   - "virtio-pmem-pci": storage in memory, through a virtio device. QEMU cannot remove it.
	Driver string

	// Bus is the ID of the bus for a virtio-mem-pci or a virtio-pmem-pci, as in [Disk]. A pc-dimm and an nvdimm need no
	// bus.
	Bus string

	// Props are further properties of the device, by their names in QEMU: "node" (the guest's NUMA node),
	// "requested-size" and others. [qmp.Args] lists the possible types of values.
	Props qmp.Args
}

const (
	defaultMemoryDriver = "pc-dimm"
	memoryBackend       = "memory-backend-" // the beginning of the types of such objects
)

// check returns an error if m is invalid. It sets ObjectID. It sends nothing.
func (m *Memory) check() (err error) {
	if err := checkID(m.ID); err != nil {
		return err
	}
	if m.Backend, err = backendOf(m.Backend); err != nil {
		return err
	}
	if m.ObjectID, err = m.Backend.checkMemory(m); err != nil {
		return err
	}
	return checkProps(m.Props, nil, "memdev")
}

// newObject returns the name of the object. inOptions is the ID in the options of the backend.
func (m *Memory) newObject(inOptions string) (string, error) {
	return oneName("ObjectID", m.ObjectID, inOptions, m.ID)
}

// A MemoryBackend is the object in QEMU that provides the memory. It is one of:
//   - [RAM]: memory of the QEMU process.
//   - [Object]: any memory that object-add can create: huge pages, a file, some NUMA nodes of the host.
type MemoryBackend interface {
	// checkMemory returns the name of the object, or an error if the backend is invalid. It sends nothing.
	checkMemory(m *Memory) (object string, err error)

	// object returns the request for the object.
	object(id string) qemu.ObjectAdd
}

// RAM is memory of the QEMU process (memory-backend-ram).
type RAM struct {
	// Size is the size in bytes. QEMU refuses a size that is not a multiple of the page size, or of 256 MiB on a pseries
	// machine. A Linux guest uses memory in blocks of 128 MiB or more, see [MemoryOptions].
	Size uint64
}

func (r RAM) checkMemory(m *Memory) (object string, err error) {
	if r.Size == 0 {
		return "", errors.New("RAM needs a Size")
	}
	return m.newObject("")
}

func (r RAM) object(id string) qemu.ObjectAdd {
	return qemu.ObjectAdd{
		ID:      id,
		QOMType: qemu.ObjectTypeMemoryBackendRAM,
		Branch:  &qemu.MemoryBackendProperties{Size: r.Size},
	}
}

// An Object is an object that object-add can create. For [Memory], it is any memory: huge pages, a file, some NUMA
// nodes of the host. For a [Device], it is what [DeviceBackend] lists.
type Object struct {
	// Options describes the object. If its ID is empty, it is the ObjectID of the memory, or "ID-object" for a device.
	// Its QOMType may be empty if Branch determines it.
	Options qemu.ObjectOptions
}

func (o Object) checkMemory(m *Memory) (object string, err error) {
	kind, err := typeOf(&o.Options)
	if err != nil {
		return "", fmt.Errorf("Options: %w", err)
	}
	if !strings.HasPrefix(kind, memoryBackend) {
		return "", fmt.Errorf("Options has the type %q: it must be a memory backend", kind)
	}
	return m.newObject(o.Options.ID)
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
	return deviceOf(m.ID, m.Driver, defaultMemoryDriver, m.Bus, qmp.Args{"memdev": m.ObjectID}, m.Props)
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
//   - [ErrNoFreePlace]: Bus is empty, and the machine has no free slot for a virtio-mem-pci or a virtio-pmem-pci.
//   - [*qmp.Error]: QEMU refused a command, which the error names.
//   - [errors.ErrUnsupported]: the machine cannot get memory with this driver while it runs, or was started
//     without slots for it. The error says what to do. Nothing has been changed.
//
// QEMU cannot remove an nvdimm or a virtio-pmem-pci. If AddMemory does not get QEMU's answer for one, it
// returns a [*RollbackError] that lists the device.
//
// Source: qom-list-types, query-acpi-ospm-status, object-add, device_add.
func (vm *VM) AddMemory(ctx context.Context, m Memory) error {
	return vm.adding(ctx, "memory", m.ID, func(undo *rollback) error { return vm.addMemory(ctx, undo, &m) })
}

func (vm *VM) addMemory(ctx context.Context, undo *rollback, m *Memory) error {
	if err := m.check(); err != nil {
		return err
	}
	object := m.Backend.object(m.ObjectID)
	if err := vm.chooseMemory(ctx, m, object); err != nil {
		return err
	}
	if err := vm.mark(ctx, undo, m.ID, anObject, m.ObjectID); err != nil {
		return err
	}
	err := undo.step(ctx, step{
		what: "memory backend " + m.ObjectID,
		do:   func(ctx context.Context) error { return object.Do(ctx, vm.conn) },
		undo: func(ctx context.Context) error { return vm.removeBackend(ctx, m.ObjectID) },
		ours: func(ctx context.Context) (bool, error) { return vm.madeBy(ctx, object) },
	})
	if err = whyRefused(err, func() error { return vm.checkNoObject(ctx, m.ID, m.ObjectID) }); err != nil {
		return err
	}
	return vm.plugAs(ctx, undo, m.device(), vm.unplugMemory)
}

// checkNoObject returns an error if a device or an object has the ID that memory is to get.
func (vm *VM) checkNoObject(ctx context.Context, id, objectID string) error {
	if err := vm.checkNoDevice(ctx, id); err != nil {
		return err
	}
	kind, err := vm.objectType(ctx, objectID)
	if err == nil && kind != "" {
		err = exists(anObject, objectID, kind)
	}
	return err
}

// memoryOf reads the type and the size of memory from the request for its object.
func memoryOf(object qemu.ObjectAdd) (of struct {
	Type string `json:"qom-type"`
	Size uint64 `json:"size"`
}, err error) {
	text, err := object.MarshalJSON()
	if err == nil {
		err = json.Unmarshal(text, &of)
	}
	return of, err
}

// chooseMemory makes sure that the machine can get memory with the driver of m. If the caller has not chosen one, it
// chooses the driver.
func (vm *VM) chooseMemory(ctx context.Context, m *Memory, object qemu.ObjectAdd) (err error) {
	if m.Driver != "" {
		return vm.checkMemoryDriver(ctx, m.Driver)
	}
	if m.Driver, err = vm.defaultMemory(ctx); err != nil || m.Driver == defaultMemoryDriver {
		return err
	}
	of, err := memoryOf(object)
	props := qmp.Args{requestedSize: of.Size}
	maps.Copy(props, m.Props)
	m.Props = props
	return err
}

// madeBy reports whether the object with the ID of a request has the type and the size of the request.
func (vm *VM) madeBy(ctx context.Context, object qemu.ObjectAdd) (bool, error) {
	want, err := memoryOf(object)
	if err != nil {
		return false, err
	}
	var kind string
	var size uint64
	for name, value := range map[string]any{"type": &kind, "size": &size} {
		if _, err := vm.objectProperty(ctx, objectPath(object.ID), name, value); err != nil {
			return false, err
		}
	}
	return kind == want.Type && size == want.Size, nil
}
