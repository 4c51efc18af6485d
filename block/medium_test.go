package block_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// medium returns the nodes of the medium of a drive, and whether the tray is open.
func (m *machine) medium(t *testing.T, id string) (nodes []string, open bool) {
	t.Helper()
	d, err := m.disks.Disk(t.Context(), id)
	require.NoError(t, err)
	require.Empty(t, d.Left)
	for _, l := range d.Layers {
		nodes = append(nodes, l.Node)
	}
	b, err := m.plug.BlockInfo(t.Context(), id)
	require.NoError(t, err)
	return nodes, b.TrayOpen != nil && *b.TrayOpen
}

// TestChangeMedium changes the medium of drives in all ways, and compares what the guest would read.
func TestChangeMedium(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{
			ID: "cd1", Driver: "scsi-cd", Backend: hotplug.File{Path: m.raw(t, "first", 1), ReadOnly: true},
		}))
		change := func(medium hotplug.DiskBackend, opts *block.MediumOptions) {
			t.Helper()
			kept, err := m.disks.ChangeMedium(ctx, "cd1", medium, opts)
			require.NoError(t, err)
			require.Empty(t, kept)
		}
		has := func(fill byte, want ...string) {
			t.Helper()
			nodes, open := m.medium(t, "cd1")
			require.Len(t, nodes, len(want))
			for i := range want {
				require.Regexp(t, "^"+want[i]+"$", nodes[i])
			}
			if want != nil { // the firmware may close an empty drive
				require.False(t, open)
				m.read(t, "cd1", fill, 0, imageSize)
			}
			all, err := qemu.QueryBlockStats{QueryNodes: new(true)}.Do(ctx, m)
			require.NoError(t, err)
			require.Len(t, all, len(want))
			sets, err := qemu.QueryFDSets{}.Do(ctx, m)
			require.NoError(t, err)
			require.Len(t, sets, len(want))
		}
		has(1, "cd1")
		change(hotplug.File{Path: m.raw(t, "second", 2)}, nil)
		has(2, `cd1\..{6}`)
		b, err := m.plug.BlockInfo(ctx, "cd1")
		require.NoError(t, err)
		require.True(t, b.Inserted.RO)
		change(nil, nil)
		has(0)
		change(nil, nil)
		has(0)
		file, err := os.Open(m.raw(t, "third", 3))
		require.NoError(t, err)
		change(hotplug.Descriptor{File: file}, &block.MediumOptions{NodeName: "disc"})
		require.NoError(t, file.Close())
		has(3, "disc")
		image := qemu.BlockdevOptions{Driver: "raw", Branch: &qemu.BlockdevOptionsRaw{File: qemu.BlockdevRef{
			Definition: &qemu.BlockdevOptions{Driver: "file", Branch: &qemu.BlockdevOptionsFile{Filename: m.raw(t, "fourth", 4)}},
		}}}
		change(hotplug.Blockdev{Options: image, Open: func(path string, flags int) (*os.File, error) {
			require.Zero(t, flags&os.O_RDWR)
			return os.OpenFile(path, flags, 0)
		}}, nil)
		m.read(t, "cd1", 4, 0, imageSize)
		change(nil, nil)
		has(0)
		require.NoError(t, m.plug.AddNode(ctx, hotplug.Disk{
			ID: "cd1", NodeName: "own", Backend: hotplug.File{Path: m.path("first"), ReadOnly: true},
		}))
		change(hotplug.Node{Name: "own"}, nil)
		has(1, "own")
		kept, err := m.plug.RemoveDisk(ctx, "cd1")
		require.NoError(t, err)
		require.Empty(t, kept)
		m.clean(t)
	})
}

// TestChangeMediumOfCommandLine changes the medium of -cdrom, and of an empty drive.
func TestChangeMediumOfCommandLine(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m = startMachine(t, m.qemu, t.TempDir(), "-drive", "if=none,id=d0,readonly=on,media=cdrom,format=raw,file="+m.raw(t, "first", 1),
			"-device", "ide-cd,id=cd1,drive=d0", "-device", "scsi-cd,id=cd2")
		for _, id := range []string{"cd1", "cd2"} {
			for fill := byte(2); fill < 4; fill++ {
				kept, err := m.disks.ChangeMedium(ctx, id, hotplug.File{Path: m.raw(t, "next", fill)}, nil)
				require.NoError(t, err)
				require.Empty(t, kept)
				m.read(t, id, fill, 0, imageSize)
				_, open := m.medium(t, id)
				require.False(t, open)
			}
			_, err := m.disks.ChangeMedium(ctx, id, nil, nil)
			require.NoError(t, err)
			nodes, _ := m.medium(t, id)
			require.Empty(t, nodes)
		}
		m.clean(t)
	})
}

