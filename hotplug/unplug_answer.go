package hotplug

import (
	"context"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// An answer is the meaning of an event for an unplug.
type answer int

const (
	noAnswer answer = iota
	gone
	partGone // a part of a CPU is gone, and perhaps the whole CPU
	refusal
)

// A kind is a kind of device, by the behaviour of QEMU and the guest when it is unplugged.
type kind struct {
	answer func(raw qmp.RawEvent, id string) answer // reads an event
	check  func(ctx context.Context, vm *VM) error  // returns an error if this QEMU must not be asked; may be nil
	board  bool                                     // a CPU or memory: ACPI has separate requests for these
	final  bool                                     // if QEMU refuses the first request, it always will
}

var (
	anyDevice = kind{answer: answerOf}
	aCPU      = kind{answer: answerOfCPU, check: checkCPURemoval, board: true, final: true}
	aMemory   = kind{answer: answerOf, board: true}
)

// memoryUnplugError is the event that QEMU up to 7.2 sends when the guest refuses to release memory.
const memoryUnplugError = "MEM_UNPLUG_ERROR"

// answers are the names of the events that can be an answer.
var answers = []string{
	//qmp:allow DEVICE_UNPLUG_GUEST_ERROR an older QEMU sends MEM_UNPLUG_ERROR, or nothing
	//qmp:allow MEM_UNPLUG_ERROR a newer QEMU sends DEVICE_UNPLUG_GUEST_ERROR
	qemu.EventDeviceDeleted, qemu.EventDeviceUnplugGuestError, qemu.EventACPIDeviceOST, memoryUnplugError,
}

// answerOf reads an event about a device that is not a CPU. It ignores a part of a device, which has a path
// below the device's and no ID: QEMU may still be removing the whole device then.
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

// answerOfCPU reads an event about a CPU. Under TCG, QEMU may send an event for a part of the CPU only, the
// interrupt controller.
func answerOfCPU(raw qmp.RawEvent, id string) answer {
	var data qemu.DeviceDeletedEvent
	if raw.Name == qemu.EventDeviceDeleted && qmp.DecodeEventData(raw.Data, &data) == nil &&
		strings.HasPrefix(data.Path, devicePath(id)+"/") {
		return partGone
	}
	return answerOf(raw, id)
}

// Values of _OST (OSPM Status Indication) in the ACPI specification.
const (
	ejectRequest    = 3    // the source event: the machine asked to eject the device
	ejectDone       = 0    // the status when the guest has released it
	ejectInProgress = 0x84 // the status while the guest releases it
)

// answerOfACPI reads the guest's report about a CPU or memory. A guest refuses to release these only in
// this way.
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
