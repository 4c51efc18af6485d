package hotplug_test

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

const mib = 1 << 20

// addsMemory is AddMemory.
func addsMemory(m hotplug.Memory) addition {
	commands := []string{"qom-list-types", "object-add", "device_add"}
	if m.Driver == "" {
		commands = append(commands, "query-acpi-ospm-status")
	}
	return addition{
		add:      func(ctx context.Context, vm *hotplug.VM) error { return vm.AddMemory(ctx, m) },
		remove:   func(ctx context.Context, vm *hotplug.VM) error { return errorOf(vm.RemoveMemory(ctx, m.ID)) },
		commands: commands,
	}
}

// kindsOfMemory are those of which one is removed in a way of its own.
var kindsOfMemory = map[string]hotplug.Memory{
	"dimm":       {ID: "m", Backend: hotplug.RAM{Size: 128 * mib}},
	"virtio-mem": {ID: "m", Backend: hotplug.RAM{Size: 128 * mib}, Driver: fakeqemu.VirtioMem, Props: qmp.Args{"requested-size": 64 * mib}},
}

func TestAddMemory(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	require.NoError(t, vm.AddMemory(ctx, hotplug.Memory{ID: "a", Backend: hotplug.RAM{Size: 128 * mib}}))
	require.NoError(t, vm.AddMemory(ctx, hotplug.Memory{ID: "b", Backend: hotplug.RAM{Size: 128 * mib}, Driver: fakeqemu.VirtioMem}))
	require.Equal(t, []string{"device a", "device b", "object a", "object b"}, m.State())
	require.NoError(t, vm.ResizeMemory(ctx, "b", 64*mib))
	require.NoError(t, errorOf(vm.RemoveMemory(ctx, "a")))
	require.NoError(t, errorOf(vm.RemoveMemory(ctx, "b")))
	require.Empty(t, m.State())
	require.NoError(t, errorOf(vm.RemoveMemory(ctx, "a")), "what is gone can be removed")
}

// TestMemoryRequests compares what is sent.
func TestMemoryRequests(t *testing.T) {
	for _, c := range []struct {
		memory         hotplug.Memory
		object, device string
	}{
		{hotplug.Memory{Backend: hotplug.RAM{Size: 1 << 40}},
			`{"qom-type":"memory-backend-ram","id":"m","size":1099511627776}`,
			`{"driver":"pc-dimm","id":"m","memdev":"m"}`},
		{hotplug.Memory{Backend: hotplug.Object{Options: qemu.ObjectOptions{Branch: &qemu.MemoryBackendMemfdProperties{Hugetlb: new(true), Size: mib}, QOMType: "memory-backend-memfd"}},
			Driver: "virtio-mem-pci", Bus: "rp1", Props: qmp.Args{"node": 1, "requested-size": 0}},
			`{"qom-type":"memory-backend-memfd","id":"m","hugetlb":true,"size":1048576}`,
			`{"driver":"virtio-mem-pci","bus":"rp1","id":"m","memdev":"m","node":1,"requested-size":0}`},
		{hotplug.Memory{Backend: hotplug.Object{Options: qemu.ObjectOptions{Branch: &qemu.MemoryBackendMemfdProperties{Size: mib}}}},
			`{"qom-type":"memory-backend-memfd","id":"m","size":1048576}`,
			`{"driver":"pc-dimm","id":"m","memdev":"m"}`},
		{hotplug.Memory{Backend: hotplug.Object{Options: qemu.ObjectOptions{QOMType: "memory-backend-new", Branch: &qemu.RawBranch{Members: qmp.Args{"size": mib}}}}},
			`{"qom-type":"memory-backend-new","id":"m","size":1048576}`,
			`{"driver":"pc-dimm","id":"m","memdev":"m"}`},
	} {
		m := fakeqemu.NewUnchecked(t) // it has the backend of tomorrow
		sent := map[string]string{}
		for _, command := range []string{"object-add", "device_add"} {
			m.Handle(command, func(r *qmptest.Request) (any, error) {
				sent[command] = string(r.Arguments)
				return nil, nil
			})
		}
		c.memory.ID = "m"
		require.NoError(t, hotplug.New(m.Dial(), nil).AddMemory(t.Context(), c.memory))
		require.JSONEq(t, c.object, sent["object-add"])
		require.JSONEq(t, c.device, sent["device_add"])
	}
}