// TestChangeMediumErrors checks the errors, after which the old medium is in the drive.
func TestChangeMediumErrors(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		m.plugged(t, "data1", 1)
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{
			ID: "cd1", Driver: "scsi-cd", Backend: hotplug.File{Path: m.raw(t, "first", 1), ReadOnly: true},
		}))
		_, err := m.disks.ChangeMedium(ctx, "cd2", nil, nil)
		require.ErrorIs(t, err, block.ErrNoDisk)
		_, err = m.disks.ChangeMedium(ctx, "data1", nil, nil)
		require.ErrorIs(t, err, block.ErrNotRemovable)
		file, err := os.OpenFile(m.path("first"), os.O_RDWR, 0)
		require.NoError(t, err)
		defer file.Close()
		for text, medium := range map[string]hotplug.DiskBackend{
			"open for writing":     hotplug.Descriptor{File: file},
			"needs a File":         &hotplug.Descriptor{},
			"must be read-only":    &hotplug.Blockdev{Options: qemu.BlockdevOptions{ReadOnly: new(false)}},
			"in the drive already": &hotplug.Node{Name: "cd1"},
			"medium is a":          hotplug.VhostUser{},
			"no such file":         &hotplug.File{Path: m.path("none")},
			"insert-medium":        hotplug.Node{Name: "none"}, // QEMU refuses when the old medium is out
			"busy":                 hotplug.Node{Name: "data1"},
		} {
			if text == "busy" {
				text = "insert-medium"
			}
			_, err = m.disks.ChangeMedium(ctx, "cd1", medium, nil)
			require.ErrorContains(t, err, text)
			nodes, open := m.medium(t, "cd1")
			require.Equal(t, []string{"cd1"}, nodes)
			require.False(t, open)
			m.read(t, "cd1", 1, 0, imageSize)
		}
		_, err = m.disks.ChangeMedium(ctx, "cd1", hotplug.Node{Name: "data1"}, &block.MediumOptions{NodeName: "x"})
		require.ErrorContains(t, err, "NodeName must be empty")
	})
}

// TestChangeMediumFaults ends the context, or has QEMU refuse, at each command: the old medium is in the drive then, and the
// tray closed.
func TestChangeMediumFaults(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		first := hotplug.File{Path: m.raw(t, "first", 1)}
		second := hotplug.File{Path: m.raw(t, "second", 2)}
		require.NoError(t, m.plug.AddDisk(within(t), hotplug.Disk{ID: "cd1", Driver: "scsi-cd", Backend: hotplug.File{Path: first.Path, ReadOnly: true}}))
		before, _ := m.medium(t, "cd1")
		m.faults(t, func(ctx context.Context, conn qmp.Conn) error {
			_, err := block.New(conn).ChangeMedium(ctx, "cd1", second, nil)
			return err
		}, func() {
			nodes, open := m.medium(t, "cd1")
			require.Equal(t, before, nodes)
			require.False(t, open)
			m.read(t, "cd1", 1, 0, 512)
		}, func() {
			d, err := m.disks.Disk(t.Context(), "cd1")
			require.NoError(t, err)
			if len(d.Left) > 0 {
				_, err := m.plug.RemoveNodes(t.Context(), "cd1", d.Left...)
				require.NoError(t, err)
			}
			_, err = m.disks.ChangeMedium(t.Context(), "cd1", first, nil)
			require.NoError(t, err)
			before, _ = m.medium(t, "cd1")
		})
	})
}

// A lockedConn is a QEMU whose guest has locked the trays, and opens them later or never.
type lockedConn struct {
	qmp.Conn
	opens bool
	asked bool
	force bool
}

func (c *lockedConn) Execute(ctx context.Context, call *qmp.Call) error {
	open, _ := call.Args.(*qemu.BlockdevOpenTray)
	if open == nil || open.Force != nil && *open.Force {
		c.force = c.force || open != nil
		return c.Conn.Execute(ctx, call)
	}
	c.asked = true
	if c.opens {
		time.AfterFunc(50*time.Millisecond, func() {
			_ = qemu.BlockdevOpenTray{ID: open.ID, Force: new(true)}.Do(context.WithoutCancel(ctx), c.Conn) // shows in the test
		})
	}
	return nil
}

// A closingConn is a QEMU whose guest closes a tray right after QEMU has opened it, twice.
type closingConn struct {
	qmp.Conn
	closed int
}

func (c *closingConn) Execute(ctx context.Context, call *qmp.Call) error {
	err := c.Conn.Execute(ctx, call)
	if open, _ := call.Args.(*qemu.BlockdevOpenTray); open != nil && err == nil && c.closed < 2 {
		c.closed++
		return qemu.BlockdevCloseTray{ID: open.ID}.Do(ctx, c.Conn)
	}
	return err
}

// TestChangeMediumClosed opens the tray again if the guest closes it.
func TestChangeMediumClosed(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{
			ID: "cd1", Driver: "scsi-cd", Backend: hotplug.File{Path: m.raw(t, "first", 1), ReadOnly: true},
		}))
		c := &closingConn{Conn: m}
		_, err := block.New(c).ChangeMedium(ctx, "cd1", hotplug.File{Path: m.raw(t, "second", 2)}, nil)
		require.NoError(t, err)
		require.Equal(t, 2, c.closed)
		m.read(t, "cd1", 2, 0, 512)
	})
}

// TestChangeMediumLocked waits for a guest that has locked the tray.
func TestChangeMediumLocked(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		require.NoError(t, m.plug.AddDisk(within(t), hotplug.Disk{
			ID: "cd1", Driver: "scsi-cd", Backend: hotplug.File{Path: m.raw(t, "first", 1), ReadOnly: true},
		}))
		second := hotplug.File{Path: m.raw(t, "second", 2)}
		c := &lockedConn{Conn: m}
		ctx, cancel := context.WithTimeout(within(t), 200*time.Millisecond)
		defer cancel()
		_, err := block.New(c).ChangeMedium(ctx, "cd1", second, nil)
		require.ErrorIs(t, err, block.ErrTrayLocked)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, c.asked)
		nodes, open := m.medium(t, "cd1")
		require.Equal(t, []string{"cd1"}, nodes)
		require.False(t, open)

		c = &lockedConn{Conn: m, opens: true}
		_, err = block.New(c).ChangeMedium(within(t), "cd1", second, nil)
		require.NoError(t, err)
		m.read(t, "cd1", 2, 0, 512)
		c = &lockedConn{Conn: m}
		_, err = block.New(c).ChangeMedium(within(t), "cd1", nil, &block.MediumOptions{Force: true})
		require.NoError(t, err)
		require.True(t, c.force)
	})
}
