package hotplug

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A link is a property by which a device uses something that was added for it.
type link struct{ property, what string }

// links are the links to what one device uses.
var links = []link{
	{"drive", aNode},
	{"netdev", aNetdev},
	{"chardev", aChardev},
	{"memdev", anObject},
	{"rng", anObject},
	{"cryptodev", anObject},
	{"hostdevice", anFDSet},
}

// sharedLinks are the links to parts that several devices can use. A removal leaves such a part, unless this package
// added it for the device.
var sharedLinks = []link{
	{"iothread", anObject},
	{"iommufd", anObject},
}

// A deviceType says which properties the devices of a type have.
type deviceType struct {
	links  []link
	shared []link // of sharedLinks
	slot   bool   // of PCI
}

// has reports whether the devices have a link.
func (t deviceType) has(property string) bool {
	return slices.ContainsFunc(t.links, func(l link) bool { return l.property == property })
}

// typeOfDevice returns the type of the device at a path. It asks QEMU once for each driver.
func (vm *VM) typeOfDevice(ctx context.Context, driver, path string) (deviceType, error) {
	if known, ok := vm.deviceTypes.Load(driver); ok {
		return known.(deviceType), nil
	}
	members, err := qemu.QOMList{Path: path}.Do(ctx, vm.conn)
	if errors.Is(err, qmp.ErrDeviceNotFound) {
		err = errNoDevice
	}
	if err != nil {
		return deviceType{}, err
	}
	has := func(name string) bool {
		return slices.ContainsFunc(members, func(m qemu.ObjectPropertyInfo) bool { return m.Name == name })
	}
	t := deviceType{slot: has("multifunction")} // only PCI devices have it, and others have an "addr" too
	for _, l := range links {
		if has(l.property) {
			t.links = append(t.links, l)
		}
	}
	for _, l := range sharedLinks {
		if has(l.property) {
			t.shared = append(t.shared, l)
		}
	}
	if driver != "" {
		vm.deviceTypes.Store(driver, t)
	}
	return t, nil
}

// A part is something that a device uses.
type part struct{ what, name string }

// A found is a device, and what it uses.
type found struct {
	id     string
	exists bool
	driver string
	kind   deviceType
	uses   []part // one for each link of kind; the name is empty if the device uses nothing that has one
}

// find looks for a device by its ID, and for what it uses.
func (vm *VM) find(ctx context.Context, id string) (*found, error) {
	f := &found{id: id}
	exists, _, err := vm.property(ctx, id, "type", &f.driver)
	if err == nil && exists {
		f.kind, err = vm.typeOfDevice(ctx, f.driver, devicePath(id))
	}
	if err == nil && exists {
		f.uses, err = vm.uses(ctx, id, f.kind.links)
	}
	if errors.Is(err, errNoDevice) { // any more
		return &found{id: id}, nil
	}
	f.exists = exists
	return f, err
}

// uses reads the links of a device. If the device is gone, the error is errNoDevice.
func (vm *VM) uses(ctx context.Context, id string, links []link) ([]part, error) {
	all := make([]part, len(links))
	reads := make([]func() error, len(links))
	for i, l := range links {
		reads[i] = func() error {
			device, has, name, err := vm.readLink(ctx, id, l.property)
			switch {
			case err == nil && !device:
				err = errNoDevice
			case err == nil && !has: // what it uses would stay unnoticed
				err = fmt.Errorf("QEMU does not report the device's %s", l.property)
			}
			all[i] = part{l.what, name}
			return err
		}
	}
	return all, together(reads...)
}

// readLink reads the name of what a device uses. It is empty if there is no name, for example for an object that QEMU
// created for the device.
func (vm *VM) readLink(ctx context.Context, id, property string) (device, has bool, name string, err error) {
	if property == "drive" {
		device, drive, err := vm.drive(ctx, id)
		return device, drive != nil, qmp.Value(drive), err
	}
	device, has, err = vm.property(ctx, id, property, &name)
	switch property {
	case "memdev", "rng", "cryptodev", "iothread", "iommufd":
		name = after(objectPath(""), name)
	case "hostdevice":
		name = after(fdsetPath, name)
	}
	return device, has, name, err
}

// after returns what follows prefix in a path, or "" if the path has another beginning.
func after(prefix, path string) string {
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok {
		return ""
	}
	return rest
}

// fdsetPath and the number of a set are the path of a file that QEMU opens from the set.
const fdsetPath = "/dev/fdset/"

// used returns the name of what the device uses, of this kind.
func (f *found) used(what string) (name string, uses bool) {
	i := slices.IndexFunc(f.uses, func(p part) bool { return p.what == what })
	if i < 0 {
		return "", false
	}
	return f.uses[i].name, true
}

// isDisk reports whether the device is a disk.
func (f *found) isDisk() bool {
	return f.kind.has("drive") || f.kind.has("chardev") && strings.HasPrefix(f.driver, vhostUserDriver)
}
