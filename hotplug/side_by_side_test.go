package hotplug_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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

// keeps makes the guest of a machine never answer for one device.
func keeps(m *fakeqemu.Machine, id string) {
	m.Intercept("device_del", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
		var args struct{ ID string }
		if err := r.Decode(&args); err != nil || args.ID == id {
			return nil, err
		}
		return machine(r)
	})
}

// TestOthersComeAndGo adds and removes things of all kinds while the guest keeps one disk.
func TestOthersComeAndGo(t *testing.T) {
	qemutest.CheckFds(t)
	taps, vhost := fakeTaps(t, 2)
	m := fakeqemu.New(t)
	keeps(m, "kept")
	vm := hotplug.New(m.Dial(), nil)
	ctx := t.Context()
	require.NoError(t, vm.AddDisk(ctx, memory("kept")))
	before := m.State()
	patience, cancel := context.WithCancel(ctx)
	kept := make(chan error)
	go func() { kept <- errorOf(vm.RemoveDisk(patience, "kept")) }()

	path := image(t)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			id := fmt.Sprint("d", i)
			var add func() error
			remove := func() error { return errorOf(vm.RemoveDevice(ctx, id)) }
			switch i % 5 {
			case 0:
				add = func() error {
					return vm.AddDisk(ctx, hotplug.Disk{ID: id, Backend: hotplug.File{Path: path}, Bus: "rp1"})
				}
				remove = func() error { return errorOf(vm.RemoveDisk(ctx, id)) }
			case 1:
				add = func() error {
					return vm.AddNIC(ctx, hotplug.NIC{ID: id, Backend: hotplug.Tap{Queues: taps, Vhost: vhost}})
				}
				remove = func() error { return errorOf(vm.RemoveNIC(ctx, id)) }
			case 2:
				add = func() error {
					return vm.AddMemory(ctx, hotplug.Memory{ID: id, Backend: hotplug.RAM{Size: 1 << 27}})
				}
				remove = func() error { return errorOf(vm.RemoveMemory(ctx, id)) }
			case 3:
				add = func() error { return vm.AddDisk(ctx, encrypted(id)) }
				remove = func() error { return errorOf(vm.RemoveFunctions(ctx, []string{id})) }
			default:
				add = func() error { return vm.AddDevice(ctx, hotplug.Device{Driver: "virtio-rng-pci", ID: id}) }
			}
			for range 3 {
				if err := errors.Join(add(), remove()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, before, m.State())
	select {
	case err := <-kept:
		require.NoError(t, err, "the guest has answered")
	default:
	}
	cancel()
	require.ErrorIs(t, <-kept, hotplug.ErrUnplugPending)
}

// TestOneID has many goroutines add and remove a disk with the same ID.
func TestOneID(t *testing.T) {
	m := fakeqemu.New(t)
	vm := hotplug.New(m.Dial(), nil)
	disk := hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}}
	for range 20 {
		errs := make([]error, 8)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() { errs[i] = vm.AddDisk(t.Context(), disk) })
		}
		all.Wait()
		errs = slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, hotplug.ErrExists) })
		require.Equal(t, []error{nil}, errs)
		for range 3 {
			all.Go(func() {
				if err := errorOf(vm.RemoveDisk(t.Context(), "d")); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.Empty(t, m.State())
	}
}

// TestWhatWaits has a guest that does not answer for one device: an operation that would take that device along,
// or that needs its ID, waits. Others do not.
func TestWhatWaits(t *testing.T) {
	at := func(id, bus, addr string) hotplug.Device {
		return hotplug.Device{Driver: "i6300esb", ID: id, Bus: bus, Props: qmp.Args{"addr": addr, "multifunction": true}}
	}
	port := hotplug.Device{Driver: "pcie-root-port", ID: "kept"}
	for name, test := range map[string]struct {
		kept hotplug.Device
		do   func(ctx context.Context, vm *hotplug.VM) error
		want bool
	}{
		"same ID":  {port, func(ctx context.Context, vm *hotplug.VM) error { return vm.AddDisk(ctx, memory("kept")) }, true},
		"other ID": {port, func(ctx context.Context, vm *hotplug.VM) error { return vm.AddDisk(ctx, memory("d")) }, false},
		"one of several": {port, func(ctx context.Context, vm *hotplug.VM) error {
			return errorOf(vm.RemoveFunctions(ctx, []string{"d", "kept"}))
		}, true},
		"node": {port, func(ctx context.Context, vm *hotplug.VM) error { _, err := vm.RemoveNode(ctx, "kept"); return err }, true},
		"bus of the port": {port, func(ctx context.Context, vm *hotplug.VM) error {
			return vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: memory("d").Backend, Bus: "kept"})
		}, true},
		"bus of the controller": {port, func(ctx context.Context, vm *hotplug.VM) error {
			return vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: memory("d").Backend, Bus: "kept.0"})
		}, true},
		"other bus": {port, func(ctx context.Context, vm *hotplug.VM) error {
			return vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: memory("d").Backend, Bus: "kept0"})
		}, false},
		"slot":                {at("kept", "br", "9.1"), func(ctx context.Context, vm *hotplug.VM) error { return vm.AddDevice(ctx, at("d", "br", "9.0")) }, true},
		"other slot":          {at("kept", "br", "9.1"), func(ctx context.Context, vm *hotplug.VM) error { return vm.AddDevice(ctx, at("d", "br", "8.0")) }, false},
		"slot of another bus": {at("kept", "br", "9.1"), func(ctx context.Context, vm *hotplug.VM) error { return vm.AddDevice(ctx, at("d", "br2", "9.0")) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := fakeqemu.New(t)
				keeps(m, "kept")
				vm := hotplug.New(pipe(t, m, nil), nil)
				require.NoError(t, vm.AddDevice(t.Context(), test.kept))
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				kept := make(chan error)
				go func() { kept <- errorOf(vm.RemoveDevice(ctx, "kept")) }()
				synctest.Wait()

				short, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				begin := time.Now()
				err := test.do(short, vm)
				if test.want {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.NotErrorIs(t, err, qmp.ErrOutcomeUnknown)
					require.Equal(t, time.Minute, time.Since(begin))
					require.NotContains(t, m.State(), "device d")
					require.NotContains(t, m.State(), "node d")
				} else {
					require.NoError(t, err)
					require.Zero(t, time.Since(begin))
				}
				require.ErrorIs(t, <-kept, hotplug.ErrUnplugPending)
			})
		})
	}
}

