package picture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qom"
)

// PCI draws the PCI buses of a machine and the devices on them. The addresses are slot and function on each bus.
//
// Source: as [hotplug.VM.PCITree].
func PCI(ctx context.Context, conn qmp.Conn) (*Picture, error) {
	tree, err := hotplug.New(conn, nil).PCITree(ctx)
	if err != nil {
		return nil, err
	}
	p := &Picture{Title: "pci"}
	for _, bus := range tree {
		p.Roots = append(p.Roots, pciBus(bus))
	}
	return p, nil
}

func pciBus(bus *hotplug.PCIBus) *Thing {
	thing := &Thing{Kind: Bus, Name: "bus " + bus.Name}
	if bus.Express {
		thing.note("PCI Express")
	} else {
		thing.note("PCI")
	}
	if bus.Hotplug {
		thing.note("hotplug")
	}
	if len(bus.Devices) == 0 {
		thing.note("empty")
	}
	for _, d := range bus.Devices {
		device := &Thing{Kind: Device, Name: strings.TrimSpace(fmt.Sprintf("%02x.%x %s", d.Slot, d.Function, d.ID)), Notes: []string{d.Driver}}
		for _, behind := range d.Buses {
			device.add("", pciBus(behind))
		}
		thing.add("", device)
	}
	return thing
}

// QOM draws the object at a path and the objects below it, with their types, sorted by name. A device has dozens of memory
// regions and interrupts, so QOM only counts those that have nothing below.
//
// Source: as [qom.Walk].
func QOM(ctx context.Context, conn qmp.Conn, root string) (*Picture, error) {
	var objects []qom.Object
	for object, err := range qom.Walk(ctx, conn, root) {
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	slices.SortFunc(objects, func(a, b qom.Object) int { return strings.Compare(a.Path, b.Path) })
	return objectTree(root, objects), nil
}

// objectTree makes the picture of objects that are sorted by their paths.
func objectTree(root string, objects []qom.Object) *Picture {
	has := map[string]bool{} // objects with objects below them
	for _, o := range objects {
		has[path.Dir(o.Path)] = true
	}
	p := &Picture{Title: "qom " + root}
	things := map[string]*Thing{}
	counts := map[*Thing]map[string]int{}
	for i, o := range objects {
		above := things[path.Dir(o.Path)]
		kind := strings.TrimPrefix(o.Type, "qemu:") // of memory regions, in older versions
		if above != nil && i > 0 && !has[o.Path] && (kind == "memory-region" || kind == "irq") {
			if counts[above] == nil {
				counts[above] = map[string]int{}
			}
			counts[above][kind]++
			continue
		}
		thing := &Thing{Kind: Object, Name: path.Base(o.Path), Notes: []string{o.Type}}
		things[o.Path] = thing
		if above == nil || i == 0 {
			thing.Name = o.Path
			p.Roots = append(p.Roots, thing)
			continue
		}
		above.add("", thing)
	}
	for thing, byType := range counts {
		for _, kind := range slices.Sorted(maps.Keys(byType)) {
			count := fmt.Sprintf("%d %s", byType[kind], strings.ReplaceAll(kind, "-", " "))
			if byType[kind] > 1 {
				count += "s"
			}
			thing.note(count)
		}
	}
	return p
}

// Net draws the NICs of a machine and the netdevs that they use. Netdevs without a NIC come last.
//
// No query lists netdevs, so Net reads the text of "info network". It shows lines that it does not know as they are.
//
// Source: human-monitor-command, query-rx-filter.
func Net(ctx context.Context, conn qmp.Conn) (*Picture, error) {
	text, err := qemu.HumanMonitorCommand{CommandLine: "info network"}.Do(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("picture: network: %w", err)
	}
	filters, err := qemu.QueryRxFilter{}.Do(ctx, conn)
	if err != nil && !errors.As(err, new(*qmp.Error)) { // QEMU refuses if no NIC has a filter
		return nil, fmt.Errorf("picture: network: %w", err)
	}
	return network(text, filters), nil
}

// network reads the answers. A line of "info network" is "NAME: index=0,type=TYPE,…", a hub, or a peer of the line before.
func network(text string, filters []qemu.RxFilterInfo) *Picture {
	p := &Picture{Title: "net"}
	var rest []*Thing
	var last *Thing
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		about, isPeer := strings.CutPrefix(line, ` \ `)
		name, properties, _ := strings.Cut(about, ": ")
		if strings.TrimSpace(name) == "" {
			continue
		}
		thing := &Thing{Kind: Netdev, Name: name}
		for part := range strings.SplitSeq(properties, ",") {
			key, value, isProperty := strings.Cut(part, "=")
			switch {
			case key == "index":
			case key == "type" && value == "nic":
				thing.Kind = Device
			case isProperty && (key == "type" || key == "model" || key == "macaddr"):
				thing.note(value)
			default:
				thing.note(part)
			}
		}
		if strings.HasPrefix(name, "hub ") {
			thing.Kind = Bus
		}
		switch {
		case isPeer && last != nil:
			last.add("", thing)
			continue
		case thing.Kind == Netdev:
			rest = append(rest, thing)
		default:
			p.Roots = append(p.Roots, thing)
		}
		last = thing
	}
	for _, nic := range p.Roots {
		for _, f := range filters {
			if nic.Kind == Device && f.Name == nic.Name {
				nic.note(filterNotes(f)...)
			}
		}
	}
	p.Roots = append(p.Roots, rest...)
	return p
}

// filterNotes tells what a NIC receives, if that is not everything of its own address.
func filterNotes(f qemu.RxFilterInfo) (notes []string) {
	if f.Promiscuous {
		notes = append(notes, "promiscuous")
	}
	if f.UnicastOverflow || f.MulticastOverflow {
		notes = append(notes, "filter overflow")
	}
	return notes
}
