//go:build linux

package launch_test

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/launch"
	"github.com/qmpkit/qmpkit/qmp"
)

// Steps that end soon, because they will not succeed.
const soon = 100 * time.Millisecond

var (
	toQuit      = &launch.ShutdownOptions{PowerButton: soon}
	toTerminate = &launch.ShutdownOptions{PowerButton: soon, Quit: soon}
	toKill      = &launch.ShutdownOptions{PowerButton: soon, Quit: soon, Terminate: soon}
)

func TestShutdownSteps(t *testing.T) {
	t.Parallel()
	clean := func(reason launch.Reason, stage launch.Stage) launch.Exit {
		return launch.Exit{Reason: reason, Stage: stage}
	}
	signalled := func(signal syscall.Signal, stage launch.Stage) launch.Exit {
		return launch.Exit{Reason: launch.ReasonKilled, Status: -1, Signal: signal, Stage: stage}
	}
	for _, c := range []struct {
		behaviour string
		opts      *launch.ShutdownOptions
		want      launch.Exit
	}{
		{"listens", nil, clean(launch.ReasonGuestShutdown, launch.StagePowerButton)},
		{"listens stays silent", nil, clean(launch.ReasonQuit, launch.StagePowerButton)},
		{"listens half", nil, clean(launch.ReasonUnknown, launch.StagePowerButton)},
		{"listens half told", nil, clean(launch.ReasonGuestShutdown, launch.StagePowerButton)},
		{"listens stuck", nil, clean(launch.ReasonGuestShutdown, launch.StagePowerButton)},
		{"listens stuck", &launch.ShutdownOptions{PowerButton: soon, Quit: soon}, clean(launch.ReasonGuestShutdown, launch.StageTerminate)},
		{"listens stays", nil, clean(launch.ReasonQuit, launch.StagePowerButton)},
		{"deaf", toQuit, clean(launch.ReasonQuit, launch.StageQuit)},
		{"paused", nil, clean(launch.ReasonQuit, launch.StageQuit)},
		{"listens", &launch.ShutdownOptions{PowerButton: -1}, clean(launch.ReasonQuit, launch.StageQuit)},
		{"paused no-quit", toTerminate, signalled(syscall.SIGTERM, launch.StageTerminate)},
		{"listens stays no-quit", &launch.ShutdownOptions{PowerButton: 2 * time.Second, Quit: -1}, signalled(syscall.SIGTERM, launch.StageTerminate)},
		{"paused no-quit no-term", toKill, signalled(syscall.SIGKILL, launch.StageKill)},
		{"hangs", toKill, signalled(syscall.SIGKILL, launch.StageKill)},
		{"hangs", &launch.ShutdownOptions{Terminate: -1, Quit: -1, PowerButton: -1}, signalled(syscall.SIGKILL, launch.StageKill)},
	} {
		t.Run(c.behaviour, func(t *testing.T) {
			t.Parallel()
			p := startFake(t, c.behaviour)
			exit, err := p.Shutdown(t.Context(), c.opts)
			require.NoError(t, err)
			require.Equal(t, c.want, exit)
			again, err := p.Shutdown(t.Context(), nil)
			require.NoError(t, err)
			require.Equal(t, exit, again)
		})
	}
}

// TestShutdownInTime gives all steps together little time.
func TestShutdownInTime(t *testing.T) {
	t.Parallel()
	p := startFake(t, "no-quit")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	exit, err := p.Shutdown(ctx, nil)
	require.NoError(t, err)
	require.Contains(t, []launch.Stage{launch.StageTerminate, launch.StageKill}, exit.Stage)

	p = startFake(t, "deaf")
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	exit, err = p.Shutdown(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, launch.StageKill, exit.Stage)
	require.Equal(t, launch.ReasonKilled, exit.Reason)
}

// TestShutdownWithoutClient closes the client first.
func TestShutdownWithoutClient(t *testing.T) {
	t.Parallel()
	p := startFake(t, "listens")
	require.NoError(t, p.Client().Close())
	exit, err := p.Shutdown(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, launch.StageTerminate, exit.Stage)
}