// TestDeviceWithTheNameOfABus is removed while a function is added to its slot. Neither waits until its context ends.
func TestDeviceWithTheNameOfABus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		c := pipe(t, m, nil)
		vm := hotplug.New(c, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		function := func(id, addr string) hotplug.Device {
			return hotplug.Device{Driver: "i6300esb", ID: id, Bus: "pci.0", Props: qmp.Args{"addr": addr, "multifunction": true}}
		}
		require.NoError(t, vm.AddDevice(ctx, function("pci", "5.0")))
		added := make(chan error, 1)
		var once sync.Once
		m.Intercept("qom-get", func(r *qmptest.Request, machine qmptest.Handler) (any, error) {
			if strings.Contains(string(r.Arguments), "multifunction") { // the removal has the lock of the device
				once.Do(func() {
					go func() { added <- vm.AddDevice(ctx, function("d", "5.1")) }()
					time.Sleep(time.Second) // until the addition waits
				})
			}
			return machine(r)
		})
		require.NoError(t, errorOf(vm.RemoveDevice(ctx, "pci")))
		require.NoError(t, <-added)
	})
}

// TestNetdevThatGetsADevice is not removed while the device is added, which would cut it off.
func TestNetdevThatGetsADevice(t *testing.T) {
	adds := map[string]func(ctx context.Context, vm *hotplug.VM, c *qmp.Client) error{
		"AddDevice": func(ctx context.Context, vm *hotplug.VM, c *qmp.Client) error {
			err := qemu.NetdevAdd{ID: "n", Branch: &qemu.NetdevUserOptions{}}.Do(ctx, c)
			return errors.Join(err, vm.AddDevice(ctx, hotplug.Device{Driver: "e1000", ID: "d", Props: qmp.Args{"netdev": "n"}}))
		},
		"AddNIC": func(ctx context.Context, vm *hotplug.VM, c *qmp.Client) error {
			nic := userNet("d")
			nic.NetdevID = "n"
			return vm.AddNIC(ctx, nic)
		},
		"AddNIC, Options": func(ctx context.Context, vm *hotplug.VM, c *qmp.Client) error {
			return vm.AddNIC(ctx, hotplug.NIC{ID: "d", Backend: &hotplug.Netdev{Options: qemu.Netdev{ID: "n", Branch: &qemu.NetdevUserOptions{}}}})
		},
	}
	removes := map[string]func(ctx context.Context, vm *hotplug.VM) error{
		"RemoveNetdev": func(ctx context.Context, vm *hotplug.VM) error { _, err := vm.RemoveNetdev(ctx, "n"); return err },
		"WithNetdev": func(ctx context.Context, vm *hotplug.VM) error {
			kept, err := vm.RemoveNIC(ctx, "gone", hotplug.WithNetdev("n"))
			if len(kept) > 0 {
				err = errors.Join(err, kept[0].Err)
			}
			return err
		},
	}
	for added, add := range adds {
		for removed, remove := range removes {
			t.Run(added+", "+removed, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := fakeqemu.New(t)
					c := pipe(t, m, nil)
					vm := hotplug.New(late{c, "device_add"}, nil)
					added := make(chan error)
					go func() { added <- add(t.Context(), vm, c) }()
					synctest.Wait()
					err := remove(t.Context(), vm)
					require.NoError(t, <-added)
					require.ErrorIs(t, err, hotplug.ErrInUse)
				})
			})
		}
	}
}

