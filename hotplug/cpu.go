package hotplug

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A CPU describes a virtual CPU to add. The machine must have been started with a place for it: -smp
// 2,maxcpus=8.
type CPU struct {
	// ID is the name of the device. The package comment has the rules for IDs.
	ID string

	// Place selects one of the places of query-hotpluggable-cpus. A nil member matches every place. AddCPU
	// takes the first free place that matches.
	Place qemu.CPUInstanceProperties

	// Props are further properties of the device, by their names in QEMU. [qmp.Args] lists the possible
	// types of values.
	Props qmp.Args
}

// A coordinate is a member of a CPU's place and the property of the same name of the device.
type coordinate struct {
	name  string
	value *int64
}

func coordinates(p *qemu.CPUInstanceProperties) []coordinate {
	return []coordinate{
		{"node-id", p.NodeID},
		{"drawer-id", p.DrawerID},
		{"book-id", p.BookID},
		{"socket-id", p.SocketID},
		{"die-id", p.DieID},
		{"cluster-id", p.ClusterID},
		{"module-id", p.ModuleID},
		{"core-id", p.CoreID},
		{"thread-id", p.ThreadID},
	}
}

// check returns an error if c is invalid. It sends nothing.
func (c *CPU) check() error {
	if err := checkID(c.ID); err != nil {
		return err
	}
	for _, ours := range coordinates(&c.Place) {
		if _, ok := c.Props[ours.name]; ok {
			return fmt.Errorf("Props has %q, which follows from Place", ours.name)
		}
	}
	return nil
}

// wants reports whether c.Place matches this place.
func (c *CPU) wants(place *qemu.CPUInstanceProperties) bool {
	have := coordinates(place)
	for i, want := range coordinates(&c.Place) {
		if want.value != nil && (have[i].value == nil || *have[i].value != *want.value) {
			return false
		}
	}
	return true
}

// device returns the request for the device in this place.
func (c *CPU) device(place *qemu.HotpluggableCPU) qemu.DeviceAdd {
	add := qemu.DeviceAdd{Driver: place.Type, ID: new(c.ID), Props: qmp.Args{}}
	for name, value := range c.Props {
		add.Props[name] = value
	}
	for _, at := range coordinates(&place.Props) {
		if at.value != nil {
			add.Props[at.name] = *at.value
		}
	}
	return add
}

// choose returns the first free place that matches. QEMU lists the first place last.
func (c *CPU) choose(places []qemu.HotpluggableCPU) (*qemu.HotpluggableCPU, error) {
	matching := 0
	for i := len(places) - 1; i >= 0; i-- {
		place := &places[i]
		if !c.wants(&place.Props) {
			continue
		}
		if matching++; place.QOMPath == nil {
			return place, nil
		}
	}
	return nil, because(ErrNoFreePlace, "no free place: %d of %d places match, and are taken", matching, len(places))
}

// isCPU reports whether there is a CPU with this id.
func (vm *VM) isCPU(ctx context.Context, id string) (bool, error) {
	places, err := qemu.QueryHotpluggableCPUs{}.Do(ctx, vm.conn)
	for _, place := range places {
		if qmp.Value(place.QOMPath) == devicePath(id) {
			return true, err
		}
	}
	return false, err
}

// AddCPU hot-adds a virtual CPU and returns its place. When it returns, QEMU has told the guest. A Linux
// guest uses the CPU after it was brought online in the guest, which the udev rules of most distributions
// do.
//
// If another manager adds a CPU in the same place first, AddCPU takes the next free place that matches.
//
// If AddCPU fails, everything is as before, unless the error is a [*RollbackError]. The error matches:
//   - [ErrExists]: the ID is in use.
//   - [ErrNoFreePlace]: all places that match are taken. QEMU's -smp maxcpus sets the number of places.
//   - [errors.ErrUnsupported]: the machine cannot get CPUs while it runs: a virt of aarch64 or riscv64, a
//     microvm. Nothing has been changed.
//   - [*qmp.Error]: QEMU refused a command, which the error names.
//
// QEMU 5.2 does not tell the guest about new CPUs and cannot remove them, unless the property
// cpu-hotplug-legacy of the machine's acpi-device was set to false before. The example for QEMU 5.2 sets
// it.
//
// Without KVM, QEMU before 10.0 must not remove CPUs: see [VM.RemoveCPU]. If AddCPU does not get QEMU's answer there,
// it cannot undo the addition and returns a [*RollbackError] that lists the device. Without KVM, QEMU 10.0 and 11.1
// terminate when more CPUs have been added since the start than maxcpus allows. Removed CPUs count too, and QEMU has
// no query for the number.
//
// Source: query-hotpluggable-cpus, device_add.
func (vm *VM) AddCPU(ctx context.Context, c CPU) (qemu.HotpluggableCPU, error) {
	var added qemu.HotpluggableCPU
	err := vm.adding(ctx, "CPU", c.ID, func(undo *rollback) error {
		place, err := vm.addCPU(ctx, undo, &c)
		if err == nil {
			added = *place
			added.QOMPath = new(devicePath(c.ID))
		}
		return err
	})
	return added, err
}

