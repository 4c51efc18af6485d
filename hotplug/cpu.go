package hotplug

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A CPU says what virtual CPU to add. The machine was started with places for it:
// -smp 2,maxcpus=8.
type CPU struct {
	// ID is the name of its device. See the package's documentation for what it may be.
	ID string

	// Place is where to put it, one of those that query-hotpluggable-cpus lists; members that are
	// nil match every place. The first free one that matches is taken.
	Place qemu.CPUInstanceProperties

	// Props are further properties of the device, by their names in QEMU. See [qmp.Args] for what
	// values they can have.
	Props qmp.Args
}

// A coordinate is a member of a CPU's place, and the device's property of the same name.
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

// check finds what is wrong before anything is done.
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

// wants tells whether this place would do.
func (c *CPU) wants(place *qemu.CPUInstanceProperties) bool {
	have := coordinates(place)
	for i, want := range coordinates(&c.Place) {
		if want.value != nil && (have[i].value == nil || *have[i].value != *want.value) {
			return false
		}
	}
	return true
}

// device is the request for the device in this place.
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

// choose returns the first free place that a CPU wants. QEMU lists them with the first one last.
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
	return nil, fmt.Errorf("%w: %d of %d places match, and have their CPUs", ErrNoFreePlace, matching, len(places))
}

// isCPU tells whether there is a CPU with this id.
func (vm *VM) isCPU(ctx context.Context, id string) (bool, error) {
	places, err := qemu.QueryHotpluggableCPUs{}.Do(ctx, vm.conn)
	for _, place := range places {
		if qmp.Value(place.QOMPath) == devicePath(id) {
			return true, err
		}
	}
	return false, err
}
