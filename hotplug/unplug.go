package hotplug

import (
	"context"
	"errors"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// lookInterval is how often an unplug looks whether the device is still there, besides listening:
// QEMU 7.2 and 10.0 send no DEVICE_DELETED for a qemu-xhci.
const lookInterval = time.Second

// refusedPause is the time before QEMU is asked again after it refused. PCI Express refuses while
// the guest powers the slot on, and for 5 seconds after a request.
const refusedPause = time.Second

// A guest can lose a request: while it boots, or while it is still busy with the device's arrival.
// So it is asked again.
const (
	askAgain = 2 * time.Second

	// buttonAgain is for a slot with an attention button (PCI Express's own hotplug, SHPC): the
	// guest takes a second press within 5 seconds as a wish to keep the device.
	buttonAgain = 7 * time.Second
)

// goneGrace is how long to wait for the event of a device that a look did not find any more. QEMU
// sends it when it has released what the device used, its ID included.
const goneGrace = 2 * time.Second

// lookLimit is how long it may take to look whether a device is there, for a caller whose
// context has ended.
const lookLimit = time.Second

// An unplugging is a request to the guest to release devices that leave together: usually one, or
// all functions of a PCI slot. QEMU is asked for the first.
type unplugging struct {
	vm   *VM
	ids  []string
	kind kind

	asked   bool  // QEMU has taken the request, so that the guest may act on it at any time
	refusal error // QEMU's last refusal of the request
}

// unplug asks the guest to release a device of any kind but CPUs and memory, and waits until it has.
func (vm *VM) unplug(ctx context.Context, id string) error {
	return vm.unplugAs(ctx, id, anyDevice)
}

// unplugAs asks the guest to release a device of this kind, which may be gone already. It waits
// until the device is gone, the guest refuses, or ctx ends.
func (vm *VM) unplugAs(ctx context.Context, id string, k kind) error {
	if err := vm.checkNeighbours(ctx, id); err != nil {
		return err
	}
	if k.check != nil {
		if exists, err := vm.deviceExists(ctx, id); err != nil || !exists {
			return err
		}
		if err := k.check(ctx, vm); err != nil {
			return err
		}
	}
	u := unplugging{vm: vm, ids: []string{id}, kind: k}
	return u.run(ctx)
}

// run asks, and asks again, until the devices are gone, the guest refuses, or ctx ends.
func (u *unplugging) run(ctx context.Context) error {
	events := u.vm.conn.Events(answers...) // before device_del causes any
	defer events.Close()
	for {
		pause := askAgain
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
	}
}

// await waits for the guest's answer, for so long. It also looks every second, since an event can
// be lost, or never be sent. It reports whether the unplug has ended.
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
		if a == gone && len(u.ids) == 1 {
			return true, nil
		}
		left, err := u.left(ctx)
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

// awaitRelease waits until QEMU has released what a device used that is gone, for a while: not every
// QEMU tells of every device.
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
		case errors.Is(err, qmp.ErrEventsLost): // one of those may have been it
			return noAnswer, nil
		case err != nil && ctx.Err() != nil:
			return noAnswer, u.stillPending(ctx, err)
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

// left reports whether any of the devices is still there.
func (u *unplugging) left(ctx context.Context) (bool, error) {
	for _, id := range u.ids {
		if exists, err := u.vm.deviceExists(ctx, id); err != nil || exists {
			return exists, err
		}
	}
	return false, nil
}

// stillPending is the end of an unplug whose context ended with err: nil if the devices have gone by
// then, and else an error that matches ErrUnplugPending.
func (u *unplugging) stillPending(ctx context.Context, err error) error {
	ctx, cancel := wait.Detach(ctx, lookLimit)
	defer cancel()
	if left, lookErr := u.left(ctx); lookErr == nil && !left {
		return nil
	}
	return &pendingError{reason: err, refusal: u.refusal}
}
