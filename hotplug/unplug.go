package hotplug

import (
	"context"
	"errors"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// lookInterval is how often an unplug checks whether the device still exists, in addition to the events:
// QEMU 7.2 and 10.0 send no DEVICE_DELETED for a qemu-xhci.
const lookInterval = time.Second

// refusedPause is the time before QEMU is asked again after it refused. PCI Express refuses while
// the guest powers the slot on, and for 5 seconds after a request.
const refusedPause = time.Second

// A guest can lose a request while it boots or sets up the device. So an unplug asks again.
const (
	askAgain = 2 * time.Second

	// buttonAgain is for a slot with an attention button (PCI Express's own hotplug, SHPC): if the button
	// is pressed again within 5 seconds, the guest keeps the device.
	buttonAgain = 7 * time.Second
)

// goneGrace is how long to wait for DEVICE_DELETED after the device is gone. QEMU sends it when it has
// released everything that the device used, including its ID. QEMU 7.2, 10.0 and 11.1 take a new device with the same ID
// before that. So on a busy host, the event can come when the guest is asked to release the new device.
const goneGrace = 2 * time.Second

// lookLimit is how long the last check for the device may take after the caller's context has ended.
const lookLimit = time.Second

// An unplugging is a request to the guest to release devices that leave together: usually one, or all
// functions of a PCI slot. The request names the first device.
type unplugging struct {
	vm   *VM
	ids  []string
	kind kind
	slot *PCISlot // that ACPI asks the guest to eject, or nil

	asked   bool  // QEMU has taken the request, so that the guest may act on it at any time
	refusal error // QEMU's last refusal of the request
}

// unplug asks the guest to release a device that is not a CPU or memory, and waits until the guest has done
// so.
func (vm *VM) unplug(ctx context.Context, id string) error {
	return vm.unplugAs(ctx, id, anyDevice)
}

// unplugAs asks the guest to release a device of this kind. It waits until the device is gone, the guest
// refuses, or ctx ends. If the device is already gone, it returns nil.
func (vm *VM) unplugAs(ctx context.Context, id string, k kind) error {
	leaving, err := vm.depart(ctx, id)
	defer leaving.end()
	if err != nil {
		return err
	}
	if err := vm.checkNeighbours(ctx, leaving, id); err != nil {
		return err
	}
	return vm.unplugChecked(ctx, leaving, id, k)
}

// unplugChecked is unplugAs for a device that was found to be alone.
func (vm *VM) unplugChecked(ctx context.Context, leaving *departure, id string, k kind) error {
	if k.check != nil {
		if exists, err := vm.deviceExists(ctx, id); err != nil || !exists {
			return err
		}
		if err := k.check(ctx, vm); err != nil {
			return err
		}
	}
	u := unplugging{vm: vm, ids: []string{id}, kind: k, slot: leaving.ejects}
	return u.run(ctx)
}

// run asks the guest, again and again, until the devices are gone, the guest refuses, or ctx ends.
func (u *unplugging) run(ctx context.Context) error {
	id := u.ids[0]
	err := u.ask(ctx)
	switch {
	case err == nil && u.slot != nil:
		u.vm.ejections.ejected(*u.slot)
	case err == nil:
		u.vm.boards.ejected(id)
	case errors.Is(err, ErrUnplugRefused) && u.slot != nil:
		u.vm.ejections.kept(*u.slot)
	case errors.Is(err, ErrUnplugRefused):
		u.vm.boards.kept(id)
	}
	return err
}

func (u *unplugging) ask(ctx context.Context) error {
	events := u.vm.conn.Events(answers...) // before device_del causes any
	defer events.Close()
	for {
		pause := askAgain
		switch {
		case u.slot != nil:
			u.vm.ejections.ask(*u.slot)
		case u.kind.board:
			u.vm.boards.ask(u.ids[0])
		}
		err := qemu.DeviceDel{ID: u.ids[0]}.Do(ctx, u.vm.conn)
		switch {
		case err == nil:
			u.asked, u.refusal = true, nil
		case errors.Is(err, qmp.ErrDeviceNotFound):
			if len(u.ids) == 1 {
				if u.asked {
					u.awaitRelease(ctx, events)
				}
				return nil
			}
			u.ids = u.ids[1:]
			continue
		case refused(err):
			if u.kind.final && !u.asked || u.refusal == nil && u.vm.neverUnplugged(ctx, u.ids[0]) {
				return err
			}
			u.refusal, pause = err, refusedPause
		case ctx.Err() != nil && (u.asked || u.refusal != nil || qmp.MayHaveExecuted(err)):
			return u.stillPending(ctx, err)
		default:
			return err
		}
		done, err := u.await(ctx, events, pause)
		if !done && u.refusal == nil && u.vm.hasButton(ctx, u.ids[0]) {
			done, err = u.await(ctx, events, buttonAgain-askAgain)
		}
		if done {
			return err
		}
		if u.refusal == nil {
			if err := u.vm.neverReleased(ctx, u.ids[0]); err != nil {
				return &pendingError{reason: err}
			}
		}
	}
}

// await waits for the guest's answer until limit has passed. After an answer, and every second, it checks whether the
// devices exist. It reports whether the unplug has ended.
func (u *unplugging) await(ctx context.Context, events qmp.EventStream, limit time.Duration) (done bool, err error) {
	end := time.Now().Add(limit)
	for {
		look := time.Now().Add(lookInterval)
		if look.After(end) {
			look = end
		}
		a, err := u.nextAnswer(ctx, events, look)
		if err != nil {
			return true, err
		}
		if a == refusal {
			return true, ErrUnplugRefused
		}
		left, err := u.left(ctx) // the event can be that of an earlier device with this ID, see goneGrace
		switch {
		case err != nil && ctx.Err() != nil:
			return true, u.stillPending(ctx, err)
		case err != nil:
			return true, err
		case !left:
			if a == noAnswer {
				u.awaitRelease(ctx, events)
			}
			return true, nil
		case !time.Now().Before(end):
			return false, nil
		}
	}
}

// awaitRelease waits for the event that QEMU sends when it has released everything that the device used. It
// gives up after goneGrace, because some QEMUs send no event for some devices.
func (u *unplugging) awaitRelease(ctx context.Context, events qmp.EventStream) {
	end := time.Now().Add(goneGrace)
	for ctx.Err() == nil && time.Now().Before(end) {
		if a, err := u.nextAnswer(ctx, events, end); a == gone || err != nil {
			return
		}
	}
}

// nextAnswer returns the guest's next answer for the devices, or noAnswer when it is time to look.
func (u *unplugging) nextAnswer(ctx context.Context, events qmp.EventStream, look time.Time) (answer, error) {
	short, cancel := context.WithDeadline(ctx, look)
	defer cancel()
	for {
		raw, err := events.Next(short)
		switch {
		case errors.Is(err, qmp.ErrEventsLost): // the answer may be lost
			return noAnswer, nil
		case err != nil && ctx.Err() != nil:
			return noAnswer, u.stillPending(ctx, endOf(ctx, short.Err(), err))
		case err != nil && short.Err() != nil:
			return noAnswer, nil
		case err != nil:
			return noAnswer, err
		}
		for _, id := range u.ids {
			if a := u.kind.answer(raw, id); a != noAnswer {
				return a, nil
			}
		}
	}
}

// endOf returns why a wait ended with err after ctx has ended. If err is the end of a shorter context, whose
// time was over in the same moment, that is why ctx has ended.
func endOf(ctx context.Context, short, err error) error {
	if short != nil && errors.Is(err, short) {
		return wait.Err(ctx)
	}
	return err
}

// left reports whether any of the devices is still there.
func (u *unplugging) left(ctx context.Context) (bool, error) {
	for _, id := range u.ids {
		if exists, err := u.vm.deviceExists(ctx, id); err != nil || exists {
			return exists, err
		}
	}
	return false, nil
}

// stillPending returns the result of an unplug whose context ended with err: nil if the devices are gone,
// and else an error that matches ErrUnplugPending.
func (u *unplugging) stillPending(ctx context.Context, err error) error {
	ctx, cancel := wait.Detach(ctx, lookLimit)
	defer cancel()
	if left, lookErr := u.left(ctx); lookErr == nil && !left {
		return nil
	}
	return &pendingError{reason: err, refusal: u.refusal}
}
