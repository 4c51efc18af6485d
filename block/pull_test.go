package block_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// served returns the options for a server at a UNIX socket.
func (m *machine) served() *block.ViewOptions {
	address := qemu.SocketAddress{Branch: &qemu.UnixSocketAddress{Path: m.path("nbd.sock")}}
	return &block.ViewOptions{Server: &qemu.NBDServerOptions{Addr: address}}
}

// pulled checks what a client reads from a view.
func (m *machine) pulled(t *testing.T, s *shadow, want []byte) {
	t.Helper()
	m.pulledAs(t, s.id, want)
}

func (m *machine) pulledAs(t *testing.T, export string, want []byte) {
	t.Helper()
	out, err := m.image("convert", "-f", "raw", "-O", "raw", "nbd+unix:///"+export+"?socket="+m.path("nbd.sock"), m.path("pulled"))
	require.NoError(t, err, out)
	got, err := os.ReadFile(m.path("pulled"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the view differs from the disk")
}

// dirty returns the bytes that a bitmap of a view has, and where they begin.
func (m *machine) dirty(t *testing.T, s *shadow, bitmap string) (begin, length int64) {
	t.Helper()
	options := "driver=nbd,server.type=unix,server.path=" + m.path("nbd.sock") + ",export=" + s.id + ",x-dirty-bitmap=qemu:dirty-bitmap:" + bitmap
	out, err := m.image("map", "--output=json", "--image-opts", options)
	require.NoError(t, err, out)
	var extents []struct {
		Start, Length int64
		Data          bool
	}
	require.NoError(t, json.Unmarshal([]byte(out), &extents))
	for _, e := range extents {
		if !e.Data { // so qemu-img shows what is dirty
			if length == 0 {
				begin = e.Start
			}
			length += e.Length
		}
	}
	return begin, length
}

// TestView opens views of two disks, reads them while the guest writes, and follows the chain of increments.
func TestView(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		a, b := m.shadowed(t, "data1"), m.shadowed(t, "a-disk-with-a-long-name-for-one")
		disks := []block.ViewDisk{{ID: a.id, Bitmap: "b"}, {ID: b.id, Bitmap: "b"}}
		if m.Version().Major < 7 {
			_, err := m.disks.OpenView(ctx, disks, m.served())
			require.ErrorIs(t, err, errors.ErrUnsupported)
			m.unused(t, a.id)
			t.Skip("QEMU has no frozen views")
		}
		a.write(t, 1, 0, 1<<20)
		b.write(t, 2, 1<<20, 1<<20)
		before := [][]byte{bytes.Clone(a.holds), bytes.Clone(b.holds)}
		view, err := m.disks.OpenView(ctx, disks, m.served())
		require.NoError(t, err)
		a.write(t, 3, 4<<20, 1<<20)
		a.write(t, 3, 0, 65536)
		b.write(t, 3, 0, 4096)
		m.pulled(t, a, before[0])
		m.pulled(t, b, before[1])

		d, err := m.disks.Disk(ctx, a.id)
		require.NoError(t, err)
		require.Len(t, d.Exports, 1)
		for name, operation := range map[string]func() error{
			"view":   func() error { _, err := m.disks.OpenView(ctx, disks, nil); return err },
			"move":   func() error { _, err := m.disks.Move(ctx, a.id, m.into("moved"), nil); return err },
			"bitmap": func() error { return m.disks.AddBitmap(ctx, a.id, "c", nil) },
			"backup": func() error {
				_, err := m.disks.Backup(ctx, []block.BackupDisk{{ID: a.id, Target: m.into("b")}}, &block.BackupOptions{Direct: true})
				return err
			},
		} {
			require.ErrorIs(t, operation(), block.ErrBusy, name)
		}
		require.NoFileExists(t, m.path("moved"))

		kept, err := view.Finish(ctx)
		require.NoError(t, err)
		require.Empty(t, kept)
		m.unused(t, a.id, "b")
		m.unused(t, b.id, "b")
		require.NoFileExists(t, m.path("nbd.sock"))
		_, err = view.Finish(ctx)
		require.ErrorIs(t, err, block.ErrNoView)
		_, err = m.disks.FindView(ctx, a.id)
		require.ErrorIs(t, err, block.ErrNoView)

		// An increment that nobody reads, one of another process, and one with a server that runs.
		disks[0].Incremental, disks[1].Incremental = true, true
		for n := range 3 {
			options := m.served()
			if n == 2 {
				start := qemu.NBDServerStart{Addr: qemu.SocketAddressLegacy{Branch: &qemu.UnixSocketAddress{Path: m.path("nbd.sock")}}}
				require.NoError(t, start.Do(ctx, m))
				_, err = m.disks.OpenView(ctx, disks, options)
				_, refused := errors.AsType[*qmp.Error](err)
				require.True(t, refused, "%v", err)
				m.unused(t, a.id, "b")
				options = nil
			}
			_, err = m.disks.OpenView(ctx, disks, options)
			require.NoError(t, err)
			m.pulled(t, a, a.holds)
			begin, length := m.dirty(t, b, "b")
			require.Equal(t, []int64{0, 1 << 16}, []int64{begin, length})
			_, length = m.dirty(t, a, "b")
			require.Equal(t, int64(1<<20+1<<16), length)
			view, err := block.New(m.Client).FindView(ctx, a.id, b.id)
			require.NoError(t, err)
			if n == 2 {
				_, err = view.Finish(ctx)
				require.NoError(t, err)
				require.NoError(t, qemu.NBDServerStop{}.Do(ctx, m))
				break
			}
			_, err = view.Discard(ctx)
			require.NoError(t, err)
			_, err = view.Discard(ctx)
			require.NoError(t, err)
			m.unused(t, a.id, "b")
			m.unused(t, b.id, "b")
		}
		b.write(t, 5, 6<<20, 1<<16)
		view, err = m.disks.OpenView(ctx, disks, m.served())
		require.NoError(t, err)
		begin, length := m.dirty(t, b, "b")
		require.Equal(t, []int64{6 << 20, 1 << 16}, []int64{begin, length})
		m.restart(t)
		_, err = view.Finish(ctx)
		require.Error(t, err)
		_, err = m.disks.FindView(ctx, a.id)
		require.ErrorIs(t, err, block.ErrNoDisk)
	})
}

