package hotplug

import (
	"context"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// An answer is what an event says of a device that the guest was asked to release.
type answer int

const (
	noAnswer answer = iota
	gone
	partGone // a part of a CPU, and the whole maybe too
	refusal
)

// A kind is a kind of devices, by how QEMU and a guest that is asked to release one behave.
type kind struct {
	answer func(raw qmp.RawEvent, id string) answer // reads an event
	check  func(ctx context.Context, vm *VM) error  // whether this QEMU may be asked at all; nil: it may
	final  bool                                     // QEMU's refusal of the first request is its last word
}

var (
	anyDevice = kind{answer: answerOf}
	aCPU      = kind{answer: answerOfCPU, check: checkCPURemoval, final: true}
	aMemory   = kind{answer: answerOf}
)

// memoryUnplugError is what QEMU up to 7.2 sends for memory that does not go.
const memoryUnplugError = "MEM_UNPLUG_ERROR"

// answers are the events that may be an answer.
var answers = []string{
	//qmp:allow DEVICE_UNPLUG_GUEST_ERROR an older QEMU sends MEM_UNPLUG_ERROR, or nothing
	//qmp:allow MEM_UNPLUG_ERROR a newer QEMU sends DEVICE_UNPLUG_GUEST_ERROR
	qemu.EventDeviceDeleted, qemu.EventDeviceUnplugGuestError, qemu.EventACPIDeviceOST, memoryUnplugError,
}

// answerOf hears of all but CPUs. A part of a device, which has a path below the device's and no
// id, is none: when QEMU tells of it, it may not be done with the whole.
func answerOf(raw qmp.RawEvent, id string) answer {
	if raw.Name == qemu.EventACPIDeviceOST {
		return answerOfACPI(raw, id)
	}
	var data qemu.DeviceDeletedEvent // the other events' members are the same
	if qmp.DecodeEventData(raw.Data, &data) != nil {
		return noAnswer
	}
	path := devicePath(id)
	whole := qmp.Value(data.Device) == id || data.Path == path
	switch {
	case whole && raw.Name == qemu.EventDeviceDeleted:
		return gone
	case whole:
		return refusal
	}
	return noAnswer
}

// answerOfCPU hears of CPUs, where a part is all that may be told of: under TCG the interrupt
// controller.
func answerOfCPU(raw qmp.RawEvent, id string) answer {
	var data qemu.DeviceDeletedEvent
	if raw.Name == qemu.EventDeviceDeleted && qmp.DecodeEventData(raw.Data, &data) == nil &&
		strings.HasPrefix(data.Path, devicePath(id)+"/") {
		return partGone
	}
	return answerOf(raw, id)
}

// What the ACPI specification has in _OST (OSPM Status Indication).
const (
	ejectRequest    = 3    // the source event: the machine wants to take the device away
	ejectDone       = 0    // its status when the guest has released it
	ejectInProgress = 0x84 // and while it is about to
)

// answerOfACPI reads what a guest says of a CPU or of memory, which it refuses in this way only.
func answerOfACPI(raw qmp.RawEvent, id string) answer {
	var data qemu.ACPIDeviceOSTEvent
	if qmp.DecodeEventData(raw.Data, &data) != nil {
		return noAnswer
	}
	info := data.Info
	if qmp.Value(info.Device) != id || info.Source != ejectRequest ||
		info.Status == ejectDone || info.Status == ejectInProgress {
		return noAnswer
	}
	return refusal
}
