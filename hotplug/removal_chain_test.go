package hotplug_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A worked is a disk "d" of a machine without a guest, on whose storage a manager works.
type worked struct {
	*foreign
	vm     *hotplug.VM
	ours   bool // the manager is this package's user
	leaves bool // the manager does not remove the nodes that the disk no longer uses
}

// image makes an image, as large as the disk, and adds the node for it.
func (w *worked) image(name string, format qemu.BlockdevDriver) {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "image")
	img(w.t, w.q, "create", "-q", "-f", string(format), path, "1M")
	if w.ours {
		backend := hotplug.File{Path: path, Format: format, Backing: &qemu.BlockdevRefOrNull{Null: &qmp.Null{}}}
		if format == qemu.BlockdevDriverRaw {
			backend.Backing = nil
		}
		require.NoError(w.t, w.vm.AddNode(w.ctx, hotplug.Disk{ID: "d", NodeName: name, Backend: backend}))
		return
	}
	w.node(name+"-storage", file(w.fdset(path, name).Path()))
	if format == qemu.BlockdevDriverRaw {
		w.node(name, &qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsRaw{File: qemu.BlockdevRef{Reference: new(name + "-storage")}}})
	} else {
		w.node(name, over(name+"-storage", ""))
	}
}

func (w *worked) snapshot(below, name string) {
	w.t.Helper()
	w.image(name, qemu.BlockdevDriverQcow2)
	require.NoError(w.t, qemu.BlockdevSnapshot{Node: below, Overlay: name}.Do(w.ctx, w.c))
}

func (w *worked) run(request qmp.Request) {
	w.t.Helper()
	require.NoError(w.t, job.Run(w.ctx, w.c, "work", request, nil))
}

// drop removes nodes that the disk no longer uses, from the top.
func (w *worked) drop(names ...string) {
	w.t.Helper()
	switch {
	case w.leaves:
		return
	case w.ours:
		kept, err := w.vm.RemoveNodes(w.ctx, "d", names...)
		require.NoError(w.t, err)
		require.Empty(w.t, kept)
		return
	}
	for _, name := range names {
		for _, node := range []string{name, name + "-storage"} {
			require.NoError(w.t, qemu.BlockdevDel{NodeName: node}.Do(w.ctx, w.c))
		}
	}
	sets, err := qemu.QueryFDSets{}.Do(w.ctx, w.c)
	require.NoError(w.t, err)
	for _, set := range sets {
		for _, name := range names {
			if len(set.FDs) > 0 && qmp.Value(set.FDs[0].Opaque) == name {
				require.NoError(w.t, qemu.RemoveFD{FDSetID: set.FDSetID}.Do(w.ctx, w.c))
			}
		}
	}
}

