package guestagent_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// A fakeMachine is a monitor, and an agent that does not answer the first command.
type fakeMachine struct {
	*qmptest.Server
	c     *qmp.Client
	guest *fakeGuest
	agent *guestagent.Agent
	conn  *fakeConn   // of agent
	open  atomic.Bool // the port
}

// ends ends QEMU.
func (m *fakeMachine) ends() {
	_ = m.conn.end()
	m.Disconnect()
}

// inMachine calls f with a machine whose agent has the ID "agent0".
func inMachine(t *testing.T, f func(t *testing.T, m *fakeMachine)) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMachine{Server: qmptest.NewServer(t, nil), guest: newFakeGuest()}
		m.open.Store(true)
		m.guest.at, m.guest.fault = 0, mute
		c, err := qmp.NewClient(t.Context(), m.Pipe(), nil)
		require.NoError(t, err)
		defer c.Close()
		m.c = c
		m.Handle("qom-get", func(r *qmptest.Request) (any, error) {
			var get qemu.QOMGet
			if err := r.Decode(&get); err != nil || get.Path != "/machine/peripheral/agent0" || get.Property != "chardev" {
				return nil, &qmp.Error{Class: qmp.ErrDeviceNotFound}
			}
			return "channel", nil
		})
		m.Handle("query-chardev", func(*qmptest.Request) (any, error) {
			return []qemu.ChardevInfo{{Label: "monitor"}, {Label: "channel", FrontendOpen: m.open.Load()}}, nil
		})
		m.Handle("query-status", qmptest.Return(qemu.StatusInfo{Running: true, Status: qemu.RunStateRunning}))
		m.conn = &fakeConn{guest: m.guest}
		m.agent = guestagent.New(m.conn, &guestagent.Options{VM: c, Port: "agent0"})
		defer m.agent.Close()
		f(t, m)
	})
}

// port sends an event about a port.
func (m *fakeMachine) port(id string, open bool) {
	m.Event("VSERPORT_CHANGE", qemu.VserportChangeEvent{ID: id, Open: open})
}

// TestCommandEndsWithTheAgent: by an event, by the state of the port, and with the machine.
func TestCommandEndsWithTheAgent(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, m *fakeMachine){
		"port closes": func(_ *testing.T, m *fakeMachine) {
			m.port("other", false)
			m.port("agent0", true)
			m.port("agent0", false)
		},
		"port is closed": func(_ *testing.T, m *fakeMachine) { m.open.Store(false) },
		"guest shuts down": func(_ *testing.T, m *fakeMachine) {
			m.Event("SHUTDOWN", qemu.ShutdownEvent{Guest: true, Reason: qemu.ShutdownCauseGuestShutdown})
		},
		"QEMU ends": func(_ *testing.T, m *fakeMachine) { m.ends() },
	} {
		t.Run(name, func(t *testing.T) {
			inMachine(t, func(t *testing.T, m *fakeMachine) {
				time.AfterFunc(5*time.Second, func() { end(t, m) })
				begin := time.Now()
				err := guest.GuestPing{}.Do(t.Context(), m.agent)
				require.ErrorIs(t, err, guestagent.ErrAgentGone)
				require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
				require.Equal(t, name == "guest shuts down" || name == "QEMU ends", errors.Is(err, guestagent.ErrVMEnded), err)
				require.Less(t, time.Since(begin), 8*time.Second)
			})
		})
	}
}

// TestSuspend: a command without a reply succeeds when the agent ends, and fails by an error.
func TestSuspend(t *testing.T) {
	inMachine(t, func(t *testing.T, m *fakeMachine) {
		time.AfterFunc(5*time.Second, func() { m.port("agent0", false) })
		require.NoError(t, guest.GuestSuspendRAM{}.Do(t.Context(), m.agent))
		m.guest.answers = map[string]func([]byte) (any, error){"guest-suspend-ram": refusal(qmp.ErrGeneric)}
		require.ErrorIs(t, guest.GuestSuspendRAM{}.Do(t.Context(), m.agent), qmp.ErrGeneric)
	})
}

// TestMonitorIsClosed: when the caller closes the monitor, commands go on without it.
func TestMonitorIsClosed(t *testing.T) {
	inMachine(t, func(t *testing.T, m *fakeMachine) {
		time.AfterFunc(time.Second, func() { _ = m.c.Close() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := guest.GuestPing{}.Do(ctx, m.agent)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, guestagent.ErrAgentGone)
		require.NoError(t, guest.GuestPing{}.Do(t.Context(), m.agent))
	})
}

// TestMonitorIsLost: without the monitor, the guest runs and is thawed. Its end shows by the channel.
func TestMonitorIsLost(t *testing.T) {
	inMachine(t, func(t *testing.T, m *fakeMachine) {
		m.guest.at = 1 // the first request to thaw
		require.NoError(t, m.agent.WhileFrozen(t.Context(), nil, func(context.Context) error {
			m.Disconnect()
			<-m.c.Done()
			return nil
		}))
		require.False(t, m.guest.frozen)
		require.NoError(t, guest.GuestPing{}.Do(t.Context(), m.agent))
		_, err := qmp.Raw{Command: "guest-ping", Args: qmp.Args{"a": "\xff"}}.Do(t.Context(), m.agent)
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.NotErrorIs(t, err, guestagent.ErrAgentGone)
	})
	inMachine(t, func(t *testing.T, m *fakeMachine) {
		m.Disconnect()
		<-m.c.Done()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, m.agent.Shutdown(ctx, guestagent.PowerDown), qmp.ErrOutcomeUnknown)
		require.ErrorIs(t, m.agent.WaitReady(ctx), context.DeadlineExceeded)
		m.guest.at = len(m.guest.calls)
		time.AfterFunc(time.Second, func() { _ = m.conn.end() })
		require.NoError(t, m.agent.Shutdown(t.Context(), guestagent.PowerDown))
	})
}

