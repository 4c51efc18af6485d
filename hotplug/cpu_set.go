package hotplug

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A CPUUnit is a part of the machine whose CPUs are added and removed together.
type CPUUnit string

// The units. If a machine does not have a unit, the next larger one takes its place: without dies, a die is a socket.
const (
	WholeCores    CPUUnit = "core-id"
	WholeModules  CPUUnit = "module-id"
	WholeClusters CPUUnit = "cluster-id"
	WholeDies     CPUUnit = "die-id"
	WholeSockets  CPUUnit = "socket-id"
)

// CPUOptions configures [VM.AddCPUs] and [VM.SetCPUs].
type CPUOptions struct {
	// Whole, if not empty, is the unit whose CPUs are added and removed together. Afterwards, each unit that the
	// operation has changed has all of its CPUs, or none. If Whole is empty, each CPU comes and goes alone: a thread of a
	// pc, a core of a pseries.
	Whole CPUUnit

	// Place limits the operation to some of the places of query-hotpluggable-cpus. A nil member matches every
	// place.
	Place qemu.CPUInstanceProperties

	// Props are as in [CPU], for each CPU that is added.
	Props qmp.Args
}

// A CPUChange is what [VM.SetCPUs] has done.
type CPUChange struct {
	Before, After int                    // numbers of virtual CPUs of the machine, as QEMU counts them
	Added         []qemu.HotpluggableCPU // in the order of adding
	Removed       []qemu.HotpluggableCPU // in the order of removing
	Kept          []KeptCPU              // the CPUs that should have been removed and are still there
}

// A KeptCPU is a CPU that [VM.SetCPUs] could not remove.
type KeptCPU struct {
	CPU qemu.HotpluggableCPU
	Err error // as from [VM.RemoveCPU]
}

// idOfCPU returns the ID of a CPU that was added while the machine ran, or with -device. Other CPUs have none.
func idOfCPU(cpu *qemu.HotpluggableCPU) string {
	id, ok := strings.CutPrefix(qmp.Value(cpu.QOMPath), devicePath(""))
	if !ok {
		return ""
	}
	return id
}

// idOfPlace returns the ID that AddCPUs and SetCPUs give the CPU in a place: "cpu-socket1-core0-thread0".
func idOfPlace(place *qemu.CPUInstanceProperties) string {
	id := "cpu"
	for _, at := range coordinates(place) {
		if at.value != nil && at.name != "node-id" {
			id += fmt.Sprintf("-%s%d", strings.TrimSuffix(at.name, "-id"), *at.value)
		}
	}
	return id
}

// check returns an error if o is invalid, and o with its defaults. It sends nothing.
func (o *CPUOptions) check(n int) (*CPUOptions, error) {
	if o == nil {
		o = &CPUOptions{}
	}
	if n < 1 {
		return nil, errors.New("number of CPUs must be at least 1")
	}
	units := []CPUUnit{"", WholeCores, WholeModules, WholeClusters, WholeDies, WholeSockets}
	if !slices.Contains(units, o.Whole) {
		return nil, fmt.Errorf("Whole is %q, which is not a CPUUnit", o.Whole)
	}
	return o, (&CPU{ID: "cpu", Props: o.Props}).check()
}

// unitOf returns the coordinates of the unit that a place belongs to. Without Whole, each place is a unit.
func (o *CPUOptions) unitOf(place *qemu.CPUInstanceProperties) string {
	var unit strings.Builder
	for _, at := range coordinates(place) {
		if at.value != nil && at.name != "node-id" {
			fmt.Fprintf(&unit, "%s=%d ", at.name, *at.value)
		}
		if at.name == string(o.Whole) {
			break
		}
	}
	return unit.String()
}

// A cpuUnit is a unit of the machine, by the places whose CPUs an operation would add or remove.
type cpuUnit struct {
	change  []qemu.HotpluggableCPU
	others  int  // how many other places the unit has
	blocked bool // a CPU cannot be added or removed
}