// TestViewOfBitmaps exports bitmaps that belong to the caller.
func TestViewOfBitmaps(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		if m.Version().Major < 7 {
			t.Skip("QEMU has no frozen views")
		}
		ctx := within(t)
		a := m.shadowed(t, "data1")
		bitmaps := []string{"b", "all", "off"}
		for _, name := range bitmaps {
			require.NoError(t, m.disks.AddBitmap(ctx, a.id, name, nil))
			a.write(t, 1, 0, 1<<20)
		}
		require.NoError(t, m.disks.ClearBitmap(ctx, a.id, "b"))
		require.NoError(t, m.disks.DisableBitmap(ctx, a.id, "off"))
		a.write(t, 2, 2<<20, 1<<16)
		disks := []block.ViewDisk{{ID: a.id, Bitmap: "b", Incremental: true, ExportBitmaps: append(bitmaps, "lost")}}
		_, err := m.disks.OpenView(ctx, disks, m.served())
		require.ErrorIs(t, err, block.ErrNoBitmap)
		m.unused(t, a.id, bitmaps...)

		disks[0].ExportBitmaps = bitmaps
		for _, incremental := range []bool{true, false} {
			disks[0].Incremental = incremental
			view, err := m.disks.OpenView(ctx, disks, m.served())
			require.NoError(t, err)
			before := bytes.Clone(a.holds)
			changed := map[string]int64{"b": 1 << 16, "all": 1<<20 + 1<<16, "off": 1 << 20}
			a.write(t, 3, 2<<20, 1<<16)
			a.write(t, 4, 4<<20, 1<<16)
			m.pulled(t, a, before)
			for name, want := range changed {
				_, length := m.dirty(t, a, name)
				require.Equal(t, want, length, name)
			}
			_, err = view.Discard(ctx)
			require.NoError(t, err)
			m.unused(t, a.id, bitmaps...)
			require.NoError(t, m.disks.ClearBitmap(ctx, a.id, "all"))
			a.write(t, 5, 0, 1<<20)
			require.NoError(t, m.disks.ClearBitmap(ctx, a.id, "b"))
			a.write(t, 5, 2<<20, 1<<16)
		}
	})
}

