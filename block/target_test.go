package block_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A refuser refuses blockdev-add, and keeps its arguments.
type refuser struct {
	*qmp.Client
	arguments map[string]any
}

func (r *refuser) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command != "blockdev-add" {
		return r.Client.Execute(ctx, call)
	}
	text, err := call.AppendArgs(nil)
	if err == nil {
		err = json.Unmarshal(text, &r.arguments)
	}
	if err != nil {
		return err
	}
	return &qmp.Error{Command: call.Command, Class: qmp.ErrGeneric, Desc: "refused"}
}

// TestOpenTimeout gives the nodes of NBD servers a time limit, and has a server that is silent.
func TestOpenTimeout(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.plugged(t, "data1", 1)
		server := qemu.SocketAddress{Branch: &qemu.UnixSocketAddress{Path: m.path("nbd")}}
		limited := 10.0
		knows := m.qemu.AtLeast(7, 0)
		sent := func(options qemu.BlockdevOptions) map[string]any {
			t.Helper()
			conn := &refuser{Client: m.Client}
			_, err := block.New(conn).Move(within(t), "data1", block.Target{Backend: hotplug.Blockdev{Options: options}}, nil)
			require.ErrorContains(t, err, "refused")
			require.NotEmpty(t, conn.arguments["node-name"])
			return conn.arguments
		}
		arguments := sent(qemu.BlockdevOptions{ReadOnly: new(false), Branch: &qemu.BlockdevOptionsNBD{Server: server, Export: new("x")}})
		require.Equal(t, "nbd", arguments["driver"])
		require.Equal(t, map[string]any{"type": "unix", "path": m.path("nbd")}, arguments["server"])
		require.Equal(t, false, arguments["read-only"])
		require.Equal(t, knows, arguments["open-timeout"] == limited)
		nested := sent(qemu.BlockdevOptions{Driver: "raw", NodeName: new("mine"), Branch: &qemu.RawBranch{Members: qmp.Args{
			"size": 1 << 53, "file": qmp.Args{"driver": "nbd", "server": server}}}})
		require.Equal(t, "mine", nested["node-name"])
		require.EqualValues(t, 1<<53, nested["size"])
		require.Equal(t, knows, nested["file"].(map[string]any)["open-timeout"] == limited)
		if !knows {
			return
		}
		require.EqualValues(t, 1, sent(qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsNBD{Server: server, OpenTimeout: new(uint32(1))}})["open-timeout"])

		listener, err := net.Listen("unix", m.path("nbd")) // accepts, and is silent
		require.NoError(t, err)
		defer listener.Close()
		begin := time.Now()
		_, err = m.disks.Move(within(t), "data1", block.Target{Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{
			Branch: &qemu.BlockdevOptionsNBD{Server: server, OpenTimeout: new(uint32(1))}}}}, nil)
		require.ErrorIs(t, err, qmp.ErrGeneric)
		require.Less(t, time.Since(begin), 5*time.Second)
		m.onlyUses(t, "data1", "data1")
		m.removed(t, "data1")
	})
}

// TestNodeNames makes names for nodes of a disk with the longest ID.
func TestNodeNames(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		id := "d23456789-123456789-123456789-1"
		m.plugged(t, id, 1)
		_, err := m.disks.Move(within(t), id, m.ofTarget(t), &block.MoveOptions{Progress: func(job.Progress) {}})
		require.NoError(t, err)
		node := m.disk(t, id).Layers[0].Node
		require.Regexp(t, `^d23456789-123456789-1234\.[a-z2-7]{6}$`, node)
		m.onlyUses(t, id, node)
		m.removed(t, id)
	})
}

// TestDiscard discards blocks of a new disk, of its overlay, and of its new storage.
func TestDiscard(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		freed := func(disk, image string) bool {
			t.Helper()
			size := func() int64 {
				out, err := m.image("info", "-U", "--output=json", m.path(image))
				require.NoError(t, err, out)
				var info struct {
					Size int64 `json:"actual-size"`
				}
				require.NoError(t, json.Unmarshal([]byte(out), &info))
				return info.Size
			}
			m.write(t, disk, 5, 0, 4<<20)
			before := size()
			require.NoError(t, m.qemuIO(t, disk, "discard 0 4194304"))
			return size() <= before-3<<20
		}
		for _, discard := range []bool{false, true} {
			id := fmt.Sprintf("disk-%v", discard)
			require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{ID: id, Driver: "scsi-hd", Backend: hotplug.File{Path: m.raw(t, id, 1), Discard: discard}}))
			require.Equal(t, discard, freed(id, id))
			over, err := os.Create(m.path(id + ".over"))
			require.NoError(t, err)
			require.NoError(t, m.disks.Snapshot(ctx, []block.Overlay{{
				Disk: id, BackingFile: id, Target: block.Target{Backend: hotplug.Descriptor{File: over, Discard: discard}},
			}}, nil))
			require.NoError(t, over.Close())
			require.Equal(t, discard, freed(id, id+".over"))
			_, err = m.disks.Move(ctx, id, block.Target{
				Backend: hotplug.File{Path: m.path(id + ".moved"), Format: "qcow2", Discard: discard}, Create: true,
			}, nil)
			require.NoError(t, err)
			require.Equal(t, discard, freed(id, id+".moved"))
			content := make([]byte, imageSize+1<<20) // larger than the disk
			require.NoError(t, os.WriteFile(m.path(id+".device"), content, 0o600))
			if device, ok := m.blockDevice(t, m.path(id+".device")); ok {
				_, err = m.disks.Move(ctx, id, block.Target{Backend: hotplug.File{Path: device, Direct: true, Discard: discard}, Create: true}, nil)
				require.NoError(t, err)
				require.Equal(t, discard, freed(id, id+".device"))
				m.removed(t, id)
			}
		}
	})
}