// units returns the units that the operation can change as a whole, in the order in which it should change them: first
// those that are partly changed already. must selects the places to change, can those that the operation is able
// to change.
func (o *CPUOptions) units(places []qemu.HotpluggableCPU, must, can func(p *qemu.HotpluggableCPU) bool) []*cpuUnit {
	byName := map[string]*cpuUnit{}
	var all []*cpuUnit
	for i := range places {
		place := &places[i]
		name := o.unitOf(&place.Props)
		unit := byName[name]
		if unit == nil {
			unit = &cpuUnit{}
			byName[name] = unit
			all = append(all, unit)
		}
		if !must(place) {
			unit.others++
			continue
		}
		unit.change = append(unit.change, *place)
		unit.blocked = unit.blocked || !can(place) || !(&CPU{Place: o.Place}).wants(&place.Props)
	}
	all = slices.DeleteFunc(all, func(unit *cpuUnit) bool { return unit.blocked || len(unit.change) == 0 })
	slices.SortStableFunc(all, func(a, b *cpuUnit) int { return min(b.others, 1) - min(a.others, 1) })
	return all
}

// take returns places of units with want virtual CPUs. If there is no such number of units, it returns the places of
// the next smaller number. below and above are the next possible numbers; above is 0 if there is none.
func take(units []*cpuUnit, want int) (places []qemu.HotpluggableCPU, below, above int) {
	for _, unit := range units {
		size := countCPUs(unit.change)
		if below+size > want {
			return places, below, below + size
		}
		places, below = append(places, unit.change...), below+size
	}
	return places, below, 0
}

// countCPUs returns the number of virtual CPUs in places.
func countCPUs(places []qemu.HotpluggableCPU) (n int) {
	for _, place := range places {
		n += int(place.VCPUsCount)
	}
	return n
}

// isFree reports whether a place has no CPU, isTaken whether it has one.
func isFree(place *qemu.HotpluggableCPU) bool  { return place.QOMPath == nil }
func isTaken(place *qemu.HotpluggableCPU) bool { return place.QOMPath != nil }

// presentCPUs returns the number of virtual CPUs of the machine.
func presentCPUs(places []qemu.HotpluggableCPU) int {
	return countCPUs(slices.DeleteFunc(slices.Clone(places), func(p qemu.HotpluggableCPU) bool { return isFree(&p) }))
}

// toAdd returns the free places for want more virtual CPUs.
func (o *CPUOptions) toAdd(places []qemu.HotpluggableCPU, want int) (chosen []qemu.HotpluggableCPU, below, above int) {
	places = slices.Clone(places)
	slices.Reverse(places) // QEMU lists the first place last
	return take(o.units(places, isFree, isFree), want)
}

// toRemove returns the CPUs to remove for want virtual CPUs less, the last first. kept are those that the guest keeps.
func (o *CPUOptions) toRemove(places []qemu.HotpluggableCPU, want int, kept []KeptCPU) (chosen []qemu.HotpluggableCPU, below, above int) {
	can := func(p *qemu.HotpluggableCPU) bool {
		id := idOfCPU(p)
		return id != "" && !slices.ContainsFunc(kept, func(k KeptCPU) bool { return idOfCPU(&k.CPU) == id })
	}
	return take(o.units(places, isTaken, can), want)
}

// cpuTarget returns the error for a number of CPUs that is not possible. possible are the next numbers; none is 0.
func cpuTarget(want int, what string, possible ...int) *TargetError {
	e := &TargetError{Want: uint64(want), Reason: what, text: func(n uint64) string { return fmt.Sprint(n) }}
	for _, n := range possible {
		if n > 0 {
			e.Nearest = append(e.Nearest, uint64(n))
		}
	}
	return e
}

const (
	tooFewPlaces = "the machine has too few free places that match (QEMU's -smp maxcpus)"
	tooFewCPUs   = "the other CPUs have no ID, because QEMU was started with them, or do not match"
	notWhole     = "it would split a unit"
)

// noRoom returns the error if places for want more CPUs do not exist. The caller asked for base+want.
func noRoom(base, want, below, above int) error {
	if above > 0 {
		return cpuTarget(base+want, notWhole, base+below, base+above)
	}
	e := cpuTarget(base+want, tooFewPlaces, base+below)
	e.is = ErrNoFreePlace
	return e
}