// TestMemoryOfABranch has a backend whose type follows from its branch.
func TestMemoryOfABranch(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-m", "128,slots=2,maxmem=1G"}}).Dial(t)
		require.NoError(t, hotplug.New(c, nil).AddMemory(limit(t), hotplug.Memory{ID: "m", Backend: hotplug.Object{Options: qemu.ObjectOptions{
			Branch: &qemu.MemoryBackendMemfdProperties{Size: 128 * mib}}}}))
		require.Subset(t, stateOf(t, c), []string{"device m", "object m"})
	})
}

func TestMemoryThatCannotBeAdded(t *testing.T) {
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	ctx := t.Context()
	require.NoError(t, vm.AddDevice(ctx, hotplug.Device{Driver: "a", ID: "other"}))
	require.NoError(t, qemu.ObjectAdd{ID: "io", QOMType: "iothread"}.Do(ctx, c))
	before := m.State()
	ram := &qemu.ObjectOptions{Branch: &qemu.MemoryBackendProperties{Size: mib}, QOMType: "memory-backend-ram", ID: "m2"}
	for _, c := range []struct {
		memory hotplug.Memory
		says   string
	}{
		{hotplug.Memory{}, `hotplug: add memory "": needs an ID`},
		{hotplug.Memory{ID: "m"}, "needs a Backend"},
		{hotplug.Memory{ID: "m", Backend: hotplug.RAM{}}, "RAM needs a Size"},
		{hotplug.Memory{ID: "m", ObjectID: "m3", Backend: hotplug.Object{Options: *ram}}, `ObjectID is "m3", and Options has "m2"`},
		{hotplug.Memory{ID: "m", ObjectID: "-", Backend: hotplug.RAM{Size: 1}}, "ObjectID must begin with a letter"},
		{hotplug.Memory{ID: "m", Backend: hotplug.Object{Options: qemu.ObjectOptions{QOMType: "iothread"}}}, `Options has the type "iothread"`},
		{hotplug.Memory{ID: "m", Backend: hotplug.Object{Options: qemu.ObjectOptions{Branch: &qemu.IOThreadProperties{}}}}, `Options has the type "iothread"`},
		{hotplug.Memory{ID: "m", Backend: hotplug.Object{Options: qemu.ObjectOptions{}}}, "Options: "},
		{hotplug.Memory{ID: "m", Backend: hotplug.Object{Options: qemu.ObjectOptions{Branch: &qemu.RawBranch{}}}}, "Options: "},
		{hotplug.Memory{ID: "m", Backend: hotplug.Object{Options: qemu.ObjectOptions{QOMType: "iothread", Branch: &qemu.MemoryBackendMemfdProperties{}}}}, "Options: "},
		{hotplug.Memory{ID: "m", Backend: hotplug.RAM{Size: 1}, Props: qmp.Args{"memdev": "x"}}, `Props has "memdev"`},
		{hotplug.Memory{ID: "other", Backend: hotplug.RAM{Size: 1}}, `hotplug: add memory "other": device ID is in use`},
		{hotplug.Memory{ID: "io", Backend: hotplug.RAM{Size: 1}}, `object "io" exists (iothread)`},
	} {
		require.ErrorContains(t, vm.AddMemory(ctx, c.memory), c.says)
		require.Equal(t, before, m.State())
	}
	require.ErrorIs(t, vm.AddMemory(ctx, hotplug.Memory{ID: "io", Backend: hotplug.RAM{Size: 1}}), hotplug.ErrExists)

	require.ErrorIs(t, errorOf(vm.RemoveMemory(ctx, "other")), hotplug.ErrNotMemory)
	require.NoError(t, errorOf(vm.RemoveMemory(ctx, "io")), "there is no memory of this name")
	require.ErrorContains(t, errorOf(vm.RemoveMemory(ctx, "1")), "ID must begin with a letter")
	require.ErrorContains(t, vm.ResizeMemory(ctx, "1", 0), `hotplug: resize memory "1": ID must begin with a letter`)
	require.ErrorIs(t, vm.ResizeMemory(ctx, "other", 0), hotplug.ErrNotMemory)
	require.ErrorIs(t, vm.ResizeMemory(ctx, "none", 0), hotplug.ErrNotMemory)
	require.Equal(t, before, m.State())

	require.NoError(t, qemu.ObjectAdd{ID: "shared", QOMType: "memory-backend-ram",
		Branch: &qemu.MemoryBackendProperties{Size: mib}}.Do(ctx, c))
	require.NoError(t, vm.AddDevice(ctx, hotplug.Device{Driver: "pc-dimm", ID: "d", Props: qmp.Args{"memdev": "shared"}}))
	kept, err := vm.RemoveMemory(ctx, "d")
	require.NoError(t, err)
	require.Equal(t, []hotplug.Kept{{What: "object", Name: "shared", Err: hotplug.ErrNotOurs}}, kept)
	require.NoError(t, errorOf(vm.RemoveMemory(ctx, "shared")), "memory without a device is what is left of one")
	require.Equal(t, before, m.State())
}

