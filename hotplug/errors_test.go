package hotplug_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
)

// TestErrorTexts: an error names the package, the operation, the object and the reason once each, and
// matches its sentinel.
func TestErrorTexts(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetPlaces(1)
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	require.NoError(t, vm.AddDisk(ctx, memory("data1")))
	require.NoError(t, vm.AddNIC(ctx, userNet("net1")))
	require.NoError(t, vm.AddMemory(ctx, hotplug.Memory{ID: "mem1", Backend: hotplug.RAM{Size: mib}}))
	require.NoError(t, vm.AddDevice(ctx, hotplug.Device{Driver: "nvme-ns", ID: "other", Props: qmp.Args{"drive": "data1"}}))
	require.NoError(t, vm.AddDevice(ctx, hotplug.Device{Driver: "e1000", ID: "nic2", Props: qmp.Args{"netdev": "net1"}}))
	m.SetGuest(fakeqemu.Refusing)
	_, noDevice := vm.DeviceInfo(ctx, "none")
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, c := range []struct {
		err  error
		is   error
		text string
	}{
		{vm.AddDisk(ctx, memory("data1")), hotplug.ErrExists, `hotplug: add disk "data1": device ID is in use`},
		{vm.AddNIC(ctx, userNet("data1")), hotplug.ErrExists, `hotplug: add NIC "data1": device ID is in use`},
		{vm.AddDisk(ended, memory("data2")), context.Canceled, `hotplug: add disk "data2": context canceled`},
		{errorOf(vm.RemoveDisk(ctx, "net1")), hotplug.ErrNotDisk, `hotplug: remove disk "net1": device is not a disk`},
		{errorOf(vm.RemoveNIC(ctx, "data1")), hotplug.ErrNotNIC, `hotplug: remove NIC "data1": device is not a NIC`},
		{errorOf(vm.RemoveMemory(ctx, "data1")), hotplug.ErrNotMemory, `hotplug: remove memory "data1": device is not memory`},
		{vm.RemoveCPU(ctx, "data1"), hotplug.ErrNotCPU, `hotplug: remove CPU "data1": device is not a CPU`},
		{errorOf(vm.RemoveDisk(ctx, "data1", hotplug.WithNode(""))), nil, `hotplug: remove disk "data1": name of the node is empty`},
		{errorOf(vm.RemoveDisk(ctx, "data1")), hotplug.ErrUnplugRefused, `hotplug: remove disk "data1": guest refused to release the device`},
		{errorOf(vm.RemoveFunctions(ctx, []string{"data1", "mem1"})), hotplug.ErrNotAlone,
			`hotplug: remove functions "data1, mem1": device "mem1": device has an object with memory; RemoveMemory removes both`},
		{vm.ResizeDisk(ctx, "net1", 1), hotplug.ErrNotDisk, `hotplug: resize disk "net1": device is not a disk`},
		{vm.ResizeDisk(ctx, "none", 1), qmp.ErrDeviceNotFound, `hotplug: resize disk "none": no such device`},
		{vm.ResizeMemory(ctx, "mem1", 1), hotplug.ErrNotMemory, `hotplug: resize memory "mem1": no such device, or its size cannot change`},
		{noDevice, qmp.ErrDeviceNotFound, `hotplug: describe device "none": no such device`},
	} {
		require.EqualError(t, c.err, c.text)
		if c.is != nil {
			require.ErrorIs(t, c.err, c.is)
		}
	}

	// Undo has an error of each step, and the text is one line.
	rollback := &hotplug.RollbackError{Err: errors.New("no"), Undo: errors.Join(errors.New("a"), errors.New("b")), Left: []string{"c", "d"}}
	require.EqualError(t, rollback, "no; undo failed: a; b; may be left: c, d")
}
