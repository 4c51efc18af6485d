package hotplug

import (
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// An answer is what an event says of a device that the guest was asked to let go of.
type answer int

const (
	noAnswer answer = iota
	gone
	partGone // a part of a CPU, and the whole maybe too
	refusal
)

// A kind is a kind of devices, by how a guest that is asked to let go of one behaves.
type kind struct {
	answer func(raw qmp.RawEvent, id string) answer // reads an event
	again  time.Duration                            // after which to ask again, 0 for not
}

// askAgain is for CPUs and memory: a guest that is still busy with the coming of one may miss that
// it is asked for it. Others are not asked twice: PCI Express's button, pressed again within 5
// seconds, takes the first request back.
const askAgain = 2 * time.Second

var (
	anyDevice = kind{answer: answerOf}
	aCPU      = kind{answer: answerOfCPU, again: askAgain}
	aMemory   = kind{answer: answerOf, again: askAgain}
)

// The events that may be an answer.
var (
	deviceDeleted = (*qemu.DeviceDeletedEvent)(nil).EventName()
	unplugRefused = (*qemu.DeviceUnplugGuestErrorEvent)(nil).EventName()
	acpiStatus    = (*qemu.ACPIDeviceOstEvent)(nil).EventName()
)

// memoryUnplugError is what QEMU up to 7.2 sends for memory that does not go.
const memoryUnplugError = "MEM_UNPLUG_ERROR"

var answers = []string{deviceDeleted, unplugRefused, acpiStatus, memoryUnplugError}

// answerOf hears of all but CPUs. A part of a device, which has a path below the device's and no
// id, is none: when QEMU tells of it, it may not be done with the whole.
func answerOf(raw qmp.RawEvent, id string) answer {
	if raw.Name == acpiStatus {
		return answerOfACPI(raw, id)
	}
	var data qemu.DeviceDeletedEvent // the other events' members are the same
	if qmp.DecodeEventData(raw.Data, &data) != nil {
		return noAnswer
	}
	path := devicePath(id)
	whole := qmp.Value(data.Device) == id || data.Path == path
	switch {
	case whole && raw.Name == deviceDeleted:
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
	if raw.Name == deviceDeleted && qmp.DecodeEventData(raw.Data, &data) == nil &&
		strings.HasPrefix(data.Path, devicePath(id)+"/") {
		return partGone
	}
	return answerOf(raw, id)
}

// What the ACPI specification has in _OST (OSPM Status Indication).
const (
	ejectRequest    = 3    // the source event: the machine wants to take the device away
	ejectDone       = 0    // its status when the guest has let go
	ejectInProgress = 0x84 // and while it is about to
)

// answerOfACPI reads what a guest says of a CPU or of memory, which it refuses in this way only.
func answerOfACPI(raw qmp.RawEvent, id string) answer {
	var data qemu.ACPIDeviceOstEvent
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