// AddCPUs hot-adds n virtual CPUs, in the first free places, and returns their places. It adds all or none.
// opts may be nil.
//
// The ID of a CPU derives from its place: "cpu-socket1-core0-thread0". So another process can remove it with
// [VM.RemoveCPU] or [VM.SetCPUs]. If another manager takes a place first, AddCPUs takes the next one.
//
// If AddCPUs fails, everything is as before, unless the error is a [*RollbackError]: it asks the guest to
// release the CPUs that it has added. The error matches:
//   - [ErrNoFreePlace]: the machine has too few free places that match. QEMU's -smp maxcpus sets their number.
//   - [*TargetError]: the same, or no number of whole units has n CPUs. The error has the next possible numbers.
//   - [ErrExists]: a device that is not a CPU has such an ID.
//   - [errors.ErrUnsupported]: the machine cannot get CPUs while it runs. Nothing has been changed.
//   - [*qmp.Error]: QEMU refused a command, which the error names.
//
// [VM.AddCPU] has the limits of old versions and of QEMU without KVM.
//
// Source: query-hotpluggable-cpus, device_add.
func (vm *VM) AddCPUs(ctx context.Context, n int, opts *CPUOptions) ([]qemu.HotpluggableCPU, error) {
	var added []qemu.HotpluggableCPU
	err := vm.changing(ctx, allCPUs, fmt.Sprintf("add %d CPUs", n), func() error {
		o, err := opts.check(n)
		if err != nil {
			return err
		}
		var undo rollback
		if err := vm.addCPUs(ctx, &undo, o, n, &added); err != nil {
			added = nil
			return undo.run(ctx, err)
		}
		return nil
	})
	return added, err
}

// addCPUs adds n CPUs. added has those that were added, also if it fails.
func (vm *VM) addCPUs(ctx context.Context, undo *rollback, o *CPUOptions, n int, added *[]qemu.HotpluggableCPU) error {
	for {
		want := n - countCPUs(*added)
		if want == 0 {
			return nil
		}
		places, err := vm.cpuPlaces(ctx)
		if err != nil {
			return err
		}
		chosen, below, above := o.toAdd(places, want)
		if below != want {
			return noRoom(n-want, want, below, above)
		}
		if err := vm.plugCPUs(ctx, undo, o, chosen, added); err != nil && !errors.Is(err, errPlaceTaken) {
			return err
		}
	}
}

// plugCPUs adds a CPU in each place, and the CPU to added.
func (vm *VM) plugCPUs(ctx context.Context, undo *rollback, o *CPUOptions, places []qemu.HotpluggableCPU, added *[]qemu.HotpluggableCPU) error {
	for _, place := range places {
		c := CPU{ID: idOfPlace(&place.Props), Props: o.Props}
		if err := vm.withID(ctx, c.ID, func() error { return vm.plugCPU(ctx, undo, &c, &place) }); err != nil {
			return err
		}
		place.QOMPath = new(devicePath(c.ID))
		*added = append(*added, place)
	}
	return nil
}

// SetCPUs sets the number of virtual CPUs of the machine to n: it adds CPUs as [VM.AddCPUs] does, or removes
// CPUs as [VM.RemoveCPU] does, the last place first. opts may be nil.
//
// SetCPUs removes any CPU that has an ID: CPUs that were added by any manager or process, or with -device. The
// CPUs of -smp have no ID and stay. If the guest keeps a CPU, SetCPUs removes another one instead, if it can. It
// asks the guest for one CPU after the other; give ctx a deadline.
//
// A number that the machine cannot have is an error before anything is changed. After that, SetCPUs goes as far as it
// can. It undoes nothing, because the removal of CPUs takes time and the guest can refuse it. The result says what has
// happened, also with an error. Call SetCPUs again to continue.
//
// SetCPUs returns an error that matches:
//   - [*TargetError]: the machine cannot have n CPUs. The error has the next possible numbers. It matches
//     [ErrNoFreePlace] if n is too large. Nothing was changed.
//   - [ErrUnplugRefused]: the guest keeps CPUs, which are in Kept, and there are no others to remove.
//   - [ErrUnplugPending]: ctx ended before the guest released a CPU. That CPU is in Kept.
//   - [errors.ErrUnsupported]: this QEMU cannot remove CPUs, see [VM.RemoveCPU]. Nothing was changed.
//   - [ErrExists]: a device that is not a CPU has the ID of a CPU to add.
//   - [*qmp.Error]: QEMU refused a command, which the error names.
//
// Source: query-hotpluggable-cpus, device_add, device_del.
func (vm *VM) SetCPUs(ctx context.Context, n int, opts *CPUOptions) (CPUChange, error) {
	var change CPUChange
	err := vm.changing(ctx, allCPUs, fmt.Sprintf("set CPUs to %d", n), func() error {
		o, err := opts.check(n)
		if err != nil {
			return err
		}
		places, err := vm.cpuPlaces(ctx)
		if err != nil {
			return err
		}
		change.Before = presentCPUs(places)
		change.After = change.Before
		if change.Before > n {
			err = vm.shrinkCPUs(ctx, o, n, places, &change)
		} else if change.Before < n {
			err = vm.growCPUs(ctx, o, n, places, &change)
		}
		if err != nil {
			vm.countAfter(ctx, &change)
		}
		return err
	})
	return change, err
}