// TestShutdownTogether has several goroutines: one acts. A goroutine whose context ends kills QEMU for all.
func TestShutdownTogether(t *testing.T) {
	t.Parallel()
	p := startFake(t, "listens")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			exit, err := p.Shutdown(t.Context(), nil)
			if err != nil || exit.Stage != launch.StagePowerButton {
				t.Error(exit, err)
			}
		})
	}
	all.Wait()

	p = startFake(t, "deaf")
	all.Go(func() { _, _ = p.Shutdown(t.Context(), nil) })
	all.Go(func() {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		_, _ = p.Shutdown(ctx, nil)
	})
	all.Wait()
	exit, ended := p.Exit()
	require.True(t, ended)
	require.Equal(t, launch.StageKill, exit.Stage)
}

func TestShutdownQEMU(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		for _, c := range []struct {
			name string
			args launch.Args
			hang bool
			want launch.Exit
		}{
			{"no guest", launch.Args{"-M", "pc"}, false, launch.Exit{Reason: launch.ReasonQuit, Stage: launch.StageQuit}},
			{"not started", launch.Args{"-M", "pc", "-S", "-no-shutdown"}, false, launch.Exit{Reason: launch.ReasonQuit, Stage: launch.StageQuit}},
			{"hangs", nil, true, launch.Exit{Reason: launch.ReasonKilled, Status: -1, Signal: syscall.SIGKILL, Stage: launch.StageKill}},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				p := start(t, q, c.args)
				opts := toQuit
				if c.hang {
					opts = toKill
					require.NoError(t, syscall.Kill(p.Pid(), syscall.SIGSTOP))
				}
				exit, err := p.Shutdown(limited(t), opts)
				require.NoError(t, err)
				require.Equal(t, c.want, exit)
			})
		}
	})
}

// TestShutdownGuest presses the power button of a Linux guest.
func TestShutdownGuest(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		for _, c := range []struct {
			arg    string
			reason launch.Reason
		}{{"-nodefaults", launch.ReasonGuestShutdown}, {"-no-shutdown", launch.ReasonQuit}} {
			t.Run(c.arg, func(t *testing.T) {
				t.Parallel()
				vm := q.Start(t, qemutest.Config{Machine: "pc", Guest: true, Args: []string{c.arg}})
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
				defer cancel()
				p, err := launch.Attach(ctx, vm.Socket(), nil)
				require.NoError(t, err)
				exit, err := p.Shutdown(ctx, &launch.ShutdownOptions{PowerButton: 2 * time.Minute}) // the guest boots, and loses presses
				require.NoError(t, err)
				require.Equal(t, launch.Exit{Reason: c.reason, Status: -1, Stage: launch.StagePowerButton}, exit)
				if err := vm.Wait(ctx); q.AtLeast(6, 0) { // QEMU 5.2 can abort after SHUTDOWN, when it has closed its files
					require.NoError(t, err)
				}
			})
		}
	})
}

// TestPowerOff never ends QEMU itself.
func TestPowerOff(t *testing.T) {
	t.Parallel()
	for behaviour, reason := range map[string]launch.Reason{
		"listens": launch.ReasonGuestShutdown, "listens stuck": launch.ReasonGuestShutdown, "listens half": launch.ReasonUnknown,
		"listens half told": launch.ReasonGuestShutdown, "listens stays": launch.ReasonQuit, "listens silent": launch.ReasonQuit,
	} {
		p := startFake(t, behaviour)
		exit, err := p.PowerOff(limited(t))
		require.NoError(t, err)
		require.Equal(t, launch.Exit{Reason: reason, Stage: launch.StagePowerButton}, exit)
		again, err := p.PowerOff(limited(t))
		require.NoError(t, err)
		require.Equal(t, exit, again)
	}

	p := startFake(t, "deaf")
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	_, err := p.PowerOff(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, ended := p.Exit()
	require.False(t, ended)

	_, err = startFake(t, "paused").PowerOff(limited(t))
	require.ErrorContains(t, err, "the machine does not run: its state is paused")

	p = startFake(t, "listens")
	require.NoError(t, p.Client().Close())
	_, err = p.PowerOff(limited(t))
	require.ErrorIs(t, err, qmp.ErrClosed)
}
