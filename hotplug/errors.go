package hotplug

import (
	"errors"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// ErrExists means that the ID is in use by a device, or that the name of the node, the netdev, the object or the
// character device is in use. The operation has changed nothing. If an interrupted AddDisk left a part of a disk,
// RemoveDisk removes it; the same holds for the other operations.
var ErrExists = errors.New("device ID is in use")

// ErrNotDisk means that [VM.RemoveDisk] was called for a device that is not a disk. From [VM.ResizeDisk] it means that
// the device has no storage that QEMU can resize, from [VM.BlockInfo] that it has no storage in QEMU. The operation has
// changed nothing.
var ErrNotDisk = errors.New("device is not a disk")

// ErrNoID means that [VM.RemoveDisk] was called for a disk whose device has no ID, by its name of [DiskNames]. The operation
// has changed nothing. The command device_del takes the device's path in QEMU's tree of objects.
var ErrNoID = errors.New("device has no ID")

// ErrNotNIC means that [VM.RemoveNIC] was called for a device that is not a NIC. The operation has changed nothing.
var ErrNotNIC = errors.New("device is not a NIC")

// ErrNoFreeSlot means that no free slot of PCI takes devices while the machine runs. The error names the option of QEMU
// that gives the machine more. It also matches ErrNoFreePlace. An operation that adds a device has undone its steps.
var ErrNoFreeSlot = because(ErrNoFreePlace, "no free PCI slot")

// ErrNoBus means that the machine does not have the PCI bus that the caller named to [VM.FreePCISlot] or
// [PCITree.FreeSlot].
var ErrNoBus = errors.New("no such PCI bus")

// ErrNotShared means that no memory of the machine is shared, so a vhost-user server could not use it. The
// operation has changed nothing. See [VhostUser].
var ErrNotShared = errors.New("machine has no shared memory, which vhost-user needs: start it with memory-backend-memfd,share=on")

// ErrNotCPU means that [VM.RemoveCPU] was called for a device that is not a CPU. It has changed nothing.
var ErrNotCPU = errors.New("device is not a CPU")

// ErrNotMemory means that [VM.RemoveMemory] was called for a device that is not memory; it has changed nothing. From
// [VM.ResizeMemory] it means that there is no such device, or that the device's size cannot change.
var ErrNotMemory = errors.New("device is not memory")

// ErrNotAlone means that other devices are on the buses of the device: QEMU would remove them with it. From
// [VM.RemoveFunctions] it can also mean that a device has an object with memory: call [VM.RemoveMemory]. The operation
// has changed nothing.
var ErrNotAlone = errors.New("device is not alone")

// ErrNotOurs means that a part of a removed device stays because this package did not add the part. It is only in
// [Kept]. [WithBackend] removes such parts.
var ErrNotOurs = errors.New("was not added by this package")

// ErrInUse means that a part of a device was not removed because something else uses the part, for example an overlay
// that uses the block node of a disk.
var ErrInUse = errors.New("in use")

// ErrNoFreePlace means that the machine has no free place for a CPU, or no bus or free PCI slot for a device. An operation
// that adds a device has undone its steps.
var ErrNoFreePlace = errors.New("no free place")

// ErrMoved means that [VM.ReplaceNIC] has replaced the NIC, but not in its place: another device has taken the place, or it
// is gone. [VM.DeviceInfo] returns the new place.
var ErrMoved = errors.New("NIC was added in another place, because the old place is taken")

// ErrResizePending means that the context ended before the guest used the requested amount of a virtio-mem
// device. The guest continues. Call the operation again to wait for it and to finish. The error also
// matches the context's error.
var ErrResizePending = errors.New("guest has not resized its memory yet")

// ErrUnplugRefused means that the guest refused to release the device. The device and everything that
// belongs to it stay as they were. QEMU reports the refusal with the event DEVICE_UNPLUG_GUEST_ERROR or,
// for a CPU or memory, with ACPI_DEVICE_OST or MEM_UNPLUG_ERROR.
var ErrUnplugRefused = errors.New("guest refused to release the device")

// ErrUnplugPending means that the context ended before the guest released the device. No part of the device has been
// removed. The guest may still release the device at any time, or when the machine is reset. Call the operation again
// to wait for it and to remove the rest. The error also matches the context's error. QEMU refuses a request while the
// guest is busy with the slot, or while an earlier request is pending. If it refused the last request, the error also
// has its answer, a [*qmp.Error].
//
// The guest of an s390x machine whose CPUs have no PCI (zpci) never releases a PCI device. The error then comes
// after 2 seconds and matches [errors.ErrUnsupported] too.
var ErrUnplugPending = errors.New("guest has not released the device yet")

// ErrDescriptorsKept means that QEMU has not closed descriptors that it was told to close. Everything else
// is removed. QEMU 5.2 and 7.2 do not close descriptors while the machine is stopped; 10.0 does. Call the method again
// when the machine runs.
var ErrDescriptorsKept = qmpfd.ErrKept

// exists is the error of an operation that adds a part whose name something else has. kind is the type of an object.
func exists(what, name, kind string) error {
	if kind != "" {
		kind = " (" + kind + ")"
	}
	return because(ErrExists, "%s %q exists%s", what, name, kind)
}

// because returns an error that has the given text and matches a sentinel.
func because(is error, format string, args ...any) error {
	return &reason{fmt.Sprintf(format, args...), is}
}

type reason struct {
	text string
	is   error
}

func (e *reason) Error() string { return e.text }
func (e *reason) Unwrap() error { return e.is }

// A MissingError says that the running QEMU lacks commands. It matches [errors.ErrUnsupported].
type MissingError struct {
	Kind     Kind     // of the devices that need the commands
	Commands []string // the missing ones
}

// Error names the commands.
func (e *MissingError) Error() string {
	return "QEMU does not have " + strings.Join(e.Commands, ", ")
}

// Unwrap returns [errors.ErrUnsupported].
func (e *MissingError) Unwrap() error { return errors.ErrUnsupported }

// A RollbackError says that an operation failed and could not be undone completely. errors.Is and errors.As
// look into both of its errors.
type RollbackError struct {
	Err  error    // why the operation failed
	Undo error    // why it could not be undone
	Left []string // what may be left in QEMU, the last added first: "device data1", "node data1"
}

// Error returns both errors and the things that may be left, in one line.
func (e *RollbackError) Error() string {
	undo := strings.ReplaceAll(e.Undo.Error(), "\n", "; ")
	return fmt.Sprintf("%v; undo failed: %s; may be left: %s", e.Err, undo, strings.Join(e.Left, ", "))
}

// Unwrap returns both errors.
func (e *RollbackError) Unwrap() []error { return []error{e.Err, e.Undo} }

// MayHaveExecuted returns true: something may be left. See [qmp.MayHaveExecuted].
func (e *RollbackError) MayHaveExecuted() bool { return true }

// A pendingError matches ErrUnplugPending, the reason why the wait ended, and QEMU's last answer if that
// was a refusal.
type pendingError struct{ reason, refusal error }

func (e *pendingError) Error() string {
	text := ErrUnplugPending.Error() + ": " + e.reason.Error()
	if e.refusal != nil {
		text += "; QEMU last answered: " + e.refusal.Error()
	}
	return text
}

func (e *pendingError) Unwrap() []error {
	all := []error{ErrUnplugPending, e.reason}
	if e.refusal != nil {
		all = append(all, e.refusal)
	}
	return all
}

// MayHaveExecuted returns true: the guest may release the device at any time. The errors that e wraps are
// about single requests.
func (e *pendingError) MayHaveExecuted() bool { return true }

// A SharedSlotError says that a PCI device was not unplugged, because the guest would release other devices
// with it: the other functions of its slot. [VM.RemoveFunctions] removes them together. The operation has
// changed nothing.
type SharedSlotError struct {
	ID     string   // of the device
	Others []string // the other devices, sorted: the ID of each, or its QOM path if it has no ID
}

// Error names the other devices.
func (e *SharedSlotError) Error() string {
	return "guest would release other functions of the slot too: " + strings.Join(e.Others, ", ")
}
