package hotplug

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// A DeviceBackend is the thing that a [Device] uses. It is one of:
//   - [VirtioFS]: a directory of the host, which a virtiofsd shares.
//   - [VhostUser]: any other vhost-user server.
//   - [Chardev]: a character device, for a serial port.
//   - [Object]: an object that object-add can create: random numbers, cryptography, memory, an I/O thread.
//   - [Descriptors]: files that the caller has opened, for vhost and VFIO.
//   - [HostUSB]: a USB device of the host, which the caller has opened.
type DeviceBackend interface {
	// checkDevice returns an error if the backend or the device is invalid. It sends nothing.
	checkDevice(d *Device) error

	// addParts adds what the device uses, as steps of an operation. It returns the properties that connect the
	// device with it.
	addParts(ctx context.Context, vm *VM, undo *rollback, id string) (props qmp.Args, err error)

	// deviceDriver returns the driver for a Device without a Driver, or "" if it needs one.
	deviceDriver() string
}

// A VirtioFS is a directory of the host that a virtiofsd shares with the guest. QEMU connects to virtiofsd as to any
// [VhostUser], and the same rules hold. If Driver is empty, it is "vhost-user-fs-pci". The guest mounts the directory
// by its tag: mount -t virtiofs TAG /mnt.
//
// QEMU does not connect again after virtiofsd has ended. Remove the device then, and add it again.
type VirtioFS struct {
	// Tag is the guest's name for the directory: 1 to 36 bytes.
	Tag string

	// Server is the address that virtiofsd listens on, mostly a [*qemu.UnixSocketAddress].
	Server qemu.SocketAddressLegacyBranch

	// Queues is the number of queues for requests. 0 leaves the number to QEMU.
	Queues int
}

const maxTag = 36 // bytes, of virtio_fs_config

func (v VirtioFS) server() VhostUser { return VhostUser{Server: v.Server, Queues: v.Queues} }

func (v VirtioFS) checkDevice(d *Device) error {
	if v.Tag == "" || len(v.Tag) > maxTag {
		return fmt.Errorf("VirtioFS has a Tag of %d bytes: it must have 1 to %d", len(v.Tag), maxTag)
	}
	if err := v.server().check(); err != nil {
		return err
	}
	return checkProps(d.Props, nil, "chardev", "tag", "num-request-queues")
}

func (v VirtioFS) addParts(ctx context.Context, vm *VM, undo *rollback, id string) (qmp.Args, error) {
	props := qmp.Args{"chardev": chardevOf(id), "tag": v.Tag}
	if v.Queues > 0 {
		props["num-request-queues"] = v.Queues
	}
	return props, v.server().addDevice(ctx, vm, undo, id)
}

func (v VirtioFS) deviceDriver() string { return "vhost-user-fs-pci" }

// checkDevice refuses Queues: drivers have different properties for it.
func (v VhostUser) checkDevice(d *Device) error {
	if err := v.check(); err != nil {
		return err
	}
	if v.Queues != 0 {
		return errors.New("VhostUser has Queues: give a Device the property of its driver in Props")
	}
	return checkProps(d.Props, nil, "chardev")
}

func (v VhostUser) addParts(ctx context.Context, vm *VM, undo *rollback, id string) (qmp.Args, error) {
	return qmp.Args{"chardev": v.chardevID(id)}, v.addDevice(ctx, vm, undo, id)
}

// addDevice connects to the server of a device. A server may serve one client only, so addDevice first makes sure that
// the device's ID is free.
func (v VhostUser) addDevice(ctx context.Context, vm *VM, undo *rollback, id string) error {
	if err := vm.checkNoDevice(ctx, id); err != nil {
		return err
	}
	return v.connect(ctx, vm, undo, id)
}

func (v VhostUser) deviceDriver() string { return "" }

// A Chardev is a character device of QEMU, for a serial port of the guest. If Driver is empty, it is "virtserialport", a
// port of a virtio-serial-pci. The guest finds that port by the property "name". Other drivers with a property "chardev"
// are virtconsole, usb-serial and pci-serial.
//
// For a pty, query-chardev has the name of the terminal, as the Filename of the character device.
type Chardev struct {
	// ID is the ID of the character device. If it is empty, it is "ID-chardev" with the ID of the device.
	ID string

	// Options describes the character device: a *[qemu.ChardevSocket] that listens at a path, a
	// *[qemu.ChardevPTY], a *[qemu.ChardevFile] and others. QEMU opens the files and sockets. A ChardevSocket
	// can have ReconnectMs with every QEMU: QEMU before 9.2 gets the time in seconds, rounded up.
	Options qemu.ChardevBackend

	// File, if not nil, is the socket, which the caller has opened: it listens if Server is true, else it is
	// connected. Options must be a ChardevSocket without an Addr. QEMU gets a copy of the descriptor.
	File *os.File
}

