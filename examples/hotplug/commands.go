package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strconv"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// commands are all of them.
var commands = []command{
	{"list", nil, "lists the devices that have IDs, with their places", plain(list)},
	{"add-disk", []string{"ID", "FILE"}, "adds a file or a block device of this host as a disk", addDisk},
	{"resize-disk", []string{"ID", "BYTES"}, "changes the size of a disk, and of its file", plain(resizeDisk)},
	{"remove-disk", []string{"ID"}, "removes a disk", plain(func(ctx context.Context, m machine, args []string) error {
		return m.removed(m.RemoveDisk(ctx, args[0]))
	})},
	{"add-nic", []string{"ID", "TAP"}, "adds a NIC on a tap of this host, and makes the tap if it does not exist", addNIC},
	{"remove-nic", []string{"ID"}, "removes a NIC", plain(func(ctx context.Context, m machine, args []string) error {
		return m.removed(m.RemoveNIC(ctx, args[0]))
	})},
	{"add-cpu", []string{"ID"}, "adds a virtual CPU at the first free place", plain(addCPU)},
	{"remove-cpu", []string{"ID"}, "removes a virtual CPU", plain(func(ctx context.Context, m machine, args []string) error {
		return m.RemoveCPU(ctx, args[0])
	})},
	{"add-memory", []string{"ID", "BYTES"}, "adds memory", plain(addMemory)},
	{"remove-memory", []string{"ID"}, "removes memory", plain(func(ctx context.Context, m machine, args []string) error {
		return m.removed(m.RemoveMemory(ctx, args[0]))
	})},
	{"migrate", []string{"HOST:PORT"}, "sends the machine to a QEMU that listens there", plain(migrate)},
}

// removed prints what a removal left.
func (m machine) removed(kept []hotplug.Kept, err error) error {
	for _, k := range kept {
		fmt.Fprintln(m.out, "kept", k)
	}
	return err
}

func list(ctx context.Context, m machine, _ []string) error {
	devices, err := qemu.QOMList{Path: "/machine/peripheral"}.Do(ctx, m.client)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if d.Name == "type" {
			continue
		}
		info, err := m.DeviceInfo(ctx, d.Name)
		if err != nil {
			return err
		}
		place := info.Bus
		if info.PCI != nil {
			place += " " + info.PCI.String()
		}
		fmt.Fprintf(m.out, "%-16s %-20s %-12s %s%s\n", info.ID, info.Driver, place, info.Node, info.Netdev)
	}
	return nil
}

// place returns bus and further properties for a PCI device: those of the first free slot, unless
// somebody has chosen a bus.
func (m machine) place(ctx context.Context, bus string) (hotplug.PCISlot, error) {
	slot, err := m.FreePCISlot(ctx, bus, 0)
	if err == nil {
		fmt.Fprintf(m.out, "at %s\n", slot)
	}
	return slot, err
}

func addDisk(set *flag.FlagSet) func(context.Context, machine, []string) error {
	format := set.String("format", "raw", "the `FORMAT` of the file")
	bus := set.String("bus", "", "the PCI `BUS` of the device (default: the first with a free slot)")
	direct := set.Bool("direct", false, "bypass the host's page cache")
	readOnly := set.Bool("read-only", false, "the guest cannot write to the disk")
	return func(ctx context.Context, m machine, args []string) error {
		slot, err := m.place(ctx, *bus)
		if err != nil {
			return err
		}
		return m.AddDisk(ctx, hotplug.Disk{
			ID:      args[0],
			Backend: hotplug.File{Path: args[1], Format: qemu.BlockdevDriver(*format), Direct: *direct, ReadOnly: *readOnly},
			Bus:     slot.Bus, Props: qmp.Args{"addr": slot.Addr()},
		})
	}
}

func resizeDisk(ctx context.Context, m machine, args []string) error {
	size, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	return m.ResizeDisk(ctx, args[0], size)
}

func addNIC(set *flag.FlagSet) func(context.Context, machine, []string) error {
	queues := set.Int("queues", 1, "the number of `QUEUES`")
	mac := set.String("mac", "", "the MAC `ADDRESS`")
	bus := set.String("bus", "", "the PCI `BUS` of the device (default: the first with a free slot)")
	return func(ctx context.Context, m machine, args []string) error {
		taps, err := openTap(args[1], *queues)
		if err != nil {
			return err
		}
		defer closeAll(taps) // QEMU has copies by then
		slot, err := m.place(ctx, *bus)
		if err != nil {
			return err
		}
		return m.AddNIC(ctx, hotplug.NIC{
			ID: args[0], Backend: hotplug.Tap{Queues: taps}, MAC: *mac,
			Bus: slot.Bus, Props: qmp.Args{"addr": slot.Addr()},
		})
	}
}

func addCPU(ctx context.Context, m machine, args []string) error {
	added, err := m.AddCPU(ctx, hotplug.CPU{ID: args[0]})
	if err != nil {
		return err
	}
	at, err := json.Marshal(added.Props)
	fmt.Fprintf(m.out, "at %s\n", at)
	return err
}

func addMemory(ctx context.Context, m machine, args []string) error {
	size, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	return m.AddMemory(ctx, hotplug.Memory{ID: args[0], Backend: hotplug.RAM{Size: size}})
}

func migrate(ctx context.Context, m machine, args []string) error {
	end, err := migration.Run(ctx, m.client, migration.TCP(args[0]), &migration.Options{
		Progress: func(p migration.Progress) {
			fmt.Fprintf(m.out, "%s: %d of %d bytes to go, %d bytes/s\n", p.Status, p.Remaining, p.Total, p.Rate)
		},
	})
	if err == nil {
		fmt.Fprintln(m.out, "the machine is at the destination; it was stopped for", end.Downtime.Round(time.Millisecond))
	}
	return err
}