func (vm *VM) addCPU(ctx context.Context, undo *rollback, c *CPU) (*qemu.HotpluggableCPU, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := vm.cpus.Lock(ctx); err != nil { // two additions at the same time would choose the same place
		return nil, err
	}
	defer vm.cpus.Unlock()
	if err := vm.awaitBoard(ctx); err != nil {
		return nil, err
	}
	for {
		places, err := vm.cpuPlaces(ctx)
		if err != nil {
			return nil, err
		}
		place, err := c.choose(places)
		if err != nil {
			return nil, err
		}
		err = vm.plugCPU(ctx, undo, c, place)
		if !errors.Is(err, errPlaceTaken) {
			return place, err
		}
	}
}

// errPlaceTaken means that another manager has added a CPU in the place.
var errPlaceTaken = errors.New("place is taken")

// plugCPU adds the device of a CPU in a place.
func (vm *VM) plugCPU(ctx context.Context, undo *rollback, c *CPU, place *qemu.HotpluggableCPU) error {
	err := undo.step(ctx, step{
		what: "device " + c.ID,
		do:   func(context.Context) error { return c.device(place).Do(ctx, vm.conn) }, // not all QEMUs can undo it
		undo: func(ctx context.Context) error { return vm.unplugAs(ctx, c.ID, aCPU) },
		ours: func(ctx context.Context) (bool, error) {
			path, err := vm.cpuIn(ctx, place)
			return path == devicePath(c.ID), err
		},
	})
	if !refused(err) {
		return err
	}
	switch path, lookErr := vm.cpuIn(ctx, place); {
	case lookErr != nil:
		return errors.Join(err, lookErr)
	case path != "":
		return errPlaceTaken
	}
	return whyRefused(err, func() error { return vm.checkNoDevice(ctx, c.ID) })
}

// cpuIn returns the path of the CPU in a place, or "" if the place is free.
func (vm *VM) cpuIn(ctx context.Context, place *qemu.HotpluggableCPU) (path string, err error) {
	places, err := qemu.QueryHotpluggableCPUs{}.Do(ctx, vm.conn)
	for _, p := range places {
		if (&CPU{Place: place.Props}).wants(&p.Props) {
			path = qmp.Value(p.QOMPath)
		}
	}
	return path, err
}

// RemoveCPU hot-removes a CPU that any process has added, or that QEMU's option -device has added.
//
// It asks the guest to release the CPU and waits until the guest has done so, the guest refuses, or ctx
// ends. A Linux guest takes about 0.1 seconds; give ctx a deadline. A CPU of QEMU's -smp has no
// ID and cannot be removed. Removing a CPU that is gone succeeds.
//
// RemoveCPU returns an error that matches:
//   - [ErrUnplugPending]: ctx ended before the guest released the CPU. Call RemoveCPU again.
//   - [ErrUnplugRefused]: the guest refused. The CPU works as before.
//   - [ErrNotCPU]: the device is not a CPU.
//   - [errors.ErrUnsupported]: QEMU does not use KVM and is older than 10.0, or than 11.0 on a pseries. Without KVM,
//     QEMU 5.2 and 7.2 corrupt their memory when a CPU is unplugged, and QEMU 10.0 terminates after that on a pseries.
//     So RemoveCPU does not try it. QEMU cannot remove CPUs of an s390x at all.
//
// Source: device_del, DEVICE_DELETED and ACPI_DEVICE_OST.
func (vm *VM) RemoveCPU(ctx context.Context, id string) error {
	return vm.removing(ctx, "CPU", id, func() error { return vm.removeCPU(ctx, id) })
}

func (vm *VM) removeCPU(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	device, err := vm.deviceExists(ctx, id)
	if err != nil || !device {
		return err
	}
	cpu, err := vm.isCPU(ctx, id)
	if err != nil {
		return err
	}
	if !cpu {
		return ErrNotCPU
	}
	return vm.unplugAs(ctx, id, aCPU)
}
