package hotplug

import (
	"errors"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// ErrExists is matched by the error of an operation that adds something whose ID is in use, by
// a device, a block node, a netdev or an object, or the name of its character device, which derives
// from it. Nothing has been changed. If an operation that was cut off has left something, the
// operation that removes takes it away.
var ErrExists = errors.New("device ID is in use")

// ErrNotDisk is matched by the error of [VM.RemoveDisk] for the ID of a device that is not a disk,
// or uses a node with another name, and of [VM.ResizeDisk] for a device without storage that QEMU
// could resize. Nothing has been changed.
var ErrNotDisk = errors.New("device is not a disk")

// ErrNotNIC is matched by the error of [VM.RemoveNIC] for the ID of a device that is no NIC, or one
// with a netdev that is not its own, and for a netdev that another device uses. Nothing has been
// changed.
var ErrNotNIC = errors.New("device is not a NIC")

// ErrNoFreeSlot is matched by the error of [VM.FreePCISlot] when every slot is taken, or none takes
// devices while the machine runs.
var ErrNoFreeSlot = errors.New("no free PCI slot")

// ErrNoBus is matched by the error of [VM.FreePCISlot] for a bus that the machine does not have.
var ErrNoBus = errors.New("no such PCI bus")

// ErrNotCPU is matched by the error of [VM.RemoveCPU] for the ID of a device that is no CPU.
// Nothing has been changed.
var ErrNotCPU = errors.New("device is not a CPU")

// ErrNotMemory is matched by the error of [VM.RemoveMemory] for the ID of a device that is no
// memory, or one with an object that is not its own, and of [VM.ResizeMemory] for one that has
// no size to change. Nothing has been changed.
var ErrNotMemory = errors.New("device is not memory")

// ErrNotAlone is matched by the error of [VM.RemoveDevice] for a device that has something of the
// same name, which another operation removes with it, and of all removals for a device that has other
// devices on its buses. QEMU would remove these with it. Nothing has been changed.
var ErrNotAlone = errors.New("device is not alone")

// ErrInUse is matched by the error of an operation that cannot remove something because it is in use, for
// example [VM.RemoveNode] for the node of a disk. What is in use remains.
var ErrInUse = errors.New("in use")

// ErrNoFreePlace is matched by the error of [VM.AddCPU] when all places for the CPU are taken.
// Nothing has been changed.
var ErrNoFreePlace = errors.New("no free place")

// ErrResizePending is matched by the error of an operation whose context ended when the guest had
// been asked to use more or less of a virtio-mem device, and had not done so yet. It goes on doing
// so. Calling the operation again waits for it, and finishes. The error matches the context's too.
var ErrResizePending = errors.New("guest has not resized its memory yet")

// ErrUnplugRefused is matched by the error of an operation whose device the guest refuses to
// release (DEVICE_UNPLUG_GUEST_ERROR; for a CPU or memory ACPI_DEVICE_OST or MEM_UNPLUG_ERROR). The
// device, and all that belongs to it, is as it was.
var ErrUnplugRefused = errors.New("guest refused to release the device")

// ErrUnplugPending is matched by the error of an operation whose context ended before the guest
// released the device. The device may go at any time, or when the machine is reset; nothing that
// belongs to it has been taken away. Call the operation again to wait for it and to finish. The
// error matches the context's too. If QEMU's last answer to the request was a refusal, because the
// guest is busy with the slot or the request is still pending, the error has it as a [*qmp.Error].
var ErrUnplugPending = errors.New("guest has not released the device yet")

// ErrDescriptorsKept is matched by the error of an operation after which QEMU has descriptors
// left that it was told to close. QEMU 5.2 and 7.2 close none while the machine is stopped, 10.0
// does. When it runs, calling the operation that removes again closes them. Everything else is gone.
var ErrDescriptorsKept = qmpfd.ErrKept

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
	Kind     Kind     // of the devices that need them
	Commands []string // all that are missing
}

// Error names the commands.
func (e *MissingError) Error() string {
	return "QEMU does not have " + strings.Join(e.Commands, ", ")
}

// Unwrap returns [errors.ErrUnsupported].
func (e *MissingError) Unwrap() error { return errors.ErrUnsupported }

// A RollbackError is the error of an operation that failed and could not be undone completely.
// errors.Is and errors.As look into both of its errors.
type RollbackError struct {
	Err  error    // why the operation failed
	Undo error    // why it could not be undone
	Left []string // what may be left in QEMU, the last added first: "device data1", "node data1"
}

// Error returns both errors and what is left in one line.
func (e *RollbackError) Error() string {
	undo := strings.ReplaceAll(e.Undo.Error(), "\n", "; ")
	return fmt.Sprintf("%v; undo failed: %s; may be left: %s", e.Err, undo, strings.Join(e.Left, ", "))
}

// Unwrap returns both errors.
func (e *RollbackError) Unwrap() []error { return []error{e.Err, e.Undo} }

// MayHaveExecuted returns true: something may be left. See [qmp.MayHaveExecuted].
func (e *RollbackError) MayHaveExecuted() bool { return true }

// A pendingError matches ErrUnplugPending, the reason for which the wait ended, and QEMU's last
// refusal, if the last answer was one.
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

// MayHaveExecuted returns true: the guest may release the device at any time. The errors that e wraps
// are of single requests.
func (e *pendingError) MayHaveExecuted() bool { return true }

// A SharedSlotError says that a PCI device was not unplugged because the guest would release other
// devices with it: the other functions of its slot. [VM.RemoveFunctions] removes them together.
// Nothing has been changed.
type SharedSlotError struct {
	ID     string   // the device
	Others []string // the ids of the others, sorted; the QOM paths of those without an id
}

// Error names all of the devices.
func (e *SharedSlotError) Error() string {
	return "guest would release other functions of the slot too: " + strings.Join(e.Others, ", ")
}
