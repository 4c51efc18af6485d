package qmplibvirt_test

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/libvirt"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

// TestRunEnds: the machine stops, and with it everything that belongs to the run.
func TestRunEnds(t *testing.T) {
	d, client := newDaemon(t)
	c := connect(t, d, client, nil)
	vm := web1(t, c)
	events := vm.Events()
	d.event(libvirt.Domain{Name: "web1", UUID: libvirt.UUID{1}, ID: 6}, "OTHER_RUN", nil)
	d.event(libvirt.Domain{Name: "web1", UUID: libvirt.UUID{1}, ID: 7}, "SHUTDOWN", nil)
	d.stopped("web1", 3)
	e, err := events.Next(limit(t))
	require.NoError(t, err)
	require.Equal(t, "SHUTDOWN", e.Name)
	_, err = events.Next(limit(t))
	require.ErrorIs(t, err, qmplibvirt.ErrStopped)
	require.EqualError(t, err, `qmplibvirt: machine "web1" has stopped: migrated`)
	<-vm.Done()
	require.ErrorIs(t, vm.Err(), qmplibvirt.ErrStopped)
	err = qemu.Stop{}.Do(limit(t), vm)
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorIs(t, err, qmplibvirt.ErrStopped)

	_, err = c.Domain(limit(t), "web1")
	require.ErrorIs(t, err, qmplibvirt.ErrStopped)
	_, err = c.Domain(limit(t), "web2")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.EqualError(t, err, `qmplibvirt: machine "web2": libvirt: Domain not found (code 42)`)
	require.Eventually(t, func() bool { return d.came(libvirt.DeregisterMonitorEvents) == 1 }, time.Minute, time.Millisecond)

	d.mu.Lock()
	d.domains["web1"].ID = 8
	d.mu.Unlock()
	next := web1(t, c)
	require.Equal(t, 8, next.ID())
	require.NoError(t, qemu.Stop{}.Do(limit(t), next))
}

// TestStopsWhileItIsOpened: the machine stops after the first look-up, so that nobody would tell of its end.
func TestStopsWhileItIsOpened(t *testing.T) {
	d, client := newDaemon(t)
	d.override = func(h libvirt.Header, _ []byte) bool {
		if h.Procedure == libvirt.RegisterMonitorEvents {
			d.mu.Lock()
			d.domains["web1"].ID = 8
			d.mu.Unlock()
		}
		return false
	}
	c := connect(t, d, client, nil)
	_, err := c.Domain(limit(t), "web1")
	require.ErrorIs(t, err, qmplibvirt.ErrStopped)
	require.Eventually(t, func() bool { return d.came(libvirt.DeregisterMonitorEvents) == 1 }, time.Minute, time.Millisecond)
	d.mu.Lock()
	d.override = nil
	d.mu.Unlock()
	require.Equal(t, 8, web1(t, c).ID())
}

func TestQuit(t *testing.T) {
	d, client := newDaemon(t)
	d.monitor = func(*libvirt.Domain, string, []*os.File) (string, *libvirt.Error) {
		return "", failure(1, "no monitor")
	}
	vm := web1(t, connect(t, d, client, nil))
	require.ErrorIs(t, qemu.Quit{}.Do(t.Context(), vm), qmp.ErrOutcomeUnknown, "it does not wait for an end that may not come")

	d, client = newDaemon(t)
	d.monitor = func(*libvirt.Domain, string, []*os.File) (string, *libvirt.Error) {
		d.working.Go(func() { d.stopped("web1", 0) })
		return "", failure(38, "Unable to read from monitor: Connection reset by peer")
	}
	vm = web1(t, connect(t, d, client, nil))
	require.NoError(t, qemu.Quit{}.Do(limit(t), vm))
	<-vm.Done()

	d, client = newDaemon(t) // the monitor is lost, and the machine does not stop while the caller waits
	d.monitor = func(*libvirt.Domain, string, []*os.File) (string, *libvirt.Error) { return "", failure(38, "lost") }
	vm = web1(t, connect(t, d, client, nil))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for d.came(libvirt.MonitorCommand) == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	require.ErrorIs(t, qemu.Quit{}.Do(ctx, vm), qmp.ErrOutcomeUnknown)
}

// TestStoppedComesLate: the event that a run has stopped comes after the Domain of the next run was made. It ends the old
// run only.
func TestStoppedComesLate(t *testing.T) {
	d, client := newDaemon(t)
	c := connect(t, d, client, nil)
	old := web1(t, c)
	d.mu.Lock()
	d.domains["web1"].ID = 8
	d.mu.Unlock()
	next := web1(t, c)
	d.send(libvirt.Header{Procedure: libvirt.LifecycleEvent, Type: libvirt.Event},
		&libvirt.LifecycleBody{Callback: 1, Domain: libvirt.Domain{Name: "web1", UUID: libvirt.UUID{1}, ID: -1}, Event: 5, Detail: 1})
	<-old.Done()
	require.EqualError(t, old.Err(), `qmplibvirt: machine "web1" has stopped: destroyed`)
	require.NoError(t, qemu.Stop{}.Do(limit(t), next))
	require.NoError(t, next.Err())
}

// TestStoppedMachineIsGone: the daemon forgets a transient machine when it stops, or cannot say where it is.
func TestStoppedMachineIsGone(t *testing.T) {
	for name, answer := range map[string]func(d *daemon, h libvirt.Header){
		"no such machine": func(d *daemon, h libvirt.Header) { d.reply(h, nil, failure(42, "Domain not found")) },
		"no machine":      func(d *daemon, h libvirt.Header) { d.reply(h, &libvirt.IntBody{Value: 7}, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			d, client := newDaemon(t)
			c := connect(t, d, client, nil)
			vm := web1(t, c)
			d.mu.Lock()
			d.override = func(h libvirt.Header, _ []byte) bool {
				if h.Procedure == libvirt.DomainLookupByUUID {
					answer(d, h)
				}
				return h.Procedure == libvirt.DomainLookupByUUID
			}
			d.mu.Unlock()
			d.stopped("web1", 4)
			<-vm.Done()
			require.EqualError(t, vm.Err(), `qmplibvirt: machine "web1" has stopped: saved`)
		})
	}
}

// TestQuitWithoutEnd: libvirt has lost the monitor, but the machine does not stop. quit returns, even without a deadline.
func TestQuitWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, client := newDaemon(t)
		d.monitor = func(*libvirt.Domain, string, []*os.File) (string, *libvirt.Error) {
			return "", failure(9, "cannot send monitor command")
		}
		c := connect(t, d, client, nil)
		require.ErrorIs(t, qemu.Quit{}.Do(context.Background(), web1(t, c)), qmp.ErrOutcomeUnknown)
		require.NoError(t, c.Close())
	})
}