func (c Chardev) checkDevice(d *Device) error {
	socket, isSocket := c.Options.Branch.(*qemu.ChardevSocket)
	if c.File != nil && (!isSocket || socket == nil || socket.Addr.Branch != nil || socket.ReconnectMs != nil) {
		return errors.New("Chardev has a File: Options must be a ChardevSocket without Addr and ReconnectMs")
	}
	if err := checkName("ID of Chardev", c.ID); err != nil {
		return err
	}
	if isSocket && socket != nil && qmp.Value(socket.ReconnectMs) < 0 {
		return fmt.Errorf("Options has ReconnectMs %d: it must not be negative", *socket.ReconnectMs)
	}
	options := c.options(d.ID)
	if _, err := options.MarshalJSON(); err != nil {
		return fmt.Errorf("Options: %w", err)
	}
	if isSocket && qmp.Value(socket.Wait) {
		return errors.New("Options has Wait: QEMU would execute no command until a client connects")
	}
	return checkProps(d.Props, nil, "chardev")
}

// options returns the character device with its socket, if there is one.
func (c Chardev) options(id string) qemu.ChardevBackend {
	if c.File == nil {
		return c.Options
	}
	socket := *c.Options.Branch.(*qemu.ChardevSocket)
	socket.Addr.Branch = &qemu.FDSocketAddress{Str: sentNames(id)(0)}
	return qemu.ChardevBackend{Branch: &socket}
}

func (c Chardev) addParts(ctx context.Context, vm *VM, undo *rollback, id string) (qmp.Args, error) {
	add := qemu.ChardevAdd{ID: cmp.Or(c.ID, chardevOf(id)), Backend: c.options(id)}
	if err := vm.mark(ctx, undo, id, aChardev, add.ID); err != nil {
		return nil, err
	}
	if c.File != nil {
		if err := vm.sendFile(ctx, undo, sentNames(id)(0), c.File); err != nil {
			return nil, err
		}
	}
	return qmp.Args{"chardev": add.ID}, vm.addChardev(ctx, undo, add)
}

func (c Chardev) deviceDriver() string { return "virtserialport" }

// objectUsers has the property for each type of object, by the beginning of its name, and the usual driver.
var objectUsers = []struct{ kind, property, driver string }{
	{"rng-", "rng", "virtio-rng-pci"},
	{"cryptodev-", "cryptodev", "virtio-crypto-pci"},
	{memoryBackend, "memdev", ""},
	{"iothread", "iothread", ""},
	{"iommufd", "iommufd", ""},
}

// userOf returns the property that names the object, and the usual driver.
func (o Object) userOf() (property, driver string, err error) {
	kind, err := typeOf(&o.Options)
	if err != nil {
		return "", "", fmt.Errorf("Options: %w", err)
	}
	for _, u := range objectUsers {
		if strings.HasPrefix(kind, u.kind) {
			return u.property, u.driver, nil
		}
	}
	return "", "", fmt.Errorf("Options has the type %q: add this object first, and name it in Props", kind)
}

func (o Object) checkDevice(d *Device) error {
	property, _, err := o.userOf()
	if err != nil {
		return err
	}
	if err := checkName("ID of Options", o.Options.ID); err != nil {
		return err
	}
	return checkProps(d.Props, nil, property)
}

func (o Object) addParts(ctx context.Context, vm *VM, undo *rollback, id string) (qmp.Args, error) {
	property, _, err := o.userOf()
	if err != nil {
		return nil, err
	}
	add := qemu.ObjectAdd(o.Options)
	add.ID = cmp.Or(o.Options.ID, objectOf(id))
	if err := vm.mark(ctx, undo, id, anObject, add.ID); err != nil {
		return nil, err
	}
	err = undo.step(ctx, step{
		what: "object " + add.ID,
		do:   func(ctx context.Context) error { return add.Do(ctx, vm.conn) },
		undo: func(ctx context.Context) error { _, err := vm.removeObject(ctx, add.ID); return err },
		ours: func(ctx context.Context) (bool, error) { device, err := vm.deviceExists(ctx, id); return !device, err },
	})
	return qmp.Args{property: add.ID}, whyRefused(err, func() error {
		if err := vm.checkNoDevice(ctx, id); err != nil {
			return err
		}
		kind, err := vm.objectType(ctx, add.ID)
		if err == nil && kind != "" {
			err = exists(anObject, add.ID, kind)
		}
		return err
	})
}

