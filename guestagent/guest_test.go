package guestagent_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

var _ block.Freezer = (*guestagent.Freezer)(nil)

// A machine has a booted guest, whose agent has a hot-added port, and a disk with a file system at /mnt.
type machine struct {
	*qemutest.VM
	c     *qmp.Client
	plug  *hotplug.VM
	dir   string
	opts  guestagent.Options
	conn  atomic.Pointer[net.Conn] // that the agent uses
	agent *guestagent.Agent
}

const port = "agent"

// startMachine boots a guest and hot-adds the channel of its agent.
func startMachine(t *testing.T, q *qemutest.QEMU, board string) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "qga") // short, for the path of a socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	m := &machine{VM: q.Start(t, qemutest.Config{Machine: board, Guest: true, Agent: true}), dir: dir}
	m.c = m.Dial(t)
	m.plug = hotplug.New(m.c, nil)
	ctx := limit(t)
	require.NoError(t, m.WaitGuest(ctx))
	require.NoError(t, m.plug.AddDevice(ctx, hotplug.Device{ID: "serial0", Driver: "virtio-serial-pci", Bus: qemutest.HotplugBus(board)}))
	socket := filepath.Join(dir, "qga")
	require.NoError(t, m.plug.AddDevice(ctx, hotplug.Device{ID: port, Bus: "serial0.0", Props: qmp.Args{"name": qemutest.AgentPort},
		Backend: hotplug.Chardev{Options: qemu.ChardevBackend{Branch: &qemu.ChardevSocket{
			Addr: qemu.SocketAddressLegacy{Branch: &qemu.UnixSocketAddress{Path: socket}},
		}}}}))
	m.opts = guestagent.Options{VM: m.c, Port: port, Redial: func(ctx context.Context) (qmp.Executor, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, err
		}
		m.conn.Store(&conn)
		g, err := qmp.NewGuestClient(ctx, conn, nil)
		if err != nil {
			return nil, err
		}
		return g, nil
	}}

	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, err = guestagent.Dial(short, socket, &m.opts)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	notReady := new(guestagent.NotReadyError)
	require.ErrorAs(t, err, &notReady)
	require.True(t, notReady.Known)
	require.Equal(t, qemu.RunStateRunning, notReady.RunState)

	m.agent, err = guestagent.Dial(ctx, socket, &m.opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.agent.Close()) })
	return m
}

// run runs a line of a shell in the guest.
func (m *machine) run(t *testing.T, line string) string {
	t.Helper()
	r, err := m.agent.Run(limit(t), sh(line))
	require.NoError(t, err)
	return string(r.Stdout)
}

// cut ends the agent's connection.
func (m *machine) cut() { _ = (*m.conn.Load()).Close() }

// frozen reports whether file systems of the guest are frozen.
func (m *machine) frozen(t *testing.T) bool {
	t.Helper()
	status, err := guest.GuestFsfreezeStatus{}.Do(limit(t), m.agent)
	require.NoError(t, err)
	return status == guest.GuestFsfreezeStatusResultFrozen
}

// TestGuest works in a booted guest. The steps share the guest, which takes longer to boot than they do.
func TestGuest(t *testing.T) {
	t.Parallel()
	qemutest.Matrix(t, func(t *testing.T, q *qemutest.QEMU, board string) {
		t.Parallel()
		if board == "q35" && !q.AtLeast(7, 2) {
			t.Skip("root ports of 5.2 release devices unasked")
		}
		m := startMachine(t, q, board)
		for _, step := range []struct {
			name string
			test func(*testing.T, *machine)
		}{
			{"programs and files", guestPrograms},
			{"agent ends", guestAgentEnds},
			{"machine stops", guestStops},
			{"nothing to freeze", guestNothingToFreeze},
			{"file system", guestMounts},
			{"freeze", guestFreezes},
			{"freeze with faults", guestFreezeFaults},
			{"programs during a freeze", guestRunsWhileFrozen},
			{"snapshot", guestSnapshot},
			{"reboot", guestReboots},
			{"shutdown", guestShutsDown},
		} {
			if !t.Run(step.name, func(t *testing.T) { step.test(t, m) }) {
				return
			}
		}
	})
}