// TestBackupFaults: commands of a backup and of a view go wrong. Afterwards the disk is as before, or AbortBackups makes it
// so, and the next increment has what the guest wrote. Each machine has its faults and its commands, to save time.
func TestBackupFaults(t *testing.T) {
	const stride = 3 // 1 is thorough
	turn := 0
	onMachines(t, func(t *testing.T, m *machine) {
		a := m.shadowed(t, "data1")
		m.shadowed(t, "data2")
		_, err := m.disks.Backup(within(t), []block.BackupDisk{{ID: "data1", Target: m.into("0"), Bitmap: "b"}}, nil)
		require.NoError(t, err)
		chain := []string{"0"}
		count := 0
		increment := func() []block.BackupDisk {
			count++
			return []block.BackupDisk{{ID: "data1", Target: m.into(strconv.Itoa(count)), Bitmap: "b", Incremental: true}}
		}
		operations := map[string]func(ctx context.Context, disks *block.VM) error{
			"backup": func(ctx context.Context, disks *block.VM) error { // without a scratch image on QEMU 5.2
				kept, err := disks.Backup(ctx, increment(), nil)
				return keptError(kept, err)
			},
		}
		if m.Version().Major >= 7 {
			operations["view"] = func(ctx context.Context, disks *block.VM) error {
				view, err := disks.OpenView(ctx, []block.ViewDisk{{ID: "data1", Bitmap: "b", Incremental: true}, {ID: "data2"}}, m.served())
				if err != nil {
					return err
				}
				kept, err := view.Discard(ctx)
				return keptError(kept, err)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(operations)) {
			fault := fakeqemu.Faults[turn%len(fakeqemu.Faults)]
			turn++
			a.write(t, byte(turn), 5<<16, 1<<16)
			for at := turn % stride; ; at += stride {
				ctx, cancel := context.WithCancel(within(t))
				conn := &fakeqemu.Faulty{Client: m.Client, Fault: fault, At: at, Cancel: cancel}
				err := operations[name](ctx, block.New(conn))
				cancel()
				if conn.Met == "" {
					require.NoError(t, err)
					break
				}
				what := name + ", " + string(fault) + ", " + conn.Met
				complete := err == nil || errors.Is(err, block.ErrBitmapsUnknown) || errors.Is(err, errKept)
				if name != "view" && complete {
					chain = append(chain, strconv.Itoa(count))
				}
				if err != nil {
					kept, abortErr := m.disks.AbortBackups(within(t), "data1", "data2")
					require.NoError(t, abortErr, "%s: %v", what, err)
					require.Empty(t, kept, what)
				}
				status, statusErr := qemu.QueryStatus{}.Do(within(t), m)
				require.NoError(t, statusErr)
				require.True(t, status.Running, "%s: %v", what, err)
				m.unused(t, "data1", "b")
				m.unused(t, "data2")
			}
			if name != "view" {
				chain = append(chain, strconv.Itoa(count))
			}
			_, err := m.disks.Backup(within(t), increment(), nil)
			require.NoError(t, err)
			chain = append(chain, strconv.Itoa(count))
			m.restored(t, a.holds, chain...)
		}
	})
}

// TestAbortBackups: the connection of a backup is lost. Another process ends the backup, and takes the increment again.
func TestAbortBackups(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		a, b := m.shadowed(t, "data1"), m.shadowed(t, "data2")
		both := func(name string, incremental bool) []block.BackupDisk {
			return []block.BackupDisk{
				{ID: "data1", Target: m.into(name + "1"), Bitmap: "b", Incremental: incremental},
				{ID: "data2", Target: m.into(name + "2"), Bitmap: "b", Incremental: incremental},
			}
		}
		_, err := m.disks.Backup(ctx, both("full", false), nil)
		require.NoError(t, err)
		a.write(t, 1, 0, 4<<20)
		b.write(t, 2, 0, 4<<20)
		for mode, opts := range modes {
			opts.Speed = 1 << 20
			opts.Progress = func(string, job.Progress) { _ = m.Close() }
			_, err = m.disks.Backup(ctx, both(mode, true), &opts)
			require.ErrorIs(t, err, job.ErrUnknown)
			m.Client = m.vm.Dial(t)
			m.disks, m.plug = block.New(m.Client), hotplug.New(m.Client, nil)
			_, err = m.disks.Backup(ctx, both("never", true), &opts)
			require.ErrorIs(t, err, block.ErrBusy)
			kept, err := m.disks.AbortBackups(ctx, "data1", "data2")
			require.NoError(t, err)
			require.Empty(t, kept)
			m.unused(t, "data1", "b")
			m.unused(t, "data2", "b")
		}
		_, err = m.disks.Backup(ctx, both("inc", true), nil)
		require.NoError(t, err)
		m.restored(t, a.holds, "full1", "inc1")
		m.restored(t, b.holds, "full2", "inc2")
	})
}

var errKept = errors.New("something is kept")

func keptError(kept []hotplug.Kept, err error) error {
	if err == nil && len(kept) > 0 {
		return fmt.Errorf("%w: %v", errKept, kept)
	}
	return err
}