func TestFaultsAtEveryStepOfMemory(t *testing.T) {
	for kind, memory := range kindsOfMemory {
		for _, fault := range fakeqemu.Faults {
			t.Run(kind+" "+string(fault), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := fakeqemu.New(t)
					faultsAtEveryStep(t, pipe(t, m, nil), fault, addsMemory(memory), m.State)
				})
			})
		}
	}
}

func TestFaultsOfRemovingMemory(t *testing.T) {
	for kind, memory := range kindsOfMemory {
		for _, fault := range fakeqemu.Faults {
			t.Run(kind+" "+string(fault), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					removalFaults(t, fakeqemu.New(t), fault, addsMemory(memory), "device_del", "object-del")
				})
			})
		}
	}
}

// TestMemoryThatTheGuestKeeps is refused in the three ways that there are.
func TestMemoryThatTheGuestKeeps(t *testing.T) {
	for name, answer := range map[string]func(m *fakeqemu.Machine){
		"ACPI": func(m *fakeqemu.Machine) { m.SetGuest(fakeqemu.Refusing) },
		"QEMU 7.2": func(m *fakeqemu.Machine) {
			m.Handle("device_del", func(*qmptest.Request) (any, error) {
				m.Event("MEM_UNPLUG_ERROR", map[string]string{"device": "m", "msg": "no"})
				return nil, nil
			})
		},
		"QEMU 10": func(m *fakeqemu.Machine) {
			m.Handle("device_del", func(*qmptest.Request) (any, error) {
				m.Event(qemu.EventDeviceUnplugGuestError, map[string]string{"device": "m", "path": "/machine/peripheral/m"})
				return nil, nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := fakeqemu.New(t)
			vm := hotplug.New(m.Dial(), nil)
			require.NoError(t, vm.AddMemory(t.Context(), kindsOfMemory["dimm"]))
			answer(m)
			require.ErrorIs(t, errorOf(vm.RemoveMemory(t.Context(), "m")), hotplug.ErrUnplugRefused)
			require.Equal(t, []string{"device m", "object m"}, m.State())
		})
	}
}

// TestMemoryThatCannotBeUndone has a guest that keeps what it should not have been told of.
func TestMemoryThatCannotBeUndone(t *testing.T) {
	for _, guest := range []fakeqemu.Guest{fakeqemu.Refusing, fakeqemu.Deaf} {
		synctest.Test(t, func(t *testing.T) {
			m := fakeqemu.New(t)
			m.SetGuest(guest)
			ctx, cancel := context.WithCancel(t.Context())
			const deviceAdd = 3 // after qom-list-types, query-acpi-ospm-status, object-add
			conn := &fakeqemu.Faulty{Client: pipe(t, m, nil), Fault: fakeqemu.LostAfter, At: deviceAdd, Cancel: cancel}
			err := hotplug.New(conn, nil).AddMemory(ctx, kindsOfMemory["dimm"])
			require.Equal(t, "device_add", conn.Met)
			var rollback *hotplug.RollbackError
			require.ErrorAs(t, err, &rollback)
			require.Equal(t, []string{"device m", "memory backend m"}, rollback.Left)
			require.ErrorIs(t, rollback.Err, context.Canceled)
			want := map[fakeqemu.Guest]error{fakeqemu.Refusing: hotplug.ErrUnplugRefused, fakeqemu.Deaf: hotplug.ErrUnplugPending}
			require.ErrorIs(t, rollback.Undo, want[guest])
			require.Equal(t, []string{"device m", "object m"}, m.State())

			m.SetGuest(fakeqemu.Willing)
			require.NoError(t, errorOf(hotplug.New(conn, nil).RemoveMemory(t.Context(), "m")))
			require.Empty(t, m.State())
		})
	}
}

// TestMemoryThatTheGuestDoesNotResize has guests that do not hear, before and after.
func TestMemoryThatTheGuestDoesNotResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		c := pipe(t, m, &qmp.Options{EventQueue: 1})
		vm := hotplug.New(c, nil)
		ctx := t.Context()
		require.NoError(t, vm.AddMemory(ctx, kindsOfMemory["virtio-mem"]))
		m.SetGuest(fakeqemu.Deaf)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		err := vm.ResizeMemory(short, "m", 32*mib)
		require.ErrorIs(t, err, hotplug.ErrResizePending)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "it uses 67108864 bytes and was asked to use 33554432")
		require.ErrorIs(t, vm.ResizeMemory(short, "m", 32*mib), context.DeadlineExceeded, "nor when it has ended before")
		require.ErrorIs(t, vm.ResizeMemory(ctx, "m", 5), qmp.ErrGeneric)

		short, cancel = context.WithTimeout(ctx, time.Second)
		defer cancel()
		require.ErrorIs(t, errorOf(vm.RemoveMemory(short, "m")), hotplug.ErrResizePending)
		require.Equal(t, []string{"device m", "object m"}, m.State())

		resized := make(chan error, 1)
		go func() { resized <- vm.ResizeMemory(ctx, "m", 32*mib) }()
		synctest.Wait()
		for range 3 { // more than the queue holds
			m.Event(qemu.EventMemoryDeviceSizeChange, map[string]any{"id": "other", "size": 0, "qom-path": "/other"})
		}
		synctest.Wait()
		require.Empty(t, resized)
		m.SetGuest(fakeqemu.Willing)
		again := qemu.QOMSet{Path: "/machine/peripheral/m", Property: "requested-size", Value: qmp.RawJSON("33554432")}
		require.NoError(t, again.Do(ctx, c))
		require.NoError(t, <-resized)
		require.NoError(t, errorOf(vm.RemoveMemory(ctx, "m")))
		require.Empty(t, m.State())
	})
}

