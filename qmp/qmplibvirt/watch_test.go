package qmplibvirt_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/libvirt"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

func TestDomains(t *testing.T) {
	d, client := newDaemon(t)
	c := connect(t, d, client, nil)
	for info, err := range c.Domains(limit(t)) {
		require.NoError(t, err)
		require.Equal(t, qmplibvirt.Info{Name: "web1", UUID: "01000000-0000-0000-0000-000000000000", ID: 7, State: qmplibvirt.StatePaused}, info)
	}
	require.NoError(t, c.Close())
	for _, err := range c.Domains(limit(t)) {
		require.ErrorIs(t, err, qmp.ErrClosed)
	}
	require.Equal(t, "paused", qmplibvirt.StatePaused.String())
	require.Equal(t, "state 99", qmplibvirt.State(99).String())
	require.Equal(t, "event 98", qmplibvirt.Lifecycle(99).String())
	require.Equal(t, "stopped", qmplibvirt.Stopped.String())
	require.Equal(t, "detail 99", qmplibvirt.StopDetail(99).String())
}

// TestWatch: the events of all machines come once to each Watch, and once to each Domain.
func TestWatch(t *testing.T) {
	d, client := newDaemon(t)
	c := connect(t, d, client, &qmplibvirt.Options{EventQueue: 4})
	vm := web1(t, c)
	own := vm.Events()
	first, err := c.Watch(limit(t))
	require.NoError(t, err)
	second, err := c.Watch(limit(t))
	require.NoError(t, err)
	require.Equal(t, 2, d.came(libvirt.RegisterMonitorEvents))
	data := `{"a":1}`
	d.event(libvirt.Domain{Name: "web1", UUID: libvirt.UUID{1}, ID: 7}, "A", &data)
	d.event(libvirt.Domain{Name: "web3", UUID: libvirt.UUID{3}, ID: 3}, "B", nil)
	d.stopped("web1", 1)
	for _, w := range []*qmplibvirt.Watch{first, second} {
		for _, want := range []string{"web1 A0", "web3 B0", "web1 stopped1"} {
			e, err := w.Next(limit(t))
			require.NoError(t, err)
			require.Equal(t, want, fmt.Sprintf("%s %s%s%d", e.Name, e.QMP.Name, e.Lifecycle, e.Detail))
		}
	}
	e, err := own.Next(limit(t))
	require.NoError(t, err)
	require.Equal(t, "A", e.Name)
	_, err = own.Next(limit(t))
	require.ErrorIs(t, err, qmplibvirt.ErrStopped)

	require.NoError(t, second.Close())
	_, err = second.Next(limit(t))
	require.ErrorIs(t, err, qmp.ErrClosed)
	for range 10 {
		d.event(libvirt.Domain{Name: "web3", UUID: libvirt.UUID{3}, ID: 3}, "B", nil)
	}
	require.NoError(t, qemu.Stop{}.Do(limit(t), vmOf(t, d, c)))
	_, err = first.Next(limit(t))
	require.ErrorIs(t, err, qmp.ErrEventsLost)
	require.EqualError(t, err, "qmp: events lost: 6")
	for range 4 {
		_, err = first.Next(limit(t))
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = first.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, d.conn.Close())
	_, err = first.Next(limit(t))
	require.ErrorIs(t, err, io.EOF)
	_, err = c.Watch(limit(t))
	require.ErrorIs(t, err, io.EOF)
}

// vmOf starts a machine and returns it.
func vmOf(t *testing.T, d *daemon, c *qmplibvirt.Conn) *qmplibvirt.Domain {
	d.mu.Lock()
	d.domains["web1"].ID = 20
	d.mu.Unlock()
	return web1(t, c)
}

// TestManyEvents: nothing is lost of 10,000 events while commands run.
func TestManyEvents(t *testing.T) {
	const count = 10_000
	d, client := newUNIXDaemon(t)
	c := connect(t, d, client, &qmplibvirt.Options{EventQueue: count})
	vm := web1(t, c)
	events := vm.Events()
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		for i := range count {
			data := fmt.Sprintf(`{"n":%d}`, i)
			d.event(libvirt.Domain{Name: "web1", UUID: libvirt.UUID{1}, ID: 7}, "E", &data)
		}
	})
	group.Go(func() {
		for range 100 {
			if err := (qemu.Stop{}).Do(limit(t), vm); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range count {
		e, err := events.Next(limit(t))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf(`{"n":%d}`, i), string(e.Data))
	}
}
