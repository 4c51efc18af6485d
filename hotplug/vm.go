package hotplug

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Options configures a VM.
type Options struct {
	// Fallback adds and removes the drives of disks in a QEMU without blockdev-add. If it is nil, AddDisk
	// returns an error that matches [errors.ErrUnsupported] on such a QEMU.
	Fallback *Fallback

	// Reserved reports whether a PCI slot is left to others. [VM.FreePCISlot] and the operations whose device has no
	// Bus do not choose such a slot. For a port of PCI Express, the slot is 0. Operations call Reserved at the same
	// time. If it is nil, no slot is reserved, and QEMU chooses the slot where it can.
	Reserved func(slot PCISlot) bool
}

// A VM adds devices to a running QEMU and removes them. [New] makes a VM; the methods of a zero VM return
// an error.
//
// Any number of goroutines can call the methods. A VM does one operation at a time for each ID: a second operation
// waits until the first has ended, or until its own context ends. Operations with different IDs run side by side, so
// a guest that never answers a removal does not hold up the others. The package comment lists the exceptions.
// Operations of different VM values do not wait for each other, even on one QEMU.
//
// Operations that run side by side can call functions of the caller at the same time, for example [File.Open] and
// the functions of a [Fallback].
type VM struct {
	fallback *Fallback
	reserved func(slot PCISlot) bool

	conn       qmp.Conn
	operations wait.Locks   // the IDs of the operations that run, and other names that they use
	buses      wait.Locks   // the devices whose buses get a device, or that leave with their buses; see bus_lock.go
	carriers   atomic.Int32 // how many removals take buses along that QEMU could choose
	cpus       wait.Mutex   // held while a CPU gets its place
	pciChoice  pciChoice
	ejections  ejections // the PCI slots that guests are asked to eject
	boards     boardEjections

	needsPort           atomic.Bool          // the bus of PCI that QEMU would choose takes no devices while the machine runs
	driverTypes         wait.Answer[[]kinds] // of each of busKinds
	commands            wait.Answer[map[string]bool]
	dynamicAutoReadOnly wait.Answer[bool]
	sharedMemory        wait.Answer[bool]
	busTypes            wait.Answer[kinds]
	acpiBuses           sync.Map // from the path of a bus to whether ACPI ejects its slots
	pciTypes            wait.Answer[pciKinds]
	pciSeen             atomic.Pointer[seenRoots] // by the last walk
	asked               wait.Answer[qmp.Version]  // if the connection has no greeting
	targetAnswer        wait.Answer[qemu.SysEmuTarget]
	memoryDriver        wait.Answer[string] // the default
	memoryDrivers       sync.Map            // the drivers that the machine can get
	deviceTypes         sync.Map            // from the name of a type to its deviceType
}

// New returns a VM that sends its commands over conn. The caller still owns conn and closes it. opts may be
// nil.
func New(conn qmp.Conn, opts *Options) *VM {
	if opts == nil {
		opts = &Options{}
	}
	return &VM{fallback: opts.Fallback, reserved: opts.Reserved, conn: conn}
}

var errNotMade = errors.New("the VM was not made by New, or has no connection")

// made checks that New made the VM. Every method calls it first.
func (vm *VM) made() error {
	if vm.conn == nil {
		return errNotMade
	}
	return nil
}

// begin waits until no other operation has one of the keys. The caller's operation runs until the caller calls end.
func (vm *VM) begin(ctx context.Context, keys ...wait.Key) (end func(), err error) {
	if err := cmp.Or(vm.made(), wait.Err(ctx)); err != nil {
		return nil, err
	}
	return vm.operations.Lock(ctx, keys...)
}