// TestMemoryThatGoesWhileItIsResized has nothing left to wait for.
func TestMemoryThatGoesWhileItIsResized(t *testing.T) {
	for name, operation := range map[string]struct {
		do   func(ctx context.Context, vm *hotplug.VM) error
		want error
	}{
		"resized": {func(ctx context.Context, vm *hotplug.VM) error { return vm.ResizeMemory(ctx, "m", 32*mib) }, hotplug.ErrNotMemory},
		"removed": {func(ctx context.Context, vm *hotplug.VM) error { return errorOf(vm.RemoveMemory(ctx, "m")) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := fakeqemu.New(t)
				vm := hotplug.New(pipe(t, m, nil), nil)
				require.NoError(t, vm.AddMemory(t.Context(), kindsOfMemory["virtio-mem"]))
				m.SetGuest(fakeqemu.Deaf)
				ended := make(chan error, 1)
				go func() { ended <- operation.do(t.Context(), vm) }()
				synctest.Wait()
				require.Empty(t, ended)
				for _, command := range []string{"qom-get", "device_del"} {
					m.Handle(command, func(*qmptest.Request) (any, error) {
						return nil, &qmp.Error{Class: qmp.ErrDeviceNotFound, Desc: "gone"}
					})
				}
				m.Handle("object-del", func(*qmptest.Request) (any, error) { return nil, nil })
				m.Event(qemu.EventDeviceDeleted, map[string]string{"device": "m", "path": "/machine/peripheral/m"})
				require.ErrorIs(t, <-ended, operation.want)
			})
		})
	}
}

// TestConnectionLostWhileResizing ends the wait.
func TestConnectionLostWhileResizing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		c := pipe(t, m, nil)
		vm := hotplug.New(c, nil)
		require.NoError(t, vm.AddMemory(t.Context(), kindsOfMemory["virtio-mem"]))
		m.SetGuest(fakeqemu.Deaf)
		resized := make(chan error, 1)
		go func() { resized <- vm.ResizeMemory(t.Context(), "m", 0) }()
		synctest.Wait()
		require.NoError(t, c.Close())
		err := <-resized
		require.ErrorIs(t, err, qmp.ErrClosed)
		require.NotErrorIs(t, err, hotplug.ErrResizePending)
	})
}

func guestMemoryMiB(t *testing.T, m *guestMachine) *regexp.Regexp {
	t.Helper()
	require.NoError(t, m.WaitGuestSees(limit(t), regexp.MustCompile(`^cpus=1 mem=153$`)))
	return regexp.MustCompile(`^cpus=1 mem=153$`)
}

