package hotplug_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// lacks answers query-commands for a QEMU that has all commands but these.
func lacks(missing ...string) qmptest.Handler {
	all := []qemu.CommandInfo{}
	for _, name := range []string{
		"add-fd", "remove-fd", "query-fdsets", "blockdev-add", "blockdev-del", "query-blockstats", "device_add",
		"device_del", "qom-get", "qom-list", "object-add", "object-del", "getfd", "closefd", "netdev_add", "netdev_del",
		"set_link", "chardev-add", "chardev-remove", "query-chardev", "block_resize", "query-block", "qom-list-types", "qom-set",
		"query-hotpluggable-cpus", "query-memory-size-summary", "query-memory-devices", "query-memdev",
	} {
		lacking := false
		for _, m := range missing {
			lacking = lacking || m == name
		}
		if !lacking {
			all = append(all, qemu.CommandInfo{Name: name})
		}
	}
	return qmptest.Return(all)
}

func TestMissingCommands(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Expect("query-commands").Refuse(qmp.ErrGeneric, "not now")
	s.Expect("query-commands").Handle(lacks("add-fd", "blockdev-add", "blockdev-del", "getfd"))
	c := s.Dial()
	vm := hotplug.New(c, nil)
	ctx := t.Context()
	require.ErrorIs(t, vm.Supports(ctx, hotplug.Disks), qmp.ErrGeneric, "an error is not kept")

	err := vm.Supports(ctx, hotplug.Disks)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	var missing *hotplug.MissingError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, &hotplug.MissingError{Kind: hotplug.Disks, Commands: []string{"add-fd", "blockdev-add", "blockdev-del"}}, missing)
	require.EqualError(t, err, "hotplug: check support for disks: QEMU does not have add-fd, blockdev-add, blockdev-del")
	require.EqualError(t, vm.Supports(ctx, hotplug.NICs), "hotplug: check support for NICs: QEMU does not have getfd")

	require.EqualError(t, vm.Supports(ctx, hotplug.Devices), "hotplug: check support for devices: QEMU does not have add-fd, getfd")
	require.EqualError(t, vm.Supports(ctx, "cats"), "hotplug: check support for cats: no such kind of devices")

	s.Expect("query-commands").Handle(lacks("add-fd", "blockdev-add", "blockdev-del", "getfd"))
	vm = hotplug.New(c, &hotplug.Options{Fallback: &hotplug.Fallback{}})
	require.EqualError(t, vm.Supports(ctx, hotplug.Disks), "hotplug: check support for disks: QEMU does not have add-fd")
}

// TestMissingCommandsOfEachKind: Supports asks for each command that the operations send.
func TestMissingCommandsOfEachKind(t *testing.T) {
	ctx := t.Context()
	for kind, do := range map[hotplug.Kind]func(vm *hotplug.VM) error{
		hotplug.Disks: func(vm *hotplug.VM) error {
			node := &qemu.BlockdevOptions{Driver: "null-co", Branch: &qemu.RawBranch{}}
			return errors.Join(
				vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}}), vm.ResizeDisk(ctx, "d", 512), errorOf(vm.RemoveDisk(ctx, "d")),
				vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: hotplug.Blockdev{Options: *node, Secrets: map[string][]byte{"key": {1}}}}), errorOf(vm.RemoveDisk(ctx, "d")))
		},
		hotplug.NICs: func(vm *hotplug.VM) error {
			return errors.Join(vm.AddNIC(ctx, userNet("n")), errorOf(vm.RemoveNIC(ctx, "n")), errorOf(vm.RemoveNIC(ctx, "n")))
		},
		hotplug.CPUs: func(vm *hotplug.VM) error { return errors.Join(addsCPU("c").add(ctx, vm), vm.RemoveCPU(ctx, "c")) },
		hotplug.MemoryDevices: func(vm *hotplug.VM) error {
			_, err := vm.SetMemory(ctx, 2*gib, nil)
			return errors.Join(err, vm.AddMemory(ctx, hotplug.Memory{ID: "m", Backend: hotplug.RAM{Size: mib}}), errorOf(vm.RemoveMemory(ctx, "m")))
		},
		hotplug.Devices: func(vm *hotplug.VM) error {
			return errors.Join(vm.AddDevice(ctx, hotplug.Device{Driver: "a", ID: "a"}), errorOf(vm.RemoveDevice(ctx, "a")))
		},
	} {
		m := fakeqemu.New(t)
		m.SetPlaces(1)
		c := m.Dial()
		require.NoError(t, do(hotplug.New(c, nil)), kind)

		m.Handle("query-commands", qmptest.Return([]qemu.CommandInfo{}))
		missing, ok := errors.AsType[*hotplug.MissingError](hotplug.New(c, nil).Supports(ctx, kind))
		require.True(t, ok, kind)
		for _, sent := range m.Requests() {
			switch sent.Command {
			case "query-commands": // a QEMU without it is older than all of hotplug
			case "query-target": // a QEMU without it has no s390x
			case "query-acpi-ospm-status": // a pseries does without it
			case "query-jobs", "query-block-exports": // a removal does without them
			case "query-hotpluggable-cpus": // a device may be removed without it
				require.True(t, kind == hotplug.Devices || slices.Contains(missing.Commands, sent.Command))
			default:
				require.Contains(t, missing.Commands, sent.Command, kind)
			}
		}
	}
}

