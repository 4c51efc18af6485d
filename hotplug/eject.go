package hotplug

import (
	"context"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
)

// With ACPI hotplug, a guest looks at the requests of all PCI slots whenever QEMU adds a device or asks for a removal.
// A request stays until the guest has ejected the device. So if something else is added or removed before that, or if
// the guest is asked again, the guest can eject the slot twice, and the second time takes a new device out of the slot.
// The events of the two are not told apart. So the VM leaves such a slot empty until the guest has had time to eject it
// again.
const (
	ejectAgain = 5 * time.Second        // a guest under emulation took 1.8 s at most
	lookDelay  = 250 * time.Millisecond // in which the guest looks after an addition
)

// ejections has the PCI slots that a guest is asked to eject, and the slots that it may eject again. It is safe for
// concurrent use.
type ejections struct {
	mu     sync.Mutex
	looks  time.Time // when the guest was last told to look without a request
	leaves map[PCISlot]*ejection
}

// An ejection is that of one slot.
type ejection struct {
	at      time.Time // when the guest was asked, or ejected the slot
	doubled bool      // the guest may have seen the request twice
	ejected bool
}

// look says that QEMU is about to tell the guest to look, because of a device that is added.
func (e *ejections) look() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.double()
	e.looks = time.Now()
}

// double records that the guest looks at all requests once more.
func (e *ejections) double() {
	for _, leaving := range e.leaves {
		leaving.doubled = leaving.doubled || !leaving.ejected
	}
}

// ask says that QEMU is about to ask the guest to eject a slot.
func (e *ejections) ask(slot PCISlot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.double()
	old := e.leaves[slot]
	asked := old != nil && !old.ejected
	if e.leaves == nil {
		e.leaves = map[PCISlot]*ejection{}
	}
	e.leaves[slot] = &ejection{at: time.Now(), doubled: asked || time.Since(e.looks) < lookDelay}
}

// ejected says that the guest has ejected a slot that it was asked to eject.
func (e *ejections) ejected(slot PCISlot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch leaving := e.leaves[slot]; {
	case leaving == nil:
	case leaving.doubled:
		leaving.at, leaving.ejected = time.Now(), true
		e.looks = leaving.at
	default:
		delete(e.leaves, slot)
	}
}

// kept says that the guest keeps the device of a slot that it was asked to eject.
func (e *ejections) kept(slot PCISlot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.leaves, slot)
}

// held returns the slots that must not get a new device, and for how long, because the guest may eject them once more.
// The time is 0 while the old device is still in the slot. An empty bus means all buses.
func (e *ejections) held(bus string) map[PCISlot]time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	held := map[PCISlot]time.Duration{}
	for slot, leaving := range e.leaves {
		pause := ejectAgain - time.Since(leaving.at)
		switch {
		case bus != "" && slot.Bus != bus || !leaving.doubled:
		case !leaving.ejected:
			held[slot] = 0
		case pause > 0:
			held[slot] = pause
		default:
			delete(e.leaves, slot)
		}
	}
	return held
}

// awaitHeld waits until the slot of an address ("5", "5.1") is not held any more. An empty bus means all buses.
func (e *ejections) awaitHeld(ctx context.Context, bus, addr string) error {
	slot := -1
	_, _ = fmt.Sscanf(addr, "%x", &slot)
	var longest time.Duration
	for held, pause := range e.held(bus) {
		if held.Slot == slot {
			longest = max(longest, pause)
		}
	}
	return sleep(ctx, longest)
}

// awaitAny waits until one of the slots of a bus is not held any more. It reports whether there was one to wait for.
func (e *ejections) awaitAny(ctx context.Context, bus string) (waited bool, err error) {
	var shortest time.Duration
	for _, pause := range e.held(bus) {
		if shortest == 0 || pause > 0 && pause < shortest {
			shortest = pause
		}
	}
	return shortest > 0, sleep(ctx, shortest)
}

// sleep waits for a pause that ends an ejection.
func sleep(ctx context.Context, pause time.Duration) error {
	if pause <= 0 {
		return nil
	}
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the guest may eject a new device: %w", wait.Err(ctx))
	}
}

// ejectedByACPI reports whether the machine's ACPI controller asks the guest to eject the slots of a bus, and not the
// port or bridge that has the bus. bus is its path.
func (vm *VM) ejectedByACPI(ctx context.Context, bus string) bool {
	if known, ok := vm.acpiBuses.Load(bus); ok {
		return known.(bool)
	}
	var handler string
	has, err := vm.objectProperty(ctx, bus, "hotplug-handler", &handler)
	acpi := has && handler != "" && handler != path.Dir(bus)
	if err == nil {
		vm.acpiBuses.Store(bus, acpi)
	}
	return acpi
}

// boardEjections has the CPUs and the memory that a guest is asked to eject. ACPI has separate requests for them: such a
// request stays only until the guest has seen it, so the guest ejects a device twice only if QEMU asked for it twice. QEMU
// can give the place to a new device in between. So the VM adds no CPU and no memory until the guest has had time to eject
// the place again. It is safe for concurrent use.
type boardEjections struct {
	mu    sync.Mutex
	asked map[string]int // by the ID of the device: how often QEMU was asked
	until time.Time      // when the guest has ejected all places that it ejects again
}

// ask says that QEMU is about to ask the guest to eject a device.
func (e *boardEjections) ask(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asked == nil {
		e.asked = map[string]int{}
	}
	e.asked[id]++
}

// ejected says that the device is gone.
func (e *boardEjections) ejected(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asked[id] > 1 {
		e.until = time.Now().Add(ejectAgain)
	}
	delete(e.asked, id)
}

// kept says that the guest keeps the device.
func (e *boardEjections) kept(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.asked, id)
}

// twice returns the devices that QEMU was asked for twice, and whose end nobody has seen.
func (e *boardEjections) twice() (ids []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, n := range e.asked {
		if n > 1 {
			ids = append(ids, id)
		}
	}
	return ids
}

// awaitBoard waits until the guest ejects no CPU and no memory that is added now.
func (vm *VM) awaitBoard(ctx context.Context) error {
	for _, id := range vm.boards.twice() {
		exists, err := vm.deviceExists(ctx, id)
		if err != nil {
			return err
		}
		if !exists { // the guest has ejected it after the operation that asked for it had ended
			vm.boards.ejected(id)
		}
	}
	vm.boards.mu.Lock()
	pause := time.Until(vm.boards.until)
	vm.boards.mu.Unlock()
	return sleep(ctx, pause)
}