// guestMemory adds memory, which the guest uses and gives back.
func guestMemory(t *testing.T, m *guestMachine) {
	ctx := limit(t)
	before, fds := stateOf(t, m.c), qemuFds(t, m.VM)
	vm := hotplug.New(m.c, nil)
	none := guestMemoryMiB(t, m)
	dimm := hotplug.Memory{ID: "m1", ObjectID: "mem1", Backend: hotplug.RAM{Size: 128 * mib}}
	require.NoError(t, vm.AddMemory(ctx, dimm))
	require.NoError(t, m.WaitGuestSees(ctx, regexp.MustCompile(`mem=281$`)))
	require.ErrorIs(t, vm.AddMemory(ctx, dimm), hotplug.ErrExists)
	require.ErrorIs(t, vm.RemoveCPU(ctx, "m1"), hotplug.ErrNotCPU)
	require.ErrorIs(t, vm.ResizeMemory(ctx, "m1", 0), hotplug.ErrNotMemory)
	summary, err := qemu.QueryMemorySizeSummary{}.Do(ctx, m.c)
	require.NoError(t, err)
	require.Equal(t, uint64(128*mib), *summary.PluggedMemory)

	m.unansweredThenDone(t, func(ctx context.Context, vm *hotplug.VM) error { return errorOf(vm.RemoveMemory(ctx, "m1")) })
	require.NoError(t, m.WaitGuestSees(ctx, none))
	require.Equal(t, before, stateOf(t, m.c))
	require.Equal(t, fds, qemuFds(t, m.VM))
}

func guestMemoryFaults(t *testing.T, m *guestMachine) {
	fds := qemuFds(t, m.VM)
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			faultsAtEveryStep(t, m.c, fault, addsMemory(hotplug.Memory{ID: "m1", Backend: hotplug.RAM{Size: 128 * mib}}),
				func() []string { return stateOf(t, m.c) })
		})
	}
	require.Equal(t, fds, qemuFds(t, m.VM))
}

// guestVirtioMem changes how much memory the guest uses. QEMU 5.2 and 7.2 do not let go of the
// device; a 5.2 lets go of one on a root port when nobody has asked it.
func guestVirtioMem(t *testing.T, m *guestMachine) {
	if !m.QEMU.AtLeast(7, 2) && m.machine == "q35" {
		t.Skip("root ports of 5.2 release devices unasked")
	}
	ctx := limit(t)
	before := stateOf(t, m.c)
	vm := hotplug.New(m.c, nil)
	none := guestMemoryMiB(t, m)
	require.NoError(t, vm.AddMemory(ctx, hotplug.Memory{
		ID: "vm1", Backend: hotplug.RAM{Size: 256 * mib}, Driver: "virtio-mem-pci", Bus: qemutest.HotplugBus(m.machine),
		Props: qmp.Args{"requested-size": 0},
	}))
	require.NoError(t, vm.ResizeMemory(ctx, "vm1", 128*mib))
	require.NoError(t, m.WaitGuestSees(ctx, regexp.MustCompile(`mem=281$`)))
	require.NoError(t, vm.ResizeMemory(ctx, "vm1", 64*mib))
	require.NoError(t, m.WaitGuestSees(ctx, regexp.MustCompile(`mem=217$`)))
	require.ErrorIs(t, vm.ResizeMemory(ctx, "vm1", 1<<40), qmp.ErrGeneric)

	_, err := vm.RemoveMemory(ctx, "vm1")
	require.NoError(t, m.WaitGuestSees(ctx, none))
	if m.QEMU.AtLeast(10, 0) {
		require.NoError(t, err)
		require.Equal(t, before, stateOf(t, m.c))
		return
	}
	var refusal *qmp.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "device_del", refusal.Command)
	raw, err := qemu.QOMGet{Path: "/machine/peripheral/vm1", Property: "size"}.Do(ctx, m.c)
	require.NoError(t, err)
	require.Equal(t, "0", string(raw))
}

// guestKeeps asks for a CPU and for memory, twice.
func guestKeeps(t *testing.T, m *guestMachine) {
	ctx := limit(t)
	vm := hotplug.New(m.c, nil)
	_, err := vm.AddCPU(ctx, hotplug.CPU{ID: "cpu1"})
	require.NoError(t, err)
	require.NoError(t, vm.AddMemory(ctx, hotplug.Memory{ID: "m1", Backend: hotplug.RAM{Size: 128 * mib}}))
	require.NoError(t, m.WaitGuestSees(ctx, regexp.MustCompile(`^cpus=2 mem=281$`)))
	before := stateOf(t, m.c)
	for range 2 {
		if err := vm.RemoveCPU(ctx, "cpu1"); losesCPUs(m.QEMU) {
			require.ErrorIs(t, err, hotplug.ErrUnplugRefused)
		} else {
			require.ErrorIs(t, err, errors.ErrUnsupported)
		}
		require.ErrorIs(t, errorOf(vm.RemoveMemory(ctx, "m1")), hotplug.ErrUnplugRefused)
	}
	require.Equal(t, before, stateOf(t, m.c))
	require.NoError(t, m.WaitGuestSees(ctx, regexp.MustCompile(`^cpus=2 mem=281$`)))
}