func (o Object) deviceDriver() string {
	_, driver, _ := o.userOf() // which checkDevice has checked
	return driver
}

// Descriptors are files that the caller has opened, by the property of the device that takes each: "vhostfd" of
// vhost-vsock-pci and vhost-scsi-pci, "fd" of vfio-pci with an iommufd (QEMU 10.0 has it, 7.2 does not). QEMU gets
// copies of the descriptors (getfd); the caller still owns the files. AddDevice checks that the file of "vhostfd" is a
// vhost device. If QEMU 10.0 refuses the "fd" of a vfio-pci, it keeps its copy open.
type Descriptors map[string]*os.File

func (d Descriptors) checkDevice(device *Device) error {
	if len(d) == 0 {
		return errors.New("Descriptors needs a file")
	}
	for _, property := range d.properties() {
		f := d[property]
		if f == nil {
			return fmt.Errorf("Descriptors has no file for %q", property)
		}
		if property != "vhostfd" {
			continue
		}
		if _, err := kernelVhost(f); err != nil {
			return fmt.Errorf("file for %q is not a vhost device: %w", property, err)
		}
	}
	return checkProps(device.Props, nil, d.properties()...)
}

func (d Descriptors) properties() []string { return slices.Sorted(maps.Keys(d)) }

func (d Descriptors) addParts(ctx context.Context, vm *VM, undo *rollback, id string) (qmp.Args, error) {
	props := qmp.Args{}
	for i, property := range d.properties() {
		name := sentNames(id)(i)
		if err := vm.sendFile(ctx, undo, name, d[property]); err != nil {
			return nil, err
		}
		props[property] = name
	}
	return props, nil
}

func (d Descriptors) deviceDriver() string { return "" }

// A HostUSB is a USB device of the host that the caller has opened, for the driver usb-host. QEMU needs no access
// to /dev/bus/usb. To let QEMU open the device, use a [Device] without a Backend, with the properties "hostbus" and
// "hostaddr", or "vendorid" and "productid"; QEMU then also waits for a device that is not plugged in yet.
type HostUSB struct {
	// File is the open device, /dev/bus/usb/BUS/DEVICE, with O_RDWR. QEMU gets a copy of the descriptor; the caller
	// still owns the file. AddDevice checks that the file is such a device, because QEMU 7.2 and 10.0 keep any other
	// file open. After the device is removed, QEMU 7.2 and 10.0 also list the empty set of descriptors.
	File *os.File
}

// Tests replace kernelUSB on machines without USB.
var kernelUSB = usbDevice

func (u HostUSB) checkDevice(d *Device) error {
	if u.File == nil {
		return errors.New("HostUSB needs a File")
	}
	if err := kernelUSB(u.File); err != nil {
		return fmt.Errorf("File is not a USB device: %w", err)
	}
	return checkProps(d.Props, nil, "hostdevice", "hostbus", "hostaddr", "hostport", "vendorid", "productid")
}

func (u HostUSB) addParts(ctx context.Context, vm *VM, undo *rollback, id string) (qmp.Args, error) {
	set, err := vm.addFDSet(ctx, undo, id, deviceOpaque(id)+rand.Text()[:8], qmpfd.Files{u.File})
	if err != nil {
		return nil, err
	}
	return qmp.Args{"hostdevice": set.Path()}, nil
}

func (u HostUSB) deviceDriver() string { return "usb-host" }

// objectOf returns the default ID of the object that belongs to a device.
func objectOf(id string) string { return defaultNames(anObject, id)[1] }

// sentNames returns the names that a device's files are sent under. Like vhostNames, they differ from the names of taps of
// all IDs.
func sentNames(id string) func(i int) string {
	return func(i int) string { return tapNames(id)(i) + "-fd" }
}

// deviceOpaque returns the beginning of the opaque texts of a device's sets of descriptors. It differs from a
// disk's, whose node may use its sets when the device is gone.
func deviceOpaque(id string) string { return "qmpkit-device:" + id + ":" }