func guestPrograms(t *testing.T, m *machine) {
	require.Contains(t, m.run(t, "uname -a"), "Linux")
	data := strings.Repeat("0123456789abcdef", 20_000)
	require.NoError(t, m.agent.WriteFile(limit(t), "/file", []byte(data), 0o600))
	got, err := m.agent.ReadFile(limit(t), "/file")
	require.NoError(t, err)
	require.Equal(t, data, string(got))
	require.Contains(t, m.run(t, "ls -l /file"), "-rw------- ")
	all, err := m.agent.Interfaces(limit(t))
	require.NoError(t, err)
	require.NotEmpty(t, all)
	info, err := guest.GuestGetOSInfo{}.Do(limit(t), m.agent)
	require.NoError(t, err)
	require.Equal(t, "qmpkit", qmp.Value(info.ID))
	require.Nil(t, info.VersionID)

	// The guest has no hwclock.
	wanted := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	err = m.agent.SetTime(limit(t), wanted)
	if m.QEMU.AtLeast(10, 0) {
		require.NoError(t, err)
		require.Contains(t, m.run(t, "date -u"), "2030")
	} else {
		require.ErrorIs(t, err, qmp.ErrGeneric)
	}

	ctx, cancel := context.WithTimeout(limit(t), 3*time.Second)
	defer cancel()
	_, err = m.agent.Run(ctx, sh("sleep 1000 & sleep 1000"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "program was killed")
	require.NotContains(t, m.run(t, "ps"), "sleep 1000")
}

func guestAgentEnds(t *testing.T, m *machine) {
	p, err := m.agent.Start(limit(t), guestagent.Command{Path: "sleep", Args: []string{"1000"}})
	require.NoError(t, err)
	_, err = m.agent.Run(limit(t), sh("sleep 1; kill -9 $PPID; sleep 1000"))
	running := new(guestagent.StillRunningError)
	require.ErrorAs(t, err, &running)
	if !errors.Is(err, guestagent.ErrNoProcess) { // it was restarted before the next question
		require.ErrorIs(t, err, guestagent.ErrAgentGone)
	}
	require.NoError(t, m.agent.WaitReady(limit(t)))
	_, err = p.Wait(limit(t))
	require.ErrorIs(t, err, guestagent.ErrNoProcess)
	require.ErrorIs(t, p.Kill(limit(t)), guestagent.ErrNoProcess)
	m.run(t, "killall sleep")
}

// descriptors returns the files that the agent has open.
func (m *machine) descriptors(t *testing.T) string {
	t.Helper()
	return m.run(t, "ls -l /proc/$PPID/fd | grep -v '[0-9] -> .*\\(pipe\\|socket\\|null\\|eventfd\\)' | sed 's/.*-> //'")
}

// guestStops: the guest answers late, and nothing is left open.
func guestStops(t *testing.T, m *machine) {
	before := m.descriptors(t)
	for name, do := range map[string]func(ctx context.Context) error{
		"run":  func(ctx context.Context) error { _, err := m.agent.Run(ctx, sh("sleep 1000")); return err },
		"open": func(ctx context.Context) error { _, err := m.agent.Open(ctx, "/file", os.O_RDONLY); return err },
		"ping": m.agent.WaitReady,
	} {
		require.NoError(t, qemu.Stop{}.Do(limit(t), m.c))
		ctx, cancel := context.WithTimeout(limit(t), 300*time.Millisecond)
		err := do(ctx)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		if name == "ping" {
			require.ErrorContains(t, err, "machine does not run (paused)")
		}
		require.NoError(t, qemu.Cont{}.Do(limit(t), m.c))
		require.NoError(t, m.agent.WaitReady(limit(t)))
	}
	require.Eventually(t, func() bool { return !strings.Contains(m.run(t, "ps"), "sleep 1000") && m.descriptors(t) == before },
		30*time.Second, 50*time.Millisecond)
}

func guestNothingToFreeze(t *testing.T, m *machine) {
	err := m.agent.WhileFrozen(limit(t), nil, func(context.Context) error { return errors.New("called") })
	require.ErrorIs(t, err, guestagent.ErrNotAllFrozen)
	require.EqualError(t, err, "guestagent: freeze: not all file systems were frozen: the agent has frozen none")
	require.False(t, m.frozen(t))
}

func guestMounts(t *testing.T, m *machine) {
	file := filepath.Join(m.dir, "data1.img")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Truncate(file, 32<<20))
	bus := ""
	if _, err := (qemu.QOMList{Path: "/machine/peripheral/rp2"}).Do(limit(t), m.c); err == nil {
		bus = "rp2"
	}
	require.NoError(t, m.plug.AddDisk(limit(t), hotplug.Disk{ID: "data1", Bus: bus, Backend: hotplug.File{Path: file}}))
	m.run(t, "until head -c 1 /dev/vda >/dev/null 2>&1; do usleep 50000; done; mke2fs /dev/vda && mkdir /mnt && mount -t ext4 /dev/vda /mnt")
}