// TestChannelIsLost: the end of the channel is not the end of the guest.
func TestChannelIsLost(t *testing.T) {
	for _, ends := range []bool{false, true} {
		inMachine(t, func(t *testing.T, m *fakeMachine) {
			time.AfterFunc(time.Second, func() { _ = m.conn.end() })
			if ends {
				time.AfterFunc(2*time.Second, func() {
					m.Event("SHUTDOWN", qemu.ShutdownEvent{Guest: true, Reason: qemu.ShutdownCauseGuestShutdown})
				})
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := m.agent.Shutdown(ctx, guestagent.PowerDown)
			if ends {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
		})
	}
}

// TestNotReady: the error says what is known about the machine.
func TestNotReady(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(m *fakeMachine)
		text    string
		want    guestagent.NotReadyError
	}{
		"not opened": {func(m *fakeMachine) { m.open.Store(false) },
			"no program in the guest has opened the port: ", guestagent.NotReadyError{Known: true, RunState: "running"}},
		"opened": {func(m *fakeMachine) {},
			"a program in the guest has opened the port and does not answer: ", guestagent.NotReadyError{Known: true, PortOpened: true, RunState: "running"}},
		"opened and closed": {func(m *fakeMachine) {
			m.open.Store(false)
			time.AfterFunc(time.Second, func() { m.port("agent0", true); m.port("agent0", false) })
		}, "a program in the guest has opened the port", guestagent.NotReadyError{Known: true, PortOpened: true, RunState: "running"}},
		"paused": {func(m *fakeMachine) {
			m.Handle("query-status", qmptest.Return(qemu.StatusInfo{Status: qemu.RunStatePaused}))
		}, "machine does not run (paused): ", guestagent.NotReadyError{Known: true, PortOpened: true, RunState: "paused"}},
		"not known": {func(m *fakeMachine) {
			m.Handle("query-chardev", qmptest.Refuse(qmp.ErrGeneric, "no"))
			m.Handle("query-status", qmptest.Refuse(qmp.ErrGeneric, "no"))
		}, "guest agent is not ready: qmp: sent, outcome unknown", guestagent.NotReadyError{}},
		"QEMU hangs": {func(m *fakeMachine) { m.Handle("qom-get", qmptest.Hang) },
			"guest agent is not ready: qmp: sent, outcome unknown", guestagent.NotReadyError{}},
		"QEMU answers nonsense": {func(m *fakeMachine) { m.Handle("qom-get", qmptest.Return(map[string]any{})) },
			"guest agent is not ready: qmp: sent, outcome unknown", guestagent.NotReadyError{RunState: "running"}},
		"no such chardev": {func(m *fakeMachine) { m.Handle("qom-get", qmptest.Return("none")) },
			"guest agent is not ready: qmp: sent, outcome unknown", guestagent.NotReadyError{RunState: "running"}},
	} {
		t.Run(name, func(t *testing.T) {
			inMachine(t, func(t *testing.T, m *fakeMachine) {
				c.prepare(m)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				err := m.agent.WaitReady(ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				got := new(guestagent.NotReadyError)
				require.ErrorAs(t, err, &got)
				require.ErrorContains(t, err, c.text)
				c.want.Err = got.Err
				require.Equal(t, &c.want, got)
			})
		})
	}
	inMachine(t, func(t *testing.T, m *fakeMachine) {
		time.AfterFunc(time.Second, m.ends)
		require.ErrorIs(t, m.agent.WaitReady(t.Context()), guestagent.ErrVMEnded)
	})
	inMachine(t, func(t *testing.T, m *fakeMachine) { // an agent that refuses runs
		m.guest.fault = refuses
		require.NoError(t, m.agent.WaitReady(t.Context()))
	})
}

// TestWaitReadyDialsAgain until the agent answers.
func TestWaitReadyDialsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		a := guestagent.New(nil, &guestagent.Options{Redial: func(context.Context) (qmp.Executor, error) {
			if dials++; dials < 5 {
				return nil, io.ErrUnexpectedEOF
			}
			return &fakeConn{guest: newFakeGuest()}, nil
		}})
		require.NoError(t, a.WaitReady(t.Context()))
		require.Equal(t, 5, dials)
		require.NoError(t, a.Close())
		require.ErrorIs(t, a.WaitReady(t.Context()), qmp.ErrClosed)
		require.NoError(t, a.Close())
	})
	err := guest.GuestPing{}.Do(t.Context(), guestagent.New(nil, nil))
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorContains(t, err, "the Agent has no connection")
}

