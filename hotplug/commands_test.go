package hotplug_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// The operations that are single commands. Each test runs what its example shows.

func TestPause(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc"}).Dial(t)
		ctx := limit(t)
		events := c.Events(qemu.EventStop, qemu.EventResume)
		defer events.Close()
		status := func() qemu.StatusInfo {
			s, err := qemu.QueryStatus{}.Do(ctx, c)
			require.NoError(t, err)
			return s
		}
		next := func() string {
			e, err := events.Next(ctx)
			require.NoError(t, err)
			return e.Name
		}
		require.NoError(t, whilePaused(ctx, c, func() error {
			require.Equal(t, qemu.EventStop, next())
			require.False(t, status().Running)
			require.Equal(t, qemu.RunStatePaused, status().Status)
			require.ErrorContains(t, whilePaused(ctx, c, nil), "the machine does not run: it is paused")
			return nil
		}))
		require.Equal(t, qemu.EventResume, next())
		require.True(t, status().Running)

		wrong := errors.New("wrong")
		require.ErrorIs(t, whilePaused(ctx, c, func() error { return wrong }), wrong)
		require.Equal(t, qemu.EventStop, next())
		require.False(t, status().Running)
	})
}

// guestPowerdown has the guest shut down, which ends QEMU.
func guestPowerdown(t *testing.T, m *guestMachine) {
	ctx := limit(t)
	pressed := m.c.Events(qemu.EventPowerdown)
	defer pressed.Close()
	event, err := powerDown(ctx, m.c)
	require.NoError(t, err)
	require.True(t, event.Guest)
	require.Equal(t, qemu.ShutdownCauseGuestShutdown, event.Reason)
	_, err = pressed.Next(ctx)
	require.NoError(t, err)
	require.NoError(t, m.Wait(ctx))
}

func TestCPUInformation(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{Machine: "q35", Args: []string{"-smp", "3"}})
		c := vm.Dial(t)
		cpus, err := qemu.QueryCPUsFast{}.Do(limit(t), c)
		require.NoError(t, err)
		require.Len(t, cpus, 3)
		for i, cpu := range cpus {
			require.Equal(t, int64(i), cpu.CPUIndex)
			require.Contains(t, cpu.QOMPath, "/machine/unattached/")
			require.Positive(t, cpu.ThreadID)
			require.Equal(t, qemu.SysEmuTargetX86_64, cpu.Target)
		}
		require.NoError(t, printCPUs(limit(t), c))
	})
}

// guestBalloon takes memory from the guest and gives it back.
func guestBalloon(t *testing.T, m *guestMachine) {
	ctx := limit(t)
	all := guestMemoryMiB(t, m)
	require.NoError(t, setBalloon(ctx, m.c, 192*mib))
	require.NoError(t, m.WaitGuestSees(ctx, regexp.MustCompile(`mem=89$`)))
	info, err := qemu.QueryBalloon{}.Do(ctx, m.c)
	require.NoError(t, err)
	require.Equal(t, int64(192*mib), info.Actual)
	require.NoError(t, setBalloon(ctx, m.c, 256*mib))
	require.NoError(t, m.WaitGuestSees(ctx, all))
}

func TestNoBalloon(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc"}).Dial(t)
		require.ErrorIs(t, setBalloon(limit(t), c, 192*mib), qmp.ErrDeviceNotActive)
	})
}

func TestVersion(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{}).Dial(t)
		info, err := qemu.QueryVersion{}.Do(limit(t), c)
		require.NoError(t, err)
		require.Equal(t, int64(q.Major), info.QEMU.Major)
		require.Equal(t, int64(q.Minor), info.QEMU.Minor)
		require.Equal(t, q.Major, c.Version().Major)
		require.Equal(t, q.Minor, c.Version().Minor)
		require.Equal(t, int64(c.Version().Micro), info.QEMU.Micro)
		require.NoError(t, printVersion(limit(t), c))
	})
}

// A record has all that a client tells of what it does.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// dialRecorded connects with a logger and a trace hook.
func dialRecorded(t *testing.T, vm *qemutest.VM) (*qmp.Client, *record) {
	t.Helper()
	r := &record{}
	c, err := qmp.Dial(limit(t), vm.Socket(), &qmp.Options{
		Logger: slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Trace:  func(m qmp.TraceMessage) { r.Write(append(m.Text, '\n')) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c, r
}

// spiceArgs has the server of SPICE where the build has one: Debian's of 10.0 and 11.1 have it in
// a package of its own, and say that there is none.
func spiceArgs(q *qemutest.QEMU, dir string) []string {
	if q.AtLeast(10, 0) {
		return nil
	}
	return []string{"-spice", "unix=on,addr=" + filepath.Join(dir, "spice")}
}

func TestPasswords(t *testing.T) {
	const vnc, spice = "geheim-1", "geheim-2"
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		dir := t.TempDir()
		withSpice := spiceArgs(q, dir)
		vm := q.Start(t, qemutest.Config{Machine: "pc", Args: append(withSpice,
			"-vnc", "unix:"+filepath.Join(dir, "vnc")+",password=on")})
		c, told := dialRecorded(t, vm)
		ctx := limit(t)

		require.NoError(t, setPasswords(ctx, c, vnc, ""))
		err := setPasswords(ctx, c, "", spice)
		if withSpice != nil {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, qmp.ErrDeviceNotActive)
			require.NotContains(t, err.Error(), spice)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		require.NotContains(t, setPasswords(ended, c, vnc, "").Error(), vnc)

		require.Contains(t, told.String(), "set_password")
		require.Contains(t, told.String(), "***")
		require.NotContains(t, told.String(), "geheim")
	})
}