func guestFreezes(t *testing.T, m *machine) {
	called := false
	err := m.agent.WhileFrozen(limit(t), nil, func(ctx context.Context) error {
		called = true
		require.True(t, m.frozen(t))
		require.NoError(t, guest.GuestPing{}.Do(ctx, m.agent))
		_, err := m.agent.Run(ctx, sh("true")) // is not sent
		require.ErrorIs(t, err, guestagent.ErrFrozen)
		require.ErrorIs(t, err, qmp.ErrNotSent)
		_, err = m.agent.Run(limit(t), sh("true")) // the agent refuses
		require.ErrorIs(t, err, guestagent.ErrFrozen)
		require.NotErrorIs(t, err, errors.ErrUnsupported)
		require.False(t, qmp.MayHaveExecuted(err))
		_, err = qmp.Raw{Command: "guest-none"}.Do(limit(t), m.agent)
		require.ErrorIs(t, err, guestagent.ErrFrozen, "the agent does not say more")
		for _, again := range []context.Context{ctx, limit(t)} {
			err := m.agent.WhileFrozen(again, nil, func(context.Context) error { return errors.New("called") })
			require.ErrorIs(t, err, guestagent.ErrFrozen)
			require.True(t, m.frozen(t))
		}
		return nil
	})
	require.NoError(t, err)
	require.True(t, called)
	require.False(t, m.frozen(t))

	list := &guestagent.FreezeOptions{Mountpoints: []string{"/mnt"}}
	require.NoError(t, m.agent.WhileFrozen(limit(t), list, func(context.Context) error {
		require.True(t, m.frozen(t))
		return nil
	}))
	list.Mountpoints = []string{"/none"}
	require.ErrorIs(t, m.agent.WhileFrozen(limit(t), list, nil), guestagent.ErrNotAllFrozen)
	list.Mountpoints = []string{"/mnt", "/none"}
	err = m.agent.WhileFrozen(limit(t), list, nil)
	require.ErrorIs(t, err, guestagent.ErrNotAllFrozen)
	require.EqualError(t, err, "guestagent: freeze: not all file systems were frozen: the agent has frozen 1 of 2")
	require.False(t, m.frozen(t))
}

func guestFreezeFaults(t *testing.T, m *machine) {
	failure := errors.New("failure")
	for name, fault := range map[string]struct {
		during func(ctx context.Context, cancel context.CancelFunc) error
		match  []error
	}{
		"fails":            {func(context.Context, context.CancelFunc) error { return failure }, []error{failure}},
		"connection ends":  {func(context.Context, context.CancelFunc) error { m.cut(); return nil }, nil},
		"context ends":     {func(_ context.Context, cancel context.CancelFunc) error { cancel(); return nil }, []error{context.Canceled}},
		"all ends":         {func(_ context.Context, cancel context.CancelFunc) error { m.cut(); cancel(); return failure }, []error{failure}},
		"waits too long":   {func(ctx context.Context, _ context.CancelFunc) error { <-ctx.Done(); return ctx.Err() }, []error{context.DeadlineExceeded}},
		"returns too late": {func(ctx context.Context, _ context.CancelFunc) error { return m.waitThawed(t) }, []error{guestagent.ErrFreezeLimit}},
		"others thaw": {func(context.Context, context.CancelFunc) error {
			_, err := guest.GuestFsfreezeThaw{}.Do(limit(t), m.agent)
			return err
		}, []error{guestagent.ErrThawedEarly}},
		"machine stops for a moment": {func(context.Context, context.CancelFunc) error {
			time.AfterFunc(100*time.Millisecond, func() { _ = qemu.Cont{}.Do(t.Context(), m.c) })
			return qemu.Stop{}.Do(limit(t), m.c)
		}, nil},
	} {
		ctx, cancel := context.WithCancel(limit(t))
		opts := &guestagent.FreezeOptions{Limit: 30 * time.Second}
		if strings.Contains(name, "too") {
			opts.Limit = 300 * time.Millisecond
		}
		err := m.agent.WhileFrozen(ctx, opts, func(ctx context.Context) error { return fault.during(ctx, cancel) })
		cancel()
		if fault.match == nil {
			require.NoError(t, err, name)
		}
		for _, match := range fault.match {
			require.ErrorIs(t, err, match, name)
		}
		require.False(t, m.frozen(t), name)
	}
	require.PanicsWithValue(t, "panic", func() {
		_ = m.agent.WhileFrozen(limit(t), nil, func(context.Context) error { panic("panic") })
	})
	require.False(t, m.frozen(t))

	_, err := guest.GuestFsfreezeFreeze{}.Do(limit(t), m.agent) // and then the process ended
	require.NoError(t, err)
	_, err = m.agent.Run(limit(t), sh("true"))
	require.ErrorIs(t, err, guestagent.ErrFrozen)
	require.NoError(t, m.agent.Thaw(limit(t)))
	require.NoError(t, m.agent.Thaw(limit(t)))
	m.run(t, "true")
}

