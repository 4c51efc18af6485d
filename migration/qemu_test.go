package migration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// moved runs a migration whose destination waits already, and looks where the machine is.
func moved(t *testing.T, src, dst side, to migration.Target, opts *migration.Options) migration.Progress {
	t.Helper()
	ctx := limit(t)
	p, err := migration.Run(ctx, src, to, opts)
	require.NoError(t, err)
	require.Equal(t, qemu.MigrationStatusCompleted, p.Status)
	var last migration.Progress
	in, err := migration.WaitIncoming(ctx, dst, &migration.IncomingOptions{Progress: func(p migration.Progress) { last = p }})
	require.NoError(t, err)
	require.Equal(t, qemu.MigrationStatusCompleted, in.Status)
	require.Equal(t, in, last, "the callback had the last answer")
	require.Equal(t, qemu.RunStatePostmigrate, runState(t, src))
	require.Equal(t, qemu.RunStateRunning, runState(t, dst))
	return p
}

// TestPrecopy moves a machine several times, each time to another kind of target.
func TestPrecopy(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		first := machine(t, q, "pc", filled(t)...)
		second := machine(t, q, "pc", "-incoming", "defer")
		overUnix(t, first, second)
		require.NoError(t, first.VM.Close())
		third := machine(t, q, "pc", "-incoming", "defer")
		overTCP(t, second, third)
		require.NoError(t, second.VM.Close())
		overDescriptors(t, third, machine(t, q, "pc", "-incoming", "defer"))
	})
}

func overUnix(t *testing.T, src, dst side) {
	// Of less than 100 ms QEMU tells no rate.
	require.NoError(t, migration.SetLimits(t.Context(), src, migration.Limits{Bandwidth: 20 << 20}))
	before := fds(t, src)
	var seen []migration.Progress
	p := moved(t, src, dst, listens(t, dst), &migration.Options{
		Progress: func(p migration.Progress) { seen = append(seen, p) },
	})
	require.Equal(t, p, seen[len(seen)-1], "the last progress is the returned one")
	require.Greater(t, p.Total, int64(32<<20))
	require.Greater(t, p.Transferred, int64(8<<20))
	require.Zero(t, p.Remaining)
	require.Positive(t, p.Rate)
	require.Positive(t, p.Elapsed)
	require.GreaterOrEqual(t, p.Elapsed, p.Downtime)
	sameFds(t, before, src)
}

// overTCP has the destination take a free port.
func overTCP(t *testing.T, src, dst side) {
	require.NoError(t, migration.StartIncoming(t.Context(), dst, migration.TCP("[::1]:0")))
	p, err := migration.Query(t.Context(), dst)
	require.NoError(t, err)
	require.Len(t, p.Info.SocketAddress, 1)
	at := p.Info.SocketAddress[0].Branch.(*qemu.InetSocketAddress)
	moved(t, src, dst, migration.TCP("[::1]:"+at.Port), nil)
}

func overDescriptors(t *testing.T, src, dst side) {
	before := fds(t, src)
	here, there := socketPair(t)
	defer here.Close()
	require.NoError(t, migration.StartIncoming(t.Context(), dst, migration.FD(there)))
	require.NoError(t, there.Close())
	moved(t, src, dst, migration.FD(here), nil)
	sameFds(t, before, src)
}

// socketPair makes two connected sockets.
func socketPair(t *testing.T) (a, b *os.File) {
	t.Helper()
	listener, err := net.Listen("tcp", "[::1]:0")
	require.NoError(t, err)
	defer listener.Close()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer dialled.Close()
	accepted, err := listener.Accept()
	require.NoError(t, err)
	defer accepted.Close()
	a, err = dialled.(*net.TCPConn).File()
	require.NoError(t, err)
	b, err = accepted.(*net.TCPConn).File()
	require.NoError(t, err)
	return a, b
}

// TestUnusedDescriptorIsClosed: QEMU refuses to migrate, and has no descriptor left.
func TestUnusedDescriptorIsClosed(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		dst := machine(t, q, "pc", "-incoming", "defer")
		before := fds(t, dst)
		here, there := socketPair(t)
		defer here.Close()
		defer there.Close()
		_, err := migration.Run(t.Context(), dst, migration.FD(here), nil)
		var refusal *qmp.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, "migrate", refusal.Command)
		sameFds(t, before, dst)
	})
}

// A deaf connection gets no answers to some commands.
type deaf struct {
	qmp.Conn
	to []string
}

func (c deaf) Execute(ctx context.Context, call *qmp.Call) error {
	err := c.Conn.Execute(ctx, call)
	if slices.Contains(c.to, call.Command) {
		return fmt.Errorf("%w: %w", qmp.ErrOutcomeUnknown, io.EOF)
	}
	return err
}

