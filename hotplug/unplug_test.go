package hotplug_test

import (
	"context"
	"fmt"
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

// TestRemovalCutOff lets each command of RemoveDisk go wrong. Calling it again finishes.
func TestRemovalCutOff(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := fakeqemu.New(t)
				c := pipe(t, m, nil)
				met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
					require.NoError(t, hotplug.New(c, nil).AddDisk(t.Context(), memory("d")))
					return errorOf(hotplug.New(conn, nil).RemoveDisk(ctx, "d"))
				}, func(command string, err error) {
					if err == nil {
						require.Empty(t, m.State(), command)
					}
					require.NoError(t, errorOf(hotplug.New(c, nil).RemoveDisk(t.Context(), "d")), command)
					require.Empty(t, m.State(), command)
				})
				require.NoError(t, err)
				require.Empty(t, m.State())
				require.Contains(t, met, "device_del")
				require.Contains(t, met, "blockdev-del")
			})
		})
	}
}

// deaf returns a machine with the disk d, whose guest does nothing.
func deaf(t *testing.T, opts *qmp.Options) (*fakeqemu.Machine, *qmp.Client, *hotplug.VM) {
	t.Helper()
	m := fakeqemu.New(t)
	m.SetGuest(fakeqemu.Deaf)
	c := pipe(t, m, opts)
	vm := hotplug.New(c, nil)
	require.NoError(t, vm.AddDisk(t.Context(), memory("d")))
	return m, c, vm
}

func TestUnplugRefused(t *testing.T) {
	m := fakeqemu.New(t)
	m.SetGuest(fakeqemu.Refusing)
	vm := hotplug.New(m.Dial(), nil)
	require.NoError(t, vm.AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}}))
	before := m.State()
	require.ErrorIs(t, errorOf(vm.RemoveDisk(t.Context(), "d")), hotplug.ErrUnplugRefused)
	require.Equal(t, before, m.State())

	m.SetGuest(fakeqemu.Willing)
	require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
	require.Empty(t, m.State())
}

// TestUnplugPending has a guest that answers only when somebody waits for the second time, of
// a QEMU that takes a second device_del and of one that refuses it.
func TestUnplugPending(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprint("strict=", strict), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := fakeqemu.New(t)
				m.SetGuest(fakeqemu.Deaf)
				if strict {
					m.RefuseSecondUnplug()
				}
				c := pipe(t, m, nil)
				vm := hotplug.New(c, nil)
				require.NoError(t, vm.AddDisk(t.Context(), memory("d")))

				short, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := vm.RemoveDisk(short, "d")
				require.ErrorIs(t, err, hotplug.ErrUnplugPending)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, []string{"device d", "node d"}, m.State())

				time.AfterFunc(6*time.Second, func() { _ = qemu.SystemReset{}.Do(t.Context(), c) })
				require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
				require.Empty(t, m.State())
			})
		})
	}
}

// TestUnplugThatQEMURefuses is refused for a while, as by a slot that the guest is powering on: QEMU
// is asked again until it takes the request, or the context ends.
func TestUnplugThatQEMURefuses(t *testing.T) {
	busy := &qmp.Error{Class: qmp.ErrGeneric, Desc: "guest is busy (power indicator blinking)"}
	t.Run("for a while", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, _, vm := deaf(t, nil)
			m.SetGuest(fakeqemu.Willing)
			refusing(m, busy, 20*time.Second)
			require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
			require.Empty(t, m.State())
		})
	})
	t.Run("until the context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, _, vm := deaf(t, nil)
			refusing(m, busy, time.Hour)
			before := m.State()
			short, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			_, err := vm.RemoveDisk(short, "d")
			require.Equal(t, time.Minute, time.Since(start))
			require.ErrorIs(t, err, hotplug.ErrUnplugPending)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "power indicator blinking")
			var answer *qmp.Error
			require.ErrorAs(t, err, &answer)
			require.Equal(t, "device_del", answer.Command)
			require.True(t, qmp.MayHaveExecuted(err), "an earlier request may be pending")
			require.Equal(t, before, m.State())
		})
	})
}

// refusing makes device_del fail for so long.
func refusing(m *fakeqemu.Machine, refusal error, limit time.Duration) {
	end := time.Now().Add(limit)
	m.Intercept("device_del", func(r *qmptest.Request, next qmptest.Handler) (any, error) {
		if time.Now().Before(end) {
			return nil, refusal
		}
		return next(r)
	})
}