// TestCPUsThatStay: without KVM an old QEMU has all commands, and does not survive the removal of a CPU.
func TestCPUsThatStay(t *testing.T) {
	for _, kvm := range []bool{false, true} {
		s := qmptest.NewServer(t, &qmptest.Options{Version: qmp.Version{Major: 7, Minor: 2}})
		s.Expect("query-commands").Handle(lacks())
		s.Expect("query-hotpluggable-cpus").Reply([]qemu.HotpluggableCPU{})
		s.Expect("query-target").Reply(qemu.QEMUTargetInfo{Arch: qemu.SysEmuTargetX86_64})
		s.Expect("query-kvm").Reply(qemu.KVMInfo{Present: true, Enabled: kvm})
		err := hotplug.New(s.Dial(), nil).Supports(t.Context(), hotplug.CPUs)
		if kvm {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.EqualError(t, err, "hotplug: check support for CPUs: QEMU 7.2.0 without KVM may not survive the removal of a CPU")
	}
}

// TestAskedOnce has many ask at the same time, and one who does not want to wait.
func TestAskedOnce(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	asked, answer := make(chan struct{}), make(chan struct{})
	s.Expect("query-commands").Handle(func(r *qmptest.Request) (any, error) {
		close(asked)
		<-answer
		return lacks()(r)
	})
	vm := hotplug.New(s.Dial(), nil)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := errors.Join(vm.Supports(t.Context(), hotplug.Disks), vm.Supports(t.Context(), hotplug.Devices)); err != nil {
				t.Error(err)
			}
		})
	}
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, vm.Supports(ctx, hotplug.Devices), context.Canceled)
	close(answer)
	all.Wait()
}

// fileDriver is a schema of blockdev-add with the driver file, with or without the feature.
func fileDriver(features ...string) qmptest.Handler {
	return qmptest.Return([]map[string]any{
		{"name": "blockdev-add", "meta-type": "command", "arg-type": "1", "ret-type": "0"},
		{"name": "0", "meta-type": "object", "members": []any{}},
		{"name": "1", "meta-type": "object", "tag": "driver", "members": []any{map[string]any{"name": "driver", "type": "2"}},
			"variants": []any{map[string]any{"case": "file", "type": "3"}}},
		{"name": "2", "meta-type": "enum", "values": []string{"file"}},
		{"name": "3", "meta-type": "object", "members": []any{}, "features": append([]string{}, features...)},
	})
}

// anonymous is a connection that does not know the version.
type anonymous struct{ qmp.Conn }

func TestDynamicAutoReadOnly(t *testing.T) {
	const feature = "dynamic-auto-read-only"
	for _, c := range []struct {
		name    string
		version qmp.Version
		schema  qmptest.Handler
		want    bool
	}{
		{"3.1", qmp.Version{Major: 3, Minor: 1}, fileDriver(), false},
		{"4.0", qmp.Version{Major: 4}, fileDriver(), true},
		{"4.0.1", qmp.Version{Major: 4, Micro: 1}, fileDriver(), true},
		{"4.1 without it", qmp.Version{Major: 4, Minor: 1}, fileDriver("other"), false},
		{"4.1", qmp.Version{Major: 4, Minor: 1}, fileDriver(feature), true},
		{"9.0", qmp.Version{Major: 9}, fileDriver("other", feature), true},
		{"2.4", qmp.Version{Major: 2, Minor: 4}, qmptest.Refuse(qmp.ErrCommandNotFound, "no schema"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := qmptest.NewServer(t, &qmptest.Options{Version: c.version})
			s.Expect("query-qmp-schema").Refuse(qmp.ErrGeneric, "not now")
			s.Expect("query-qmp-schema").Handle(c.schema)
			vm := hotplug.New(s.Dial(), nil)
			_, err := vm.HasDynamicAutoReadOnly(t.Context())
			require.ErrorIs(t, err, qmp.ErrGeneric)
			for range 2 { // asked once
				has, err := vm.HasDynamicAutoReadOnly(t.Context())
				require.NoError(t, err)
				require.Equal(t, c.want, has)
			}
		})
	}
}

// TestVersionIsAsked for a connection that does not tell it.
func TestVersionIsAsked(t *testing.T) {
	for major, want := range map[int64]bool{4: true, 3: false} {
		s := qmptest.NewServer(t, nil)
		s.Expect("query-qmp-schema").Handle(fileDriver())
		s.Expect("query-version").Reply(qemu.VersionInfo{QEMU: qemu.VersionTriple{Major: major}})
		has, err := hotplug.New(anonymous{s.Dial()}, nil).HasDynamicAutoReadOnly(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, has)
	}
	s := qmptest.NewServer(t, nil)
	s.Expect("query-qmp-schema").Handle(fileDriver())
	s.Expect("query-version").Refuse(qmp.ErrGeneric, "no")
	_, err := hotplug.New(anonymous{s.Dial()}, nil).HasDynamicAutoReadOnly(t.Context())
	require.ErrorIs(t, err, qmp.ErrGeneric)
}

func TestFeaturesOfQEMU(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		vm := hotplug.New(q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-m", "128,slots=1,maxmem=1G"}}).Dial(t), nil)
		for _, kind := range []hotplug.Kind{hotplug.Disks, hotplug.NICs, hotplug.CPUs, hotplug.MemoryDevices, hotplug.Devices} {
			err := vm.Supports(t.Context(), kind)
			if kind == hotplug.CPUs && errors.Is(err, errors.ErrUnsupported) { // an old QEMU without KVM
				require.ErrorContains(t, err, "may not survive")
				continue
			}
			require.NoError(t, err, kind)
		}
		has, err := vm.HasDynamicAutoReadOnly(t.Context())
		require.NoError(t, err)
		require.True(t, has)
	})
}