// waitThawed waits until the file systems are thawed.
func (m *machine) waitThawed(t *testing.T) error {
	for m.frozen(t) {
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// guestRunsWhileFrozen: a program that runs, and a copy, go on after a freeze.
func guestRunsWhileFrozen(t *testing.T, m *machine) {
	p, err := m.agent.Start(limit(t), sh("until [ -e /mnt/end ]; do usleep 20000; done; exit 5"))
	require.NoError(t, err)
	begun := make(chan struct{})
	copied, waited, killed := make(chan error), make(chan error), make(chan error)
	require.NoError(t, m.agent.WhileFrozen(limit(t), nil, func(context.Context) error {
		go func() { _, err := p.Wait(limit(t)); waited <- err }()
		go func() { killed <- p.Kill(limit(t)) }()
		go func() {
			close(begun)
			_, err := m.agent.ReadFile(limit(t), "/proc/version")
			copied <- err
		}()
		<-begun
		time.Sleep(100 * time.Millisecond)
		return nil
	}))
	exit := new(guestagent.ExitError)
	require.NoError(t, <-killed)
	require.ErrorAs(t, <-waited, &exit)
	require.Equal(t, 9, exit.Signal)
	if err := <-copied; err != nil { // it does not wait to open
		require.ErrorIs(t, err, guestagent.ErrFrozen)
	}
}

// guestSnapshot takes a snapshot while the file system is frozen.
func guestSnapshot(t *testing.T, m *machine) {
	m.run(t, "echo before >/mnt/file")
	freezer := m.agent.Freezer(nil)
	seen := &recorder{Freezer: freezer, m: m, t: t}
	require.NoError(t, block.New(m.c).Snapshot(limit(t), []block.Overlay{{
		Disk: "data1", BackingFile: filepath.Join(m.dir, "data1.img"),
		Target: block.Target{Backend: hotplug.File{Path: filepath.Join(m.dir, "data1.qcow2")}},
	}}, &block.SnapshotOptions{Freezer: seen}))
	require.True(t, seen.frozen)
	require.False(t, m.frozen(t))
	require.Equal(t, "before\n", m.run(t, "cat /mnt/file; echo after >/mnt/file"))

	// A snapshot fails if others have frozen the guest, and leaves it frozen.
	_, err := guest.GuestFsfreezeFreeze{}.Do(limit(t), m.agent)
	require.NoError(t, err)
	err = block.New(m.c).Snapshot(limit(t), []block.Overlay{{
		Disk: "data1", BackingFile: filepath.Join(m.dir, "data1.qcow2"),
		Target: block.Target{Backend: hotplug.File{Path: filepath.Join(m.dir, "none.qcow2")}},
	}}, &block.SnapshotOptions{Freezer: m.agent.Freezer(nil)})
	require.ErrorIs(t, err, guestagent.ErrFrozen)
	require.True(t, m.frozen(t))
	require.NoError(t, m.agent.Thaw(limit(t)))
}

// A recorder looks whether the guest is frozen before it is thawed.
type recorder struct {
	*guestagent.Freezer
	m      *machine
	t      *testing.T
	frozen bool
}

func (r *recorder) Thaw(ctx context.Context) error {
	r.frozen = r.m.frozen(r.t)
	return r.Freezer.Thaw(ctx)
}

func guestReboots(t *testing.T, m *machine) {
	require.ErrorIs(t, m.agent.Shutdown(limit(t), "nonsense"), qmp.ErrGeneric)
	done := make(chan error)
	go func() { _, err := m.agent.Run(limit(t), sh("sleep 1000")); done <- err }()
	require.NoError(t, m.agent.Shutdown(limit(t), guestagent.Reboot))
	// It depends on when Run asks for the status: while the agent is away, or when it has started again.
	err := <-done
	require.True(t, errors.Is(err, guestagent.ErrAgentGone) || errors.Is(err, guestagent.ErrNoProcess), err)
	require.NoError(t, m.agent.WaitReady(limit(t)))
	require.NotContains(t, m.run(t, "ps"), "sleep 1000")
}

func guestShutsDown(t *testing.T, m *machine) {
	require.NoError(t, m.agent.Shutdown(limit(t), guestagent.PowerDown))
	<-m.Ended()
	err := m.agent.WaitReady(limit(t))
	require.ErrorIs(t, err, guestagent.ErrVMEnded)
	require.ErrorIs(t, err, guestagent.ErrAgentGone)
	require.ErrorContains(t, err, "virtual machine has ended")
	_, err = m.agent.Run(limit(t), sh("true"))
	require.ErrorIs(t, err, guestagent.ErrVMEnded)
	require.ErrorIs(t, err, qmp.ErrNotSent)
}