// TestNeverUnplugged is what QEMU will never do, which can be seen: its refusal comes back at once.
func TestNeverUnplugged(t *testing.T) {
	for name, properties := range map[string]map[string]any{
		"a device that stays":   {"hotpluggable": false},
		"a bus without hotplug": {"hotpluggable": true, "parent_bus": "/machine/x/pci.0", "hotplug-handler": ""},
		"a root bus of PCI Express": {"hotpluggable": true, "parent_bus": "/machine/q35/pcie.0",
			"hotplug-handler": "/machine/unattached/device[3]", "bus type": "PCIE"},
		"a port whose hotplug is off": {"hotpluggable": true, "parent_bus": "/machine/peripheral/rp1/rp1",
			"hotplug-handler": "/machine/peripheral/rp1", "bus type": "PCIE", "chassis": 1, "hotplug": false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _, vm := deaf(t, nil)
				m.Handle("device_del", func(*qmptest.Request) (any, error) {
					return nil, &qmp.Error{Class: qmp.ErrGeneric, Desc: "no hotplugging"}
				})
				withProperties(m, properties)
				start := time.Now()
				_, err := vm.RemoveDisk(t.Context(), "d")
				require.ErrorContains(t, err, "no hotplugging")
				require.NotErrorIs(t, err, hotplug.ErrUnplugPending)
				require.Zero(t, time.Since(start))
			})
		})
	}
}

// withProperties gives the disk d and what is above it these properties. "bus type" is the type of
// its bus.
func withProperties(m *fakeqemu.Machine, properties map[string]any) {
	m.Intercept("qom-get", func(r *qmptest.Request, next qmptest.Handler) (any, error) {
		var args struct{ Path, Property string }
		if err := r.Decode(&args); err != nil {
			return nil, err
		}
		if args.Path == properties["parent_bus"] && args.Property == "type" {
			args.Property = "bus type"
		}
		if value, ok := properties[args.Property]; ok {
			return value, nil
		}
		return next(r)
	})
}

// TestRequestThatTheGuestLoses has a guest that misses requests: it is asked again, after 2 seconds,
// or after 7 where it would take a second request for a wish to keep the device.
func TestRequestThatTheGuestLoses(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler string
		took    time.Duration
	}{
		{"by ACPI", "/machine/unattached/device[3]", 6 * time.Second},
		{"by a button", "/machine/peripheral/rp1", 21 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _, vm := deaf(t, nil)
				withProperties(m, map[string]any{"parent_bus": "/machine/peripheral/rp1/rp1", "hotplug-handler": c.handler})
				requests := 0
				m.Intercept("device_del", func(r *qmptest.Request, next qmptest.Handler) (any, error) {
					if requests++; requests == 4 {
						m.SetGuest(fakeqemu.Willing)
					}
					return next(r)
				})
				start := time.Now()
				require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
				require.Equal(t, c.took, time.Since(start))
				require.Empty(t, m.State())
			})
		})
	}
}

// TestContextEndsBeforeTheRelease has a device that a look does not find any more, and a context that
// ends while QEMU is given the time to tell.
func TestContextEndsBeforeTheRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c, vm := deaf(t, nil)
		m.Mute(true)
		time.AfterFunc(500*time.Millisecond, func() { _ = qemu.SystemReset{}.Do(t.Context(), c) })
		short, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := vm.RemoveDisk(short, "d")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, hotplug.ErrUnplugPending, "it is gone")
		require.Equal(t, 1500*time.Millisecond, time.Since(start))
		require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
		require.Empty(t, m.State())
	})
}

// TestRemovalWithoutAnEvent has a QEMU that does not tell of the device's end, as 7.2 and 10.0 do
// for a qemu-xhci.
func TestRemovalWithoutAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c, vm := deaf(t, nil)
		m.Mute(true)
		go func() {
			time.Sleep(3500 * time.Millisecond)
			_ = qemu.SystemReset{}.Do(t.Context(), c)
		}()
		start := time.Now()
		require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
		require.Equal(t, 6*time.Second, time.Since(start), "it looked after 4 seconds, and left QEMU 2 more to tell")
		require.Empty(t, m.State())
	})
}

// TestGoneAsTheContextEnds has a device that is gone when the context ends, whose event has not
// come: it is not pending any more, but what is left has to wait for the next call.
func TestGoneAsTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, vm := deaf(t, nil)
		m.Handle("qom-get", func(r *qmptest.Request) (any, error) {
			var args struct{ Path, Property string }
			if err := r.Decode(&args); err != nil || args.Property == "drive" {
				return "d", err
			}
			return nil, &qmp.Error{Class: qmp.ErrDeviceNotFound, Desc: "gone"}
		})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := vm.RemoveDisk(short, "d")
		require.NotErrorIs(t, err, hotplug.ErrUnplugPending)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, qmp.ErrNotSent)
	})
}

