package hotplug_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestVMThatNewHasNotMade has all the methods return an error at once: nothing is there to wait for.
func TestVMThatNewHasNotMade(t *testing.T) {
	for name, vm := range map[string]*hotplug.VM{"zero": {}, "no connection": hotplug.New(nil, nil)} {
		for method, call := range map[string]func(ctx context.Context) error{
			"AddDisk": func(ctx context.Context) error { return vm.AddDisk(ctx, memory("d")) },
			"AddNIC":  func(ctx context.Context) error { return vm.AddNIC(ctx, userNet("d")) },
			"AddMemory": func(ctx context.Context) error {
				return vm.AddMemory(ctx, hotplug.Memory{ID: "d", Backend: hotplug.RAM{Size: 1}})
			},
			"AddDevice":     func(ctx context.Context) error { return vm.AddDevice(ctx, hotplug.Device{ID: "d"}) },
			"AddCPU":        func(ctx context.Context) error { _, err := vm.AddCPU(ctx, hotplug.CPU{ID: "d"}); return err },
			"RemoveDisk":    func(ctx context.Context) error { return errorOf(vm.RemoveDisk(ctx, "d")) },
			"RemoveNIC":     func(ctx context.Context) error { return errorOf(vm.RemoveNIC(ctx, "d")) },
			"RemoveMemory":  func(ctx context.Context) error { return errorOf(vm.RemoveMemory(ctx, "d")) },
			"RemoveDevice":  func(ctx context.Context) error { return errorOf(vm.RemoveDevice(ctx, "d")) },
			"ReplaceNIC":    func(ctx context.Context) error { return errorOf(vm.ReplaceNIC(ctx, userNet("d"))) },
			"RemoveCPU":     func(ctx context.Context) error { return vm.RemoveCPU(ctx, "d") },
			"RemoveNode":    func(ctx context.Context) error { _, err := vm.RemoveNode(ctx, "d"); return err },
			"RemoveChardev": func(ctx context.Context) error { _, err := vm.RemoveChardev(ctx, "d"); return err },
			"RemoveNetdev":  func(ctx context.Context) error { _, err := vm.RemoveNetdev(ctx, "d"); return err },
			"RemoveObject":  func(ctx context.Context) error { _, err := vm.RemoveObject(ctx, "d"); return err },
			"RemoveFDSet":   func(ctx context.Context) error { _, err := vm.RemoveFDSet(ctx, 0); return err },
			"ResizeDisk":    func(ctx context.Context) error { return vm.ResizeDisk(ctx, "d", 1) },
			"ResizeMemory":  func(ctx context.Context) error { return vm.ResizeMemory(ctx, "d", 1) },
			"HasDevice":     func(ctx context.Context) error { _, err := vm.HasDevice(ctx, "d"); return err },
			"DeviceInfo":    func(ctx context.Context) error { _, err := vm.DeviceInfo(ctx, "d"); return err },
			"BlockInfo":     func(ctx context.Context) error { _, err := vm.BlockInfo(ctx, "d"); return err },
			"Supports":      func(ctx context.Context) error { return vm.Supports(ctx, hotplug.Disks) },
			"HasDynamicAutoReadOnly": func(ctx context.Context) error {
				_, err := vm.HasDynamicAutoReadOnly(ctx)
				return err
			},
			"PCITree":     func(ctx context.Context) error { _, err := vm.PCITree(ctx); return err },
			"FreePCISlot": func(ctx context.Context) error { _, err := vm.FreePCISlot(ctx, "", 0); return err },
		} {
			require.ErrorContains(t, call(t.Context()), "the VM was not made by New", "%s: %s", name, method)
			require.Regexp(t, "^hotplug: [^:]*: ", call(t.Context()).Error(), method)
		}
	}
}

// TestCauseOfTheContext cancels with a cause each kind of waiting. The error matches the cause and
// context.Canceled.
func TestCauseOfTheContext(t *testing.T) {
	errStop := errors.New("the operator has pressed stop")
	stopped := func(t *testing.T, call func(ctx context.Context) error) {
		t.Helper()
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		time.AfterFunc(time.Second, func() { cancel(errStop) })
		for range 2 { // the second time the context has ended before
			err := call(ctx)
			require.ErrorIs(t, err, errStop)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorContains(t, err, errStop.Error())
			require.NotContains(t, err.Error(), context.Canceled.Error())
		}
	}
	remove := func(vm *hotplug.VM) func(ctx context.Context) error {
		return func(ctx context.Context) error { return errorOf(vm.RemoveDisk(ctx, "d")) }
	}
	t.Run("guest", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, _, vm := deaf(t, nil)
			stopped(t, remove(vm))
		})
	})
	t.Run("operation", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, c, vm := deaf(t, nil)
			removed := make(chan error)
			go func() { removed <- errorOf(vm.RemoveDisk(t.Context(), "d")) }()
			synctest.Wait()
			stopped(t, func(ctx context.Context) error { return vm.AddDisk(ctx, memory("d")) })
			require.NoError(t, qemu.SystemReset{}.Do(t.Context(), c))
			require.NoError(t, <-removed)
		})
	})
	t.Run("node in use", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, _, vm := deaf(t, nil)
			m.SetGuest(fakeqemu.Willing)
			m.Handle("blockdev-del", qmptest.Refuse(qmp.ErrGeneric, "node is in use"))
			stopped(t, remove(vm))
		})
	})
}