// works are what managers do with the storage of a disk whose node is "d". Each returns the node that the disk uses then.
var works = []struct {
	name string
	do   func(w *worked) (node string)
}{
	{"snapshots", func(w *worked) string {
		w.snapshot("d", "d.1")
		w.snapshot("d.1", "d.2")
		return "d.2"
	}},
	{"active commit", func(w *worked) string {
		w.snapshot("d", "d.1")
		w.run(qemu.BlockCommit{Device: "d.1", BaseNode: new("d")})
		w.drop("d.1")
		return "d"
	}},
	{"commit into the middle", func(w *worked) string {
		for _, step := range [][2]string{{"d", "d.1"}, {"d.1", "d.2"}, {"d.2", "d.3"}} {
			w.snapshot(step[0], step[1])
		}
		w.run(qemu.BlockCommit{Device: "d.3", TopNode: new("d.2"), BaseNode: new("d.1"), BackingFile: new("d.1")})
		w.drop("d.2")
		return "d.3"
	}},
	{"stream", func(w *worked) string {
		w.snapshot("d", "d.1")
		w.snapshot("d.1", "d.2")
		w.run(qemu.BlockStream{Device: "d.2"})
		w.drop("d.1", "d")
		return "d.2"
	}},
	{"stream of a part", func(w *worked) string {
		w.snapshot("d", "d.1")
		w.snapshot("d.1", "d.2")
		w.run(qemu.BlockStream{Device: "d.2", BaseNode: new("d"), BackingFile: new("d")})
		w.drop("d.1")
		return "d.2"
	}},
	{"mirror", func(w *worked) string {
		w.image("d.1", qemu.BlockdevDriverRaw)
		w.run(qemu.BlockdevMirror{Device: "d", Target: "d.1", Sync: qemu.MirrorSyncModeFull})
		w.drop("d")
		return "d.1"
	}},
	{"snapshot, mirror, commit", func(w *worked) string {
		w.snapshot("d", "d.1")
		w.image("d.2", qemu.BlockdevDriverQcow2)
		w.run(qemu.BlockdevMirror{Device: "d.1", Target: "d.2", Sync: qemu.MirrorSyncModeFull})
		w.drop("d.1", "d")
		w.snapshot("d.2", "d.3")
		w.run(qemu.BlockCommit{Device: "d.3", BaseNode: new("d.2")})
		w.drop("d.3")
		return "d.2"
	}},
	{"copies that are left", func(w *worked) string {
		w.image("d.copy", qemu.BlockdevDriverQcow2)
		w.image("d.backup", qemu.BlockdevDriverRaw)
		j, err := job.Start(w.ctx, w.c, "work", qemu.BlockdevMirror{Device: "d", Target: "d.copy", Sync: qemu.MirrorSyncModeFull})
		require.NoError(w.t, err)
		require.NoError(w.t, j.EndWithoutPivot(w.ctx))
		w.run(qemu.BlockdevBackup{Device: "d", Target: "d.backup", Sync: qemu.MirrorSyncModeFull})
		w.drop("d.copy", "d.backup")
		return "d"
	}},
	{"a frozen view", func(w *worked) string {
		if !w.q.AtLeast(7, 2) || !w.ours { // QEMU does not report the target of others' filter
			return "d"
		}
		filter := func(name string, options qemu.BlockdevOptions) {
			require.NoError(w.t, w.vm.AddNode(w.ctx, hotplug.Disk{ID: "d", NodeName: name, Backend: hotplug.Blockdev{Options: options}}))
		}
		w.image("d.scratch", qemu.BlockdevDriverQcow2)
		filter("d.cbw", qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsCBW{
			File: qemu.BlockdevRef{Reference: new("d")}, Target: qemu.BlockdevRef{Reference: new("d.scratch")}}})
		set := qemu.QOMSet{Path: "/machine/peripheral/d", Property: "drive", Value: qmp.RawJSON(`"d.cbw"`)}
		require.NoError(w.t, set.Do(w.ctx, w.c))
		filter("d.view", qemu.BlockdevOptions{Driver: "snapshot-access", Branch: &qemu.BlockdevOptionsGenericFormat{
			File: qemu.BlockdevRef{Reference: new("d.cbw")}}})
		return "d.cbw"
	}},
}

// TestRemoveAfterWork resizes, describes and removes a disk after a manager has worked with its storage. One manager
// uses this package, and another does not.
func TestRemoveAfterWork(t *testing.T) {
	qemutest.CheckFdsOrParallel(t)
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		qvm, c := scsi(t, q, "-object", "throttle-group,id=slow")
		vm := hotplug.New(c, nil)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		removed := func(w *worked, id, node string, opts ...hotplug.RemoveOption) {
			t, ctx := w.t, w.ctx
			t.Helper()
			info, err := vm.DeviceInfo(ctx, id)
			require.NoError(t, err)
			require.Equal(t, node, info.Node)
			disk, err := vm.BlockInfo(ctx, id)
			require.NoError(t, err)
			require.Equal(t, node, qmp.Value(disk.Inserted.NodeName))
			if err := vm.ResizeDisk(ctx, id, 2<<20); !w.leaves { // QEMU refuses if an overlay is left on the disk's node
				require.NoError(t, err)
				disk, err = vm.BlockInfo(ctx, id)
				require.NoError(t, err)
				require.EqualValues(t, 2<<20, disk.Inserted.Image.VirtualSize)
			}
			kept, err := vm.RemoveDisk(ctx, id, opts...)
			require.NoError(t, err)
			require.Empty(t, kept)
			require.Equal(t, before, stateOf(t, c))
			require.Equal(t, fds, qemuFds(t, qvm))
			nodes, err := vm.NodesOf(ctx, id)
			require.NoError(t, err)
			require.Empty(t, nodes)
		}
		for _, work := range works {
			for _, leaves := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, ours, leaves %v", work.name, leaves), func(t *testing.T) {
					w := &worked{foreign: &foreign{t, q, c, limit(t)}, vm: vm, ours: true, leaves: leaves}
					disk := scsiDisk("d", hotplug.File{Path: chain(t, q, 1)[0], Format: "qcow2"})
					if leaves { // and QEMU opens the file, so no set names the node
						disk.Backend = hotplug.Blockdev{Options: *overlay(chain(t, q, 1)[0], nil)}
					}
					require.NoError(t, vm.AddDisk(w.ctx, disk))
					removed(w, "d", work.do(w))
				})
			}
			t.Run(work.name+", of others", func(t *testing.T) {
				w := &worked{foreign: &foreign{t, q, c, limit(t)}, vm: vm}
				w.image("d", qemu.BlockdevDriverQcow2)
				add := qemu.DeviceAdd{Driver: "scsi-hd", ID: new("d"), Bus: new("scsi0.0"), Props: qmp.Args{"drive": "d"}}
				require.NoError(t, add.Do(w.ctx, c))
				removed(w, "d", work.do(w), hotplug.WithBackend())
			})
		}
		t.Run("under a filter", func(t *testing.T) {
			w := &worked{foreign: &foreign{t, q, c, limit(t)}, vm: vm, ours: true}
			inner := named("d.0", file(image(t)))
			require.NoError(t, vm.AddDisk(w.ctx, scsiDisk("d", hotplug.Blockdev{Open: new(opening).open, Options: qemu.BlockdevOptions{
				Branch: &qemu.BlockdevOptionsThrottle{ThrottleGroup: "slow", File: define(&inner)}}})))
			w.image("d.1", qemu.BlockdevDriverQcow2)
			w.run(qemu.BlockdevMirror{Device: "d", Target: "d.1", Sync: qemu.MirrorSyncModeFull, Replaces: new("d.0")})
			w.snapshot("d.1", "d.2")
			w.run(qemu.BlockCommit{Device: "d", TopNode: new("d.2"), BaseNode: new("d.1")})
			w.drop("d.2")
			w.snapshot("d.1", "d.3")
			removed(w, "d", "d")
		})
		t.Run("named by Incus", func(t *testing.T) {
			w := &worked{foreign: &foreign{t, q, c, limit(t)}, vm: vm}
			set := w.fdset(image(t), "incus_root")
			w.node("incus_root", file(set.Path()))
			add := qemu.DeviceAdd{Driver: "scsi-hd", ID: new("dev-incus_root"), Bus: new("scsi0.0"), Props: qmp.Args{"drive": "incus_root"}}
			require.NoError(t, add.Do(w.ctx, c))
			w.snapshot("incus_root", "incus_root_snap")
			removed(w, "dev-incus_root", "incus_root_snap", hotplug.WithBackend())
		})
	})
}