// TestCPUsGetPlaces of their own, if they are added together.
func TestCPUsGetPlaces(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetPlaces(8)
	vm := hotplug.New(m.Dial(), nil)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if _, err := vm.AddCPU(t.Context(), hotplug.CPU{ID: fmt.Sprint("cpu", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestOthersComeAndGoOnQEMU has a machine without an operating system, which keeps a disk until it is reset.
func TestOthersComeAndGoOnQEMU(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{
			"-device", "virtio-scsi-pci,id=scsi0", "-device", "qemu-xhci,id=usb0,p2=15,p3=15"}})
		c := qvm.Dial(t)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		empty, fds := stateOf(t, c), qemuFds(t, qvm)
		path := image(t)
		require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "kept", Backend: hotplug.File{Path: image(t)}}))
		before := stateOf(t, c)
		kept := make(chan error, 1)
		go func() { kept <- errorOf(vm.RemoveDisk(ctx, "kept")) }()

		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				for round := range 10 {
					id := fmt.Sprint("d", i, "-", round) // QEMU 5.2 can need seconds until an ID is free
					nic := userNet(id)
					nic.Driver, nic.Bus = "usb-net", "usb0.0"
					var err error
					switch (i + round) % 3 {
					case 0:
						disk := hotplug.Disk{ID: id, Backend: hotplug.File{Path: path, ReadOnly: true}, Driver: "scsi-hd", Bus: "scsi0.0"}
						err = errors.Join(vm.AddDisk(ctx, disk), errorOf(vm.RemoveDisk(ctx, id)))
					case 1:
						err = errors.Join(vm.AddNIC(ctx, nic), errorOf(vm.RemoveNIC(ctx, id)))
					default:
						err = errors.Join(vm.AddDevice(ctx, hotplug.DeviceOf(usb(id))), errorOf(vm.RemoveDevice(ctx, id)))
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		require.Equal(t, before, stateOf(t, c))
		require.Empty(t, kept, "the guest has answered")
		require.NoError(t, qemu.SystemReset{}.Do(ctx, c))
		require.NoError(t, <-kept)
		require.Equal(t, empty, stateOf(t, c))
		require.Equal(t, fds, qemuFds(t, qvm))
	})
}