// TestCloseEndsDialing: a goroutine that connects again holds the channel, and must release it.
func TestCloseEndsDialing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := guestagent.New(nil, &guestagent.Options{Redial: func(ctx context.Context) (qmp.Executor, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		time.AfterFunc(time.Second, func() { _ = a.Close() })
		for range 2 {
			go func() {
				if err := (guest.GuestPing{}).Do(t.Context(), a); !errors.Is(err, qmp.ErrClosed) {
					t.Error(err)
				}
			}()
		}
		begin := time.Now()
		require.ErrorIs(t, a.WaitReady(t.Context()), qmp.ErrClosed)
		require.Equal(t, time.Second, time.Since(begin))
		synctest.Wait()
	})
}

// TestNoDialStorm: connections that end at once are dialled a few times a second.
func TestNoDialStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		a := guestagent.New(nil, &guestagent.Options{Redial: func(context.Context) (qmp.Executor, error) {
			dials++
			c := &fakeConn{guest: newFakeGuest()}
			_ = c.end()
			return c, nil
		}})
		defer a.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 1100*time.Millisecond)
		defer cancel()
		err := guest.GuestPing{}.Do(ctx, a)
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.ErrorIs(t, err, guestagent.ErrAgentGone)
		require.LessOrEqual(t, dials, 7)
	})
}

// TestShutdown: success is the end of the guest, and a reply is an error.
func TestShutdown(t *testing.T) {
	shutdown := func(m *fakeMachine) {
		m.Event("SHUTDOWN", qemu.ShutdownEvent{Guest: true, Reason: qemu.ShutdownCauseGuestShutdown})
	}
	reset := func(m *fakeMachine) {
		m.Event("RESET", qemu.ResetEvent{Guest: true, Reason: qemu.ShutdownCauseGuestReset})
	}
	closes := func(m *fakeMachine) { m.port("agent0", false) }
	for name, c := range map[string]struct {
		mode   guestagent.ShutdownMode
		events []func(m *fakeMachine)
		fails  bool
	}{
		"power down":              {guestagent.PowerDown, []func(*fakeMachine){closes, shutdown}, false},
		"power down, reset":       {guestagent.PowerDown, []func(*fakeMachine){closes, reset}, true},
		"power down, QEMU ends":   {guestagent.PowerDown, []func(*fakeMachine){func(m *fakeMachine) { m.ends() }}, false},
		"power down, and nothing": {guestagent.PowerDown, nil, true},
		"reboot":                  {guestagent.Reboot, []func(*fakeMachine){closes, reset}, false},
		"halt":                    {guestagent.Halt, []func(*fakeMachine){closes}, false},
		"halt, and nothing":       {guestagent.Halt, []func(*fakeMachine){func(m *fakeMachine) { m.port("other", false) }, func(m *fakeMachine) { m.port("agent0", true) }}, true},
	} {
		t.Run(name, func(t *testing.T) {
			inMachine(t, func(t *testing.T, m *fakeMachine) {
				time.AfterFunc(time.Second, func() {
					for _, event := range c.events {
						event(m)
					}
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := m.agent.Shutdown(ctx, c.mode)
				if !c.fails {
					require.NoError(t, err)
					require.NoError(t, ctx.Err())
					return
				}
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
			})
		})
	}
	inMachine(t, func(t *testing.T, m *fakeMachine) {
		m.guest.fault = refuses
		require.ErrorIs(t, m.agent.Shutdown(t.Context(), guestagent.PowerDown), qmp.ErrGeneric)
	})
	for _, mode := range []guestagent.ShutdownMode{guestagent.Halt, guestagent.Reboot} {
		err := newFakeGuest().agent(t, false).Shutdown(t.Context(), mode)
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.ErrorContains(t, err, "Options.VM is needed")
	}
}

// TestShutdownWithoutMonitor: QEMU closes the channel when it ends.
func TestShutdownWithoutMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, &qmptest.Options{Guest: true})
		g, err := qmp.NewGuestClient(t.Context(), s.Pipe(), nil)
		require.NoError(t, err)
		a := guestagent.New(g, nil)
		defer a.Close()
		s.Handle("guest-shutdown", qmptest.NoReply)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, a.Shutdown(ctx, guestagent.PowerDown), context.DeadlineExceeded)
		s.Handle("guest-shutdown", func(r *qmptest.Request) (any, error) { r.Disconnect(); return nil, qmptest.ErrNoReply })
		require.NoError(t, a.Shutdown(t.Context(), guestagent.PowerDown))
		err = a.Shutdown(t.Context(), guestagent.PowerDown)
		require.ErrorIs(t, err, guestagent.ErrAgentGone)
		require.ErrorIs(t, err, qmp.ErrNotSent)
	})
}