// growCPUs adds CPUs until the machine has n.
func (vm *VM) growCPUs(ctx context.Context, o *CPUOptions, n int, places []qemu.HotpluggableCPU, change *CPUChange) error {
	for {
		present := presentCPUs(places)
		change.After = present
		if present >= n { // perhaps because another manager has added some
			return nil
		}
		chosen, below, above := o.toAdd(places, n-present)
		switch {
		case below == n-present:
		case len(change.Added) > 0:
			return because(ErrNoFreePlace, "no free place: another manager was faster")
		default:
			return noRoom(present, n-present, below, above)
		}
		var never rollback
		err := vm.plugCPUs(ctx, &never, o, chosen, &change.Added)
		if !errors.Is(err, errPlaceTaken) {
			change.After = n
			return err
		}
		if places, err = vm.cpuPlaces(ctx); err != nil {
			return err
		}
	}
}

// shrinkCPUs removes CPUs until the machine has n. It looks again after each removal, because another manager can remove
// CPUs at the same time.
func (vm *VM) shrinkCPUs(ctx context.Context, o *CPUOptions, n int, places []qemu.HotpluggableCPU, change *CPUChange) error {
	want := change.Before - n
	chosen, below, above := o.toRemove(places, want, nil)
	switch {
	case below != want && above > 0:
		return cpuTarget(n, notWhole, change.Before-above, change.Before-below)
	case below != want:
		return cpuTarget(n, tooFewCPUs, change.Before-below)
	}
	if err := checkCPURemoval(ctx, vm); err != nil {
		return err
	}
	for len(chosen) > 0 {
		cpu := chosen[0]
		id := idOfCPU(&cpu)
		err := vm.withID(ctx, id, func() error { return vm.unplugAs(ctx, id, aCPU) })
		if err == nil {
			change.Removed = append(change.Removed, cpu)
		} else {
			change.Kept = append(change.Kept, KeptCPU{cpu, err})
			if errors.Is(err, ErrUnplugPending) || !errors.Is(err, ErrUnplugRefused) && !refused(err) {
				return fmt.Errorf("CPU %s: %w", id, err)
			}
		}
		if places, err = vm.cpuPlaces(ctx); err != nil {
			return err
		}
		change.After = presentCPUs(places)
		chosen, _, _ = o.toRemove(places, change.After-n, change.Kept)
	}
	switch left := change.After - n; {
	case left <= 0:
		return nil
	case len(change.Kept) > 0:
		first := change.Kept[0]
		return fmt.Errorf("%d CPUs too many are left: CPU %s: %w", left, idOfCPU(&first.CPU), first.Err)
	default:
		return fmt.Errorf("%d CPUs too many are left: another manager has added or removed some", left)
	}
}

// countAfter finds out the number of CPUs after an error. If QEMU does not answer, the number follows from what was
// done.
func (vm *VM) countAfter(ctx context.Context, change *CPUChange) {
	ctx, cancel := wait.Detach(ctx, lookLimit)
	defer cancel()
	places, err := vm.cpuPlaces(ctx)
	if change.After = presentCPUs(places); err != nil {
		change.After = change.Before + countCPUs(change.Added) - countCPUs(change.Removed)
	}
}