// TestDescriptorAndNoAnswer: QEMU has no descriptor left, or the error says that it may have one.
func TestDescriptorAndNoAnswer(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src := machine(t, q, "pc")
		before := fds(t, src)
		for _, commands := range [][]string{{"getfd"}, {"migrate"}, {"migrate", "closefd"}} {
			here, there := socketPair(t)
			require.NoError(t, there.Close()) // the migration fails
			err := migration.Start(t.Context(), deaf{src, commands}, migration.FD(here))
			require.NoError(t, here.Close())
			require.Equal(t, commands[0] == "migrate", errors.Is(err, migration.ErrUnknown))
			if len(commands) > 1 {
				require.ErrorContains(t, err, "QEMU may still have the descriptor")
			}
			if commands[0] == "migrate" {
				require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
				_, err = migration.Wait(limit(t), src, nil)
				require.ErrorAs(t, err, new(*migration.FailedError))
			}
			sameFds(t, before, src)
		}
	})
}

// byChannel is a UNIX socket in QEMU's own description.
func byChannel(path string) migration.Target {
	return migration.Channels(qemu.MigrationChannel{
		ChannelType: qemu.MigrationChannelTypeMain,
		Addr:        qemu.MigrationAddress{Branch: &qemu.SocketAddress{Branch: &qemu.UnixSocketAddress{Path: path}}},
	})
}

// TestFileAndChannels moves a machine by a channel, then saves and loads it. A QEMU before 8.2
// gets an error, and no command is sent.
func TestFileAndChannels(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src, dst := pair(t, q)
		channel, file := byChannel(dst.path("m")), migration.File(src.path("state"), 4096)
		if !q.AtLeast(8, 2) {
			for _, target := range []migration.Target{channel, file} {
				require.ErrorIs(t, migration.StartIncoming(t.Context(), dst, target), errors.ErrUnsupported)
				_, err := migration.Run(t.Context(), src, target, nil)
				require.ErrorIs(t, err, errors.ErrUnsupported)
				_, err = migration.Wait(t.Context(), src, nil)
				require.ErrorIs(t, err, migration.ErrNone)
			}
			t.Skip("QEMU has these since 8.2")
		}
		require.NoError(t, migration.StartIncoming(t.Context(), dst, channel))
		moved(t, src, dst, channel, nil)

		_, err := migration.Run(limit(t), dst, file, nil)
		require.NoError(t, err)
		third := machine(t, q, "pc", "-incoming", "defer")
		require.NoError(t, migration.StartIncoming(t.Context(), third, file))
		_, err = migration.WaitIncoming(limit(t), third, nil)
		require.NoError(t, err)
		require.Equal(t, qemu.RunStateRunning, runState(t, third))
	})
}

// TestBetweenVersions moves a machine from version to version, and back.
func TestBetweenVersions(t *testing.T) {
	qemutest.CheckFds(t)
	const machineType = "pc-i440fx-7.2"
	at := machine(t, qemutest.Get(t, "7.2"), machineType)
	for _, version := range []string{"10.0", "7.2", "11.1", "10.0"} {
		next := machine(t, qemutest.Get(t, version), machineType, "-incoming", "defer")
		moved(t, at, next, listens(t, next), nil)
		require.NoError(t, at.VM.Close())
		at = next
	}
}

// TestGuestLivesOn moves a booted guest to a newer QEMU. There it finds a disk that is hot-added.
func TestGuestLivesOn(t *testing.T) {
	qemutest.CheckFds(t)
	ctx := limit(t)
	config := qemutest.Config{Machine: "pc-i440fx-7.2", Guest: true}
	from := qemutest.Get(t, "7.2").Start(t, config)
	config.Args = []string{"-incoming", "defer"}
	to := qemutest.Get(t, "10.0").Start(t, config)
	src, dst := side{from, from.Dial(t)}, side{to, to.Dial(t)}
	require.NoError(t, src.WaitGuest(ctx))

	moved(t, src, dst, listens(t, dst), nil)
	require.NoError(t, qemu.BlockdevAdd{
		NodeName: new("d"), Driver: qemu.BlockdevDriverNullCo,
		Branch: &qemu.BlockdevOptionsNull{Size: new(int64(1 << 20))},
	}.Do(ctx, dst))
	require.NoError(t, qemu.DeviceAdd{Driver: "virtio-blk-pci", ID: new("d"), Props: qmp.Args{"drive": "d"}}.Do(ctx, dst))
	require.NoError(t, dst.WaitGuestSees(ctx, regexp.MustCompile(`blk=vda `)))
	log, err := dst.Serial()
	require.NoError(t, err)
	require.NotContains(t, log, "READY", "the guest has not booted again")
}

