package hotplug

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

// What a QEMU has does not change while it runs: it is asked once for each VM, and the answer kept.

// The commands that the operations with disks and with NICs need.
var (
	diskCommands = []string{
		"add-fd", "remove-fd", "query-fdsets", "blockdev-add", "blockdev-del", "query-blockstats",
		"device_add", "device_del", "qom-get", "qom-list", "object-add", "object-del",
		"chardev-add", "chardev-remove", "query-chardev",
	}
	nicCommands = []string{
		"getfd", "closefd", "netdev_add", "netdev_del", "set_link", "chardev-add", "chardev-remove",
		"query-chardev", "device_add", "device_del", "qom-get", "qom-list",
	}
)

// CheckDisk tells whether the running QEMU can have disks added and removed. The error is a
// [*MissingError], which names all that is missing, or that of asking (query-commands). The answer
// is kept; an error of asking is not. With a [Fallback] the commands that it stands in for are not
// missed.
func (vm *VM) CheckDisk(ctx context.Context) error { return vm.check(ctx, "disks", diskCommands) }

// CheckNIC is CheckDisk for NICs.
func (vm *VM) CheckNIC(ctx context.Context) error { return vm.check(ctx, "NICs", nicCommands) }

func (vm *VM) check(ctx context.Context, what string, needed []string) error {
	if err := vm.made(); err != nil {
		return fmt.Errorf("hotplug: asking for commands: %w", err)
	}
	missing, err := vm.missing(ctx, needed...)
	if err != nil {
		return err
	}
	if vm.fallback != nil {
		missing = slices.DeleteFunc(missing, func(command string) bool { return strings.HasPrefix(command, "blockdev-") })
	}
	if len(missing) > 0 {
		return &MissingError{For: what, Commands: missing}
	}
	return nil
}

// missing returns those of the commands that QEMU does not have.
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

// HasDynamicAutoReadOnly reports whether QEMU opens a file with auto-read-only for writing only while
// something writes, instead of for reading only if it cannot be opened for writing. That matters for
// files that QEMU opens itself: see [Disk.AutoReadOnly]. QEMU 4.0 and later do so. The method asks the
// running QEMU (query-qmp-schema). 4.0 does not say so in its schema, and is known by its version. The
// answer is kept; an error is not.
func (vm *VM) HasDynamicAutoReadOnly(ctx context.Context) (bool, error) {
	if err := vm.made(); err != nil {
		return false, fmt.Errorf("hotplug: asking for features: %w", err)
	}
	return vm.dynamicAutoReadOnly.Get(ctx, func() (bool, error) {
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
	})
}

// version is that of the greeting, if the connection knows it.
func (vm *VM) version(ctx context.Context) (qmp.Version, error) {
	if greeted, ok := vm.conn.(interface{ Version() qmp.Version }); ok {
		return greeted.Version(), nil
	}
	info, err := qemu.QueryVersion{}.Do(ctx, vm.conn)
	return qmp.Version{Major: int(info.QEMU.Major), Minor: int(info.QEMU.Minor), Micro: int(info.QEMU.Micro)}, err
}
