package qmplibvirt_test

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/libvirt"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

// TestHungMachine: commands of a machine that hangs wait for it, and others do not. Its turn and its call come back when
// the daemon answers.
func TestHungMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, client := newDaemon(t)
		d.domains["web2"] = &libvirt.Domain{Name: "web2", UUID: libvirt.UUID{2}, ID: 9}
		hung := make(chan struct{})
		d.monitor = func(domain *libvirt.Domain, request string, _ []*os.File) (string, *libvirt.Error) {
			if domain.Name == "web1" {
				<-hung
			}
			return `{"return":{"late":true}}`, nil
		}
		c := connect(t, d, client, &qmplibvirt.Options{InFlight: 2})
		vm := web1(t, c)
		other, err := c.Domain(limit(t), "web2")
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var late string
		err = qemu.Stop{}.Do(ctx, vm, qmp.OnLateReply(func(result qmp.RawJSON) { late = string(result) }))
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = qemu.Cont{}.Do(ctx, vm)
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.EqualError(t, err, "qmp: cont: not sent: another command of this machine is in flight: context deadline exceeded")

		for range 10 {
			require.NoError(t, qemu.Stop{}.Do(limit(t), other))
		}
		require.Equal(t, 11, d.came(libvirt.MonitorCommand))
		close(hung)
		synctest.Wait()
		require.Equal(t, `{"late":true}`, late)
		require.NoError(t, qemu.Cont{}.Do(limit(t), vm))
		require.NoError(t, c.Close())
	})
}

// TestAllCallsTaken: machines that hang have all calls of the connection.
func TestAllCallsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, client := newDaemon(t)
		d.monitor = func(*libvirt.Domain, string, []*os.File) (string, *libvirt.Error) {
			<-t.Context().Done()
			return "", nil
		}
		c := connect(t, d, client, &qmplibvirt.Options{InFlight: 1})
		vm := web1(t, c)
		waits := make(chan error, 1)
		go func() { waits <- qemu.Stop{}.Do(context.Background(), vm) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := guest.GuestPing{}.Do(ctx, vm.Guest())
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.EqualError(t, err, "qmp: guest-ping: not sent: too many calls are in flight: context deadline exceeded")
		_, err = c.Domain(ctx, "web2")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, c.Close())
		err = <-waits
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
		require.ErrorIs(t, err, qmp.ErrClosed)
		err = qemu.Stop{}.Do(t.Context(), vm)
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.ErrorIs(t, err, qmp.ErrClosed)
	})
}

// TestLateReplyPanics: the connection ends, and says why.
func TestLateReplyPanics(t *testing.T) {
	for name, late := range map[string]func(qmp.RawJSON){
		"panic": func(qmp.RawJSON) { panic("no") },
	} {
		t.Run(name, func(t *testing.T) {
			d, client := newDaemon(t)
			answer := make(chan struct{})
			d.monitor = func(*libvirt.Domain, string, []*os.File) (string, *libvirt.Error) {
				<-answer
				return `{"return":{}}`, nil
			}
			c := connect(t, d, client, nil)
			vm := web1(t, c)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for d.came(libvirt.MonitorCommand) == 0 {
					time.Sleep(time.Millisecond)
				}
				cancel()
			}()
			err := qemu.Stop{}.Do(ctx, vm, qmp.OnLateReply(late))
			require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
			close(answer)
			<-c.Done()
			failed, ok := errors.AsType[*qmp.CallbackError](c.Err())
			require.True(t, ok)
			require.Equal(t, "the function of OnLateReply", failed.Callback)
			require.Same(t, failed, vm.Err())
		})
	}
}

// TestDaemonDoesNotRead: a command that is not written yet is not sent when its context ends.
func TestDaemonDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, client := newDaemon(t)
		block := make(chan struct{})
		d.domains["web2"] = &libvirt.Domain{Name: "web2", UUID: libvirt.UUID{2}, ID: 9}
		slow := &slowConn{Conn: client, block: block}
		c := connect(t, d, slow, nil)
		vm := web1(t, c)
		other, err := c.Domain(limit(t), "web2")
		require.NoError(t, err)
		slow.slow = true
		try := func(vm *qmplibvirt.Domain) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return qemu.Stop{}.Do(ctx, vm)
		}
		err = try(vm)
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown, "it may be written in part")
		err = try(other)
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.EqualError(t, err, "qmp: stop: not sent: the daemon does not read earlier calls: context deadline exceeded")
		close(block)
		require.NoError(t, qemu.Stop{}.Do(limit(t), vm))
		require.NoError(t, qemu.Stop{}.Do(limit(t), other))
		require.Equal(t, 3, d.came(libvirt.MonitorCommand))
		require.NoError(t, c.Close())
	})
}

// A slowConn does not write until block is closed.
type slowConn struct {
	net.Conn
	slow  bool
	block chan struct{}
}

func (c *slowConn) Write(b []byte) (int, error) {
	if c.slow {
		<-c.block
	}
	return c.Conn.Write(b)
}

// A closingConn waits for closing before it closes.
type closingConn struct {
	net.Conn
	begun, closing chan struct{}
	once           sync.Once
}

func (c *closingConn) Close() error {
	c.once.Do(func() { close(c.begun) })
	<-c.closing
	return c.Conn.Close()
}

// TestContextEndsWhileConnEnds: a command that waits in the queue has one ending, even if its context ends while the
// connection does. An end that takes time keeps no caller.
func TestContextEndsWhileConnEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, client := newDaemon(t)
		d.domains["web2"] = &libvirt.Domain{Name: "web2", UUID: libvirt.UUID{2}, ID: 9}
		slow := &slowConn{Conn: client, block: make(chan struct{})}
		closing := &closingConn{Conn: slow, begun: make(chan struct{}), closing: make(chan struct{})}
		c := connect(t, d, closing, nil)
		vm := web1(t, c)
		other, err := c.Domain(limit(t), "web2")
		require.NoError(t, err)
		slow.slow = true
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		written, waits := make(chan error, 1), make(chan error, 1)
		go func() { written <- qemu.Stop{}.Do(ctx, vm) }()
		synctest.Wait()
		go func() { waits <- qemu.Stop{}.Do(ctx, other) }()
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- c.Close() }()
		<-closing.begun
		cancel()
		synctest.Wait()
		require.ErrorIs(t, <-written, qmp.ErrOutcomeUnknown)
		require.ErrorIs(t, <-waits, qmp.ErrNotSent)
		<-c.Done()
		<-vm.Done()
		close(closing.closing)
		close(slow.block)
		require.NoError(t, <-closed)
	})
}