// TestContextEndsAtTheEnd: the context ends when the machine has stopped at the source, or when migrate-continue was sent. If the
// machine continues at the source, it can write to its disk.
func TestContextEndsAtTheEnd(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		src := machine(t, q, "pc", disk(t)...)
		ends := func(run func(ctx context.Context, cancel func()) error) {
			ctx, cancel := context.WithCancel(limit(t))
			defer cancel()
			err := run(ctx, cancel)
			require.Error(t, ctx.Err())
			if err == nil { // sent to nobody
				require.NoError(t, qemu.Cont{}.Do(t.Context(), src))
			} else {
				require.ErrorIs(t, err, migration.ErrCancelled)
			}
			_, err = qemu.HumanMonitorCommand{CommandLine: `qemu-io -d d "write 0 4096"`}.Do(t.Context(), src)
			require.NoError(t, err, "QEMU has ended")
		}
		for range 20 {
			ends(func(ctx context.Context, cancel func()) error {
				stops := src.Events("STOP")
				defer stops.Close()
				go func() {
					_, _ = stops.Next(ctx)
					cancel()
				}()
				_, err := migration.Run(ctx, src, nowhere, nil)
				<-ctx.Done()
				return err
			})
		}
		turnOn(t, qemu.MigrationCapabilityPauseBeforeSwitchover, src)
		for range 20 {
			ends(func(ctx context.Context, cancel func()) error {
				_, err := migration.Run(ctx, &after{src, "migrate-continue", cancel}, nowhere, &migration.Options{
					PreSwitchover: func(context.Context) error { return nil },
				})
				return err
			})
		}
	})
}

// after is a connection that calls a function after a command.
type after struct {
	qmp.Conn
	command string
	then    func()
}

func (c *after) Execute(ctx context.Context, call *qmp.Call) error {
	err := c.Conn.Execute(ctx, call)
	if call.Command == c.command {
		c.then()
	}
	return err
}

// TestNothingListens: QEMU accepts migrate, and the migration fails.
func TestNothingListens(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src := machine(t, q, "pc")
		for range 2 { // the first failure is not taken for the second's
			p, err := migration.Run(limit(t), src, migration.Unix(src.path("nobody")), nil)
			var failed *migration.FailedError
			require.ErrorAs(t, err, &failed)
			require.NotEmpty(t, failed.Reason)
			require.False(t, failed.Postcopy)
			require.Equal(t, qemu.MigrationStatusFailed, p.Status)
			require.Equal(t, qemu.RunStateRunning, runState(t, src))
		}
	})
}

// TestContextEnds: the context ends while the memory is sent, and the machine stays at the
// source.
func TestContextEnds(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src, dst := pair(t, q, filled(t)...)
		slow(t, src)
		to := listens(t, dst)
		ctx, opts := onActive(limit(t))
		p, err := migration.Run(ctx, src, to, opts)
		require.ErrorIs(t, err, migration.ErrCancelled)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, qemu.MigrationStatusCancelled, p.Status)
		require.Equal(t, qemu.RunStateRunning, runState(t, src))
		_, err = migration.WaitIncoming(limit(t), dst, nil)
		require.Error(t, err, "the destination does not run it")

		again, err := migration.Run(ctx, src, to, nil)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, migration.ErrCancelled, "nothing was begun")
		require.Zero(t, again)
	})
}

// lateCancel is a connection to a source that has sent everything when migrate_cancel comes.
type lateCancel struct {
	side
	t *testing.T
}

func (c lateCancel) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command == "migrate_cancel" {
		fast(c.t, c.side)
		_, err := migration.Wait(c.t.Context(), c.side, nil)
		require.NoError(c.t, err)
	}
	return c.side.Execute(ctx, call)
}

// TestCancelComesTooLate: the machine is at the destination.
func TestCancelComesTooLate(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src, dst := pair(t, q, filled(t)...)
		slow(t, src)
		ctx, opts := onActive(limit(t))
		p, err := migration.Run(ctx, lateCancel{src, t}, listens(t, dst), opts)
		require.NoError(t, err)
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		require.Equal(t, qemu.MigrationStatusCompleted, p.Status)
		require.Equal(t, qemu.RunStatePostmigrate, runState(t, src))
		_, err = migration.WaitIncoming(limit(t), dst, nil)
		require.NoError(t, err)
		require.Equal(t, qemu.RunStateRunning, runState(t, dst))

		_, err = migration.Cancel(limit(t), src)
		require.ErrorIs(t, err, migration.ErrCompleted)
		_, err = migration.Cancel(limit(t), dst)
		require.NoError(t, err, "the machine is at the destination")
		require.NoError(t, dst.VM.Close())
		require.NoError(t, qemu.Cont{}.Do(t.Context(), src))
		_, err = migration.Cancel(limit(t), src)
		require.NoError(t, err, "the machine runs at the source again")
	})
}

// TestDestinationFails: the destination has another machine.
func TestDestinationFails(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		src := machine(t, q, "pc", filled(t)...)
		dst := machine(t, q, "q35", "-incoming", "defer")
		slow(t, src)
		_, err := migration.Run(limit(t), src, listens(t, dst), nil)
		var failed *migration.FailedError
		require.ErrorAs(t, err, &failed)
		require.NotEmpty(t, failed.Reason)
		require.Equal(t, qemu.RunStateRunning, runState(t, src))

		_, err = migration.WaitIncoming(limit(t), dst, nil)
		if !q.AtLeast(9, 1) {
			require.ErrorIs(t, err, migration.ErrUnknown, "the destination has ended")
			return
		}
		require.ErrorAs(t, err, &failed)
		require.NotEmpty(t, failed.Reason)
	})
}