// TestEventsOfOthers has events of other devices, of parts of this one, and of an earlier one with its ID come first.
func TestEventsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c, vm := deaf(t, nil)
		go func() {
			time.Sleep(time.Second)
			m.Event(qemu.EventDeviceDeleted, map[string]string{"device": "other", "path": "/machine/peripheral/other"})
			m.Event(qemu.EventDeviceDeleted, map[string]string{"path": "/machine/peripheral/d/virtio-backend"})
			m.Event(qemu.EventDeviceUnplugGuestError, map[string]string{"device": "d2", "path": "/machine/peripheral/d2"})
			m.Event(qemu.EventDeviceDeleted, "no object")
			m.Event(qemu.EventDeviceDeleted, map[string]string{"device": "d", "path": "/machine/peripheral/d"})
			time.Sleep(time.Second)
			_ = qemu.SystemReset{}.Do(t.Context(), c)
		}()
		start := time.Now()
		require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Empty(t, m.State())
	})
}

// TestEventsLost has room for one event only: the one that counts may be lost.
func TestEventsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, vm := deaf(t, &qmp.Options{EventQueue: 1})
		m.Handle("device_del", func(*qmptest.Request) (any, error) {
			for range 3 { // before the reply, so that nobody takes them
				m.Event(qemu.EventDeviceDeleted, map[string]string{"path": "/machine/peripheral/x"})
			}
			return nil, nil
		})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, errorOf(vm.RemoveDisk(short, "d")), hotplug.ErrUnplugPending, "the device is still there")

		m.Handle("qom-get", func(r *qmptest.Request) (any, error) {
			var args struct{ Path, Property string }
			if err := r.Decode(&args); err != nil || args.Property == "drive" {
				return "d", err
			}
			return nil, &qmp.Error{Class: qmp.ErrDeviceNotFound, Desc: "gone"}
		})
		_, err := vm.RemoveDisk(t.Context(), "d")
		require.ErrorContains(t, err, "in use", "it took the device for gone, whose event was lost")
	})
}

// TestNodeLingers has a node that is in use for a while after its device has gone, then one
// that stays so.
func TestNodeLingers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fakeqemu.New(t)
		vm := hotplug.New(pipe(t, m, nil), nil)
		require.NoError(t, vm.AddDisk(t.Context(), memory("d")))
		m.Linger(5)
		require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
		require.Empty(t, m.State())

		require.NoError(t, vm.AddDisk(t.Context(), memory("d")))
		m.Linger(1 << 30)
		start := time.Now()
		_, err := vm.RemoveDisk(t.Context(), "d")
		require.ErrorIs(t, err, qmp.ErrGeneric)
		require.ErrorContains(t, err, "Node d is in use")
		require.InDelta(t, 10, time.Since(start).Seconds(), 0.2)

		short, cancel := context.WithTimeout(t.Context(), time.Second+time.Millisecond)
		defer cancel()
		_, err = vm.RemoveDisk(short, "d")
		require.ErrorIs(t, err, qmp.ErrGeneric)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, []string{"node d"}, m.State())

		m.Linger(0)
		require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
		require.Empty(t, m.State())
	})
}

func TestRemoveIsForDisks(t *testing.T) {
	m := fakeqemu.New(t)
	c := m.Dial()
	require.NoError(t, qemu.DeviceAdd{Driver: "virtio-net-pci", ID: new("net0")}.Do(t.Context(), c))
	vm := hotplug.New(c, nil)
	require.ErrorIs(t, errorOf(vm.RemoveDisk(t.Context(), "net0")), hotplug.ErrNotDisk)
	require.ErrorContains(t, errorOf(vm.RemoveDisk(t.Context(), "../x")), "ID must begin with a letter")
	require.Equal(t, []string{"device net0"}, m.State())

	// A disk, but one that has the node of another.
	for _, node := range []string{"d", "other"} {
		null := &qemu.BlockdevOptionsNull{}
		require.NoError(t, qemu.BlockdevAdd{NodeName: new(node), Driver: "null-co", Branch: null}.Do(t.Context(), c))
	}
	require.NoError(t, qemu.DeviceAdd{Driver: "scsi-hd", ID: new("d"), Props: qmp.Args{"drive": "other"}}.Do(t.Context(), c))
	kept, err := vm.RemoveDisk(t.Context(), "d")
	require.NoError(t, err)
	require.Equal(t, []hotplug.Kept{{What: "node", Name: "other", Err: hotplug.ErrNotOurs}}, kept)
	require.Equal(t, []string{"device net0", "node other"}, m.State())
}
