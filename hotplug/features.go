package hotplug

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

// A Kind is a kind of device, for [VM.Supports].
type Kind string

// The kinds, and the operations that each of them covers.
const (
	Disks         Kind = "disks"   // AddDisk, ResizeDisk, RemoveDisk
	NICs          Kind = "NICs"    // AddNIC, ReplaceNIC, RemoveNIC
	CPUs          Kind = "CPUs"    // AddCPU, AddCPUs, SetCPUs, RemoveCPU
	MemoryDevices Kind = "memory"  // AddMemory, SetMemory, ResizeMemory, RemoveMemory
	Devices       Kind = "devices" // AddDevice, RemoveDevice
)

// kindCommands lists the commands that the operations of each kind need.
var kindCommands = map[Kind][]string{
	Disks: {
		"add-fd", "remove-fd", "query-fdsets", "blockdev-add", "blockdev-del", "query-block", "query-blockstats", "block_resize",
		"object-add", "object-del", "chardev-add", "chardev-remove", "query-chardev", "query-memdev",
		"device_add", "device_del", "qom-get", "qom-list", "qom-list-types",
	},
	NICs: {
		"getfd", "closefd", "netdev_add", "netdev_del", "set_link", "chardev-add", "chardev-remove", "query-chardev", "query-memdev",
		"device_add", "device_del", "qom-get", "qom-list", "qom-list-types",
	},
	CPUs: {"query-hotpluggable-cpus", "device_add", "device_del", "qom-get", "qom-list", "qom-list-types"},
	MemoryDevices: {
		"query-memory-size-summary", "query-memory-devices", "object-add", "object-del", "qom-set",
		"device_add", "device_del", "qom-get", "qom-list", "qom-list-types",
	},
	Devices: {
		"chardev-add", "chardev-remove", "query-chardev", "object-add", "object-del", "query-memdev",
		"add-fd", "remove-fd", "query-fdsets", "getfd", "closefd",
		"device_add", "device_del", "qom-get", "qom-list", "qom-list-types",
	},
}

// Supports returns nil if the running QEMU can add and remove devices of this kind, and its machine can get
// any. It asks QEMU for its commands and keeps the answer; after an error, the next call asks again. It does
// not check whether the machine has room for another device.
//
// Supports returns an error that matches:
//   - [*MissingError]: QEMU lacks commands, which the error names. It does not name a command that a
//     [Fallback] replaces.
//   - [errors.ErrUnsupported]: QEMU lacks commands, the machine cannot get such devices while it runs, or
//     kind is CPUs and this QEMU cannot remove CPUs (see [VM.RemoveCPU]).
//
// Source: query-commands; for CPUs also query-hotpluggable-cpus, query-target and query-kvm, for NICs
// query-pci, for memory what AddMemory asks.
func (vm *VM) Supports(ctx context.Context, kind Kind) error {
	err := vm.made()
	if err == nil {
		err = vm.supports(ctx, kind)
	}
	return failed("check support for "+string(kind), err)
}

func (vm *VM) supports(ctx context.Context, kind Kind) error {
	needed, ok := kindCommands[kind]
	if !ok {
		return errors.New("no such kind of devices")
	}
	missing, err := vm.missing(ctx, needed...)
	if err != nil {
		return err
	}
	if vm.fallback != nil {
		missing = slices.DeleteFunc(missing, func(command string) bool { return strings.HasPrefix(command, "blockdev-") })
	}
	if len(missing) > 0 {
		return &MissingError{Kind: kind, Commands: missing}
	}
	return vm.checkMachine(ctx, kind)
}

// missing returns the commands that QEMU does not have.
func (vm *VM) missing(ctx context.Context, commands ...string) (missing []string, err error) {
	has, err := vm.commands.Get(ctx, func() (map[string]bool, error) {
		all, err := qemu.QueryCommands{}.Do(ctx, vm.conn)
		has := map[string]bool{}
		for _, command := range all {
			has[command.Name] = true
		}
		return has, err
	})
	if err != nil {
		return nil, err
	}
	for _, command := range commands {
		if !has[command] {
			missing = append(missing, command)
		}
	}
	return missing, nil
}

// HasDynamicAutoReadOnly reports whether auto-read-only is dynamic in this QEMU: QEMU then opens a file for
// writing only while something writes. QEMU before 4.0 decides once: it opens a file for writing, or for
// reading if that fails. The difference matters for files that QEMU opens itself: see [File.AutoReadOnly].
//
// The method looks in QEMU's schema. The schema of 4.0 does not show it, so the method also asks for the
// version. It keeps the answer; after an error, the next call asks again.
//
// Source: query-qmp-schema.
func (vm *VM) HasDynamicAutoReadOnly(ctx context.Context) (bool, error) {
	has, err := false, vm.made()
	if err == nil {
		has, err = vm.dynamicAutoReadOnly.Get(ctx, func() (bool, error) { return vm.hasDynamicAutoReadOnly(ctx) })
	}
	return has, failed("check support for dynamic auto-read-only", err)
}

func (vm *VM) hasDynamicAutoReadOnly(ctx context.Context) (bool, error) {
	schema, err := qmpschema.Query(ctx, vm.conn)
	if errors.Is(err, errors.ErrUnsupported) { // older than 2.5
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if has, err := schema.Has(qemu.FeatureBlockdevOptionsFileDynamicAutoReadOnly); has || err != nil {
		return has, err
	}
	version, err := vm.version(ctx)
	return version.Major == 4 && version.Minor == 0, err
}

// version returns the version in the greeting, if the connection has that, and else asks QEMU.
func (vm *VM) version(ctx context.Context) (qmp.Version, error) {
	if greeted, ok := vm.conn.(interface{ Version() qmp.Version }); ok {
		return greeted.Version(), nil
	}
	return vm.asked.Get(ctx, func() (qmp.Version, error) {
		info, err := qemu.QueryVersion{}.Do(ctx, vm.conn)
		return qmp.Version{Major: int(info.QEMU.Major), Minor: int(info.QEMU.Minor), Micro: int(info.QEMU.Micro)}, err
	})
}
