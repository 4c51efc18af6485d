package hotplug_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestDevicePartsOfOthers stay, with the same names as a device's.
func TestDevicePartsOfOthers(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	vm := hotplug.New(c, nil)
	require.NoError(t, qemu.ObjectAdd{ID: "d-object", QOMType: qemu.ObjectTypeRNGBuiltin, Branch: &qemu.RNGProperties{}}.Do(ctx, c))
	_, err := qemu.ChardevAdd{ID: "d-chardev", Backend: *client("/run/x")}.Do(ctx, c)
	require.NoError(t, err)
	before := m.State()
	err = vm.AddDevice(ctx, hotplug.Device{ID: "d", Backend: rng})
	require.ErrorIs(t, err, hotplug.ErrExists)
	require.EqualError(t, err, `hotplug: add device "d": object "d-object" exists (rng-builtin)`)
	err = vm.AddDevice(ctx, hotplug.Device{ID: "d", Backend: listen("/run/x")})
	require.ErrorIs(t, err, hotplug.ErrExists)
	require.EqualError(t, err, `hotplug: add device "d": character device "d-chardev" exists`)
	require.Equal(t, before, m.State())
	require.NoError(t, errorOf(vm.RemoveDevice(ctx, "d")), "as what an interrupted AddDevice left")
	require.Empty(t, m.State())
}

// TestNamesOfDeviceParts removes parts with names of the caller's: with their device, and if an operation was
// interrupted before it added the device, or before it removed the parts.
func TestNamesOfDeviceParts(t *testing.T) {
	ctx := t.Context()
	named := server("/run/s")
	named.ChardevID = "own"
	source, thread := rng, object(qemu.ObjectTypeIOThread, &qemu.IOThreadProperties{})
	source.Options.ID, thread.Options.ID = "own", "own"
	for name, d := range map[string]hotplug.Device{
		"vhost-user": {ID: "d", Driver: "vhost-user-vsock-pci", Backend: named},
		"object":     {ID: "d", Backend: source},
		"thread":     {ID: "d", Driver: "virtio-scsi-pci", Backend: thread},
	} {
		m := fakeqemu.New(t)
		c := m.Dial()
		vm := hotplug.New(c, nil)
		require.NoError(t, vm.AddDevice(ctx, d), name)
		require.Len(t, m.State(), 3, name) // and the mark
		kept, err := vm.RemoveDevice(ctx, "d")
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Empty(t, m.State(), name)

		require.NoError(t, vm.AddDevice(ctx, d), name)
		require.NoError(t, qemu.DeviceDel{ID: "d"}.Do(ctx, c))
		require.Len(t, m.State(), 2, name)
		require.NoError(t, errorOf(vm.RemoveDevice(ctx, "d")))
		require.Empty(t, m.State(), name)
	}
}

// TestDescriptorsThatWereLeft are removed with the name of a device that an interrupted operation did not add.
func TestDescriptorsThatWereLeft(t *testing.T) {
	ctx := t.Context()
	f := opened(t, image(t), os.O_RDWR)
	for name, remove := range map[string]func(vm *hotplug.VM) ([]hotplug.Kept, error){
		"device":    func(vm *hotplug.VM) ([]hotplug.Kept, error) { return vm.RemoveDevice(ctx, "d") },
		"functions": func(vm *hotplug.VM) ([]hotplug.Kept, error) { return vm.RemoveFunctions(ctx, []string{"d"}) },
	} {
		m := fakeqemu.New(t)
		c := m.Dial()
		for i, opaque := range []string{"qmpkit-device:d:x", "qmpkit-device:dd:x"} {
			_, err := qemu.AddFD{FDSetID: new(int64(i)), Opaque: &opaque}.Do(ctx, c, qmp.WithFile(f))
			require.NoError(t, err)
		}
		for _, sent := range []string{"d-0-fd", "d-1-fd", "dd-0-fd", "d-fd-0"} {
			require.NoError(t, qemu.GetFD{FDName: sent}.Do(ctx, c, qmp.WithFile(f)))
		}
		kept, err := remove(hotplug.New(c, nil))
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Equal(t, []string{"fd d-fd-0", "fd dd-0-fd", "fdset 1 qmpkit-device:dd"}, m.State(), name)
	}
}

// TestPartsThatOthersShare stay: QEMU does not tell what else uses them.
func TestPartsThatOthersShare(t *testing.T) {
	ctx := t.Context()
	m := fakeqemu.New(t)
	c := m.Dial()
	require.NoError(t, qemu.ObjectAdd{ID: "io", QOMType: qemu.ObjectTypeIOThread}.Do(ctx, c))
	f := opened(t, image(t), os.O_RDWR)
	_, err := qemu.AddFD{FDSetID: new(int64(7)), Opaque: new("theirs")}.Do(ctx, c, qmp.WithFile(f))
	require.NoError(t, err)
	before := m.State()
	vm := hotplug.New(c, nil)
	for _, opts := range [][]hotplug.RemoveOption{nil, {hotplug.WithBackend()}} {
		require.NoError(t, vm.AddDevice(ctx, hotplug.Device{ID: "d", Driver: "virtio-scsi-pci", Props: qmp.Args{"iothread": "io"}}))
		kept, err := vm.RemoveDevice(ctx, "d", opts...)
		require.NoError(t, err)
		require.Empty(t, kept)
		require.Equal(t, before, m.State())
	}
	usb := hotplug.Device{ID: "d", Driver: "usb-host", Props: qmp.Args{"hostdevice": "/dev/fdset/7"}}
	require.NoError(t, vm.AddDevice(ctx, usb))
	kept, err := vm.RemoveDevice(ctx, "d")
	require.NoError(t, err)
	require.Equal(t, []hotplug.Kept{{What: "fdset", Name: "7", Err: hotplug.ErrNotOurs}}, kept)
	require.NoError(t, vm.AddDevice(ctx, usb))
	kept, err = vm.RemoveDevice(ctx, "d", hotplug.WithBackend())
	require.NoError(t, err)
	require.Empty(t, kept)
	require.Equal(t, []string{"object io"}, m.State())
}