// TestNodeWithTheNameOfADisk: the node of one disk has the ID of another one, which has a node with another name.
func TestNodeWithTheNameOfADisk(t *testing.T) {
	for name, backend := range map[string]hotplug.DiskBackend{
		"set": hotplug.File{Path: image(t)}, "mark": hotplug.Blockdev{Options: *nullNode()},
	} {
		m := fakeqemu.New(t)
		vm := hotplug.New(m.Dial(), nil)
		require.NoError(t, vm.AddDisk(t.Context(), hotplug.Disk{ID: "b", NodeName: "a", Backend: backend}))
		before := m.State()
		require.NoError(t, vm.AddDisk(t.Context(), hotplug.Disk{ID: "a", NodeName: "x", Backend: backend}))
		for range 2 { // the second time, there is no device
			kept, err := vm.RemoveDisk(t.Context(), "a")
			require.NoError(t, err, name)
			require.Empty(t, kept, name)
			require.Equal(t, before, m.State(), name)
		}
	}
}

// TestFaultsOfLeftOverlay: an operation has left an overlay above the node that the disk uses. Whatever command of the
// removal goes wrong, the next removal finishes it.
func TestFaultsOfLeftOverlay(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		synctest.Test(t, func(t *testing.T) { // a refusal costs 10 seconds
			m := fakeqemu.New(t)
			c := pipe(t, m, nil)
			vm := hotplug.New(c, nil)
			begin := func() {
				require.NoError(t, vm.AddDisk(t.Context(), memory("d")))
				for _, step := range [][2]string{{"d", "d.1"}, {"d.1", "d.2"}} {
					overlay := hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsQcow2{
						File: define(nullNode()), Backing: &qemu.BlockdevRefOrNull{Reference: new(step[0])}}}}
					require.NoError(t, vm.AddNode(t.Context(), hotplug.Disk{ID: "d", NodeName: step[1], Backend: overlay}))
				}
			}
			begin()
			met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
				return errorOf(hotplug.New(conn, nil).RemoveDisk(ctx, "d"))
			}, func(command string, err error) {
				if fault != fakeqemu.Refused {
					require.Error(t, err, command)
				}
				if err == nil {
					require.Empty(t, m.State(), command)
				}
				require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")), command)
				require.Empty(t, m.State(), command)
				begin()
			})
			require.NoError(t, err)
			require.Subset(t, met, []string{"device_del", "blockdev-del", "query-fdsets", "qom-list", "object-del"})
			require.Empty(t, m.State())
		})
	}
}
