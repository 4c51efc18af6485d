package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/libvirttest"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestMain lets the test's program be a child of itself.
func TestMain(m *testing.M) {
	if isChild() {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestQuickClient checks that the measurements of the client run, and not what they say.
func TestQuickClient(t *testing.T) {
	rows := []string{
		"query-status, a round trip  ", "query-status, a second, goroutines: 64", "BALLOON_CHANGE to a consumer",
		"query-status, beside a full queue", "500 idle connections", "in use now and then",
		"encode a nested blockdev-add, 259 bytes",
	}
	_, err := exec.LookPath("taskset")
	if err == nil {
		rows = append(rows, "query-status, a round trip on one CPU", "qom-list-types, 33.9 KB", "query-qmp-schema, 207 KB")
	}
	stderr := runQuick(t, rows, "client", "encode")
	if err != nil {
		require.Contains(t, stderr, "client/onecpu is left out: cannot be measured here: cannot be confined to one CPU")
	}
}

// TestQuickHotplug checks that the operations run beside the commands by hand.
func TestQuickHotplug(t *testing.T) {
	qemutest.Get(t, "10.0")
	runQuick(t, []string{"AddDisk, 0 disks", "RemoveDisk, 1 disks", "AddNIC, 8 disks", "FreePCISlot, 8 disks"}, "hotplug")
}

// TestQuickBlock checks that the operations run beside the commands by hand.
func TestQuickBlock(t *testing.T) {
	qemutest.Get(t, "10.0")
	runQuick(t, []string{"Disk, 0 other disks", "Snapshot and Commit, 1 other disks", "Move, 8 other disks", "Backup, increment, 8 other disks"}, "block")
}

// runQuick runs measurements briefly and checks that they print rows and leave no files. It returns their messages.
func runQuick(t *testing.T, rows []string, names ...string) string {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	var stdout, stderr bytes.Buffer
	require.NoError(t, run(t.Context(), append([]string{"-quick"}, names...), &stdout, &stderr), "%s", &stderr)
	for _, row := range rows {
		require.Contains(t, stdout.String(), "\n"+row)
	}
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
	return stderr.String()
}

// TestInterrupted checks that a run that is cut short ends, and leaves nothing.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := &bench{ctx: ctx, temp: t.TempDir()}
	err := b.measure(func(b *bench) {
		floor := b.floor(b.standIn(threads))
		cancel()
		for trip := floor.trip(queryStatus); trip() == nil; { // until its connection has ended
		}
		require.ErrorIs(t, alone.measure(b, measurements[len(measurements)-1]), context.Canceled)
		b.dial(b.standIn(threads), nil)
	})
	require.ErrorIs(t, err, context.Canceled)
}

func TestStandIn(t *testing.T) {
	for _, how := range []way{threads, polled} {
		measured(t, func(b *bench) {
			c := b.dial(b.standIn(how), nil)
			require.Equal(t, "10.2.2", c.Version().String())
			check(status(b.ctx, c)())
			require.NoError(t, qemu.Stop{}.Do(b.ctx, c), "what it does not know succeeds")
			require.GreaterOrEqual(t, string(must(qmp.Raw{Command: longest}.Do(b.ctx, c))), "32")
		})
	}
}

func TestEvents(t *testing.T) {
	measured(t, func(b *bench) {
		s := b.standIn(threads)
		const many = 10001
		c := b.dial(s, &qmp.Options{EventQueue: many})
		events := qmp.Subscribe[qemu.BalloonChangeEvent](c)
		require.Zero(t, must(consume(b.ctx, c, events, many)))
		check(sendEvents(b.ctx, c, beforeEach, 3))
		check(status(b.ctx, c)())
		for range 3 {
			require.EqualValues(t, 1<<30, must(events.Next(b.ctx)).Data.Actual)
		}

		short := b.dial(s, &qmp.Options{EventQueue: 1})
		events = qmp.Subscribe[qemu.BalloonChangeEvent](short)
		check(sendEvents(b.ctx, short, flood, 100))
		check(status(b.ctx, short)()) // its reply comes after the events
		require.GreaterOrEqual(t, must(consume(b.ctx, short, events, 101)), 99)
	})
}

func TestPeers(t *testing.T) {
	measured(t, func(b *bench) {
		p := b.peers()
		for name, x := range map[string]qmp.Executor{"direct": p.direct, "reader": p.reader, "client": p.client} {
			for range 3 {
				require.NoError(t, status(b.ctx, x)(), name)
				require.Greater(t, len(must(qemu.QueryQMPSchema{}.Do(b.ctx, x))), 100, name)
			}
		}
		for _, command := range []string{queryStatus, queryQMPSchema, queryStatus} {
			require.NoError(t, p.floor.trip(command)())
		}
		require.NoError(t, shared(8, 1000, status(b.ctx, p.reader))())
		failed := errors.New("failed")
		require.ErrorIs(t, shared(8, 1000, func() error { return failed })(), failed)
	})
}

// measured runs a test as a measurement.
func measured(t *testing.T, test func(*bench)) {
	t.Helper()
	b := &bench{ctx: t.Context(), temp: t.TempDir()}
	require.NoError(t, b.measure(test))
}

func TestRequestEnd(t *testing.T) {
	const one = `{"execute":"query-status","arguments":{"count":5},"id":1}`
	require.Equal(t, len(one), requestEnd([]byte(one+one)))
	for i := range one {
		require.Zero(t, requestEnd([]byte(one[:i])), i)
	}
	require.Equal(t, "5", string(member([]byte(one), `"count":`)))
	require.Equal(t, "1", string(member([]byte(one), `"id":`)))
	require.Equal(t, queryStatus, string(member([]byte(one), `"execute":`)))
}

func TestChoose(t *testing.T) {
	chosen, err := choose([]string{"client", "encode"})
	require.NoError(t, err)
	require.Len(t, chosen, 8)
	require.Equal(t, "encode", chosen[0].name)
	require.Equal(t, "client/onecpu", chosen[1].name)
	_, err = choose([]string{"cli"})
	require.ErrorContains(t, err, "no measurement is called cli")
}

func TestFigures(t *testing.T) {
	require.Equal(t, 2.0, sampled{2, 200, 3}.over(sampled{1, 100, 1}))
	require.Equal(t, "0 a (limit 0)", atMost(0, "a", 0))
	require.Equal(t, "1 a (limit 0) MISSED", atMost(1, "a", 0))
	require.Equal(t, "1.50 × b (at least 2) MISSED", atLeast(1.5, "× b", 2))
	require.Equal(t, "12.3 µs", sampled{12.34e-6}.String())
}

// TestLibvirtQuick checks that the measurements with a daemon run; see package libvirttest.
func TestLibvirtQuick(t *testing.T) {
	libvirttest.Start(t, "11.3", libvirttest.Config{}) // or skip
	runQuick(t, []string{"query-status through libvirt", "query-status of 5 machines at once"}, "libvirt")
}
