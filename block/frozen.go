package block

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qom"
)

// A frozen view of a disk consists of three nodes. The guest uses a filter, which copies the old data of what the guest
// overwrites to a scratch image. A third node shows the disk as it was when the guest began to use the filter. The names
// of the nodes derive from the disk, so that two views of a disk are impossible, and every process finds them.
const (
	filterNode  = "frozen"
	scratchNode = "scratch"
	accessNode  = "view"
)

// viewNode returns the name of a node of a disk's view.
func viewNode(disk, purpose string) string {
	if name := disk + "." + purpose; len(name) <= maxNodeName {
		return name
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(disk)) // returns nil
	end := fmt.Sprintf("-%08x.%s", h.Sum32(), purpose)
	return disk[:maxNodeName-len(end)] + end
}

// frozen reports whether the guest uses the filter of a view.
func (d *Disk) frozen() bool {
	return d.Name != "" && len(d.Layers) > 1 && d.Layers[0].Node == viewNode(d.Name, filterNode)
}

// devicePath returns the path of the device for qom-set.
func (d *Disk) devicePath() string {
	if strings.HasPrefix(d.Path, "/") {
		return d.Path
	}
	return "/machine/peripheral/" + d.Path
}

// setDrive makes the device use another node.
func (vm *VM) setDrive(ctx context.Context, d *Disk, node string) error {
	return qom.Set(ctx, vm.conn, d.devicePath(), "drive", node)
}

// freezes reports whether QEMU can make frozen views: it has the drivers, and changes the node of a device that exists.
func (vm *VM) freezes(ctx context.Context) (bool, error) {
	v, err := vm.version(ctx)
	return v.Major > 7 || v.Major == 7 && v.Minor >= 1, err
}

// A source is a disk that a backup reads, or a frozen view shows.
type source struct {
	*Disk
	chain       *chain // nil without a bitmap
	incremental bool
	bitmaps     []string // the view gets copies of them: the bitmap of an increment, and those for clients
	scratch     *Target  // the caller's, or nil
	scratchNode string
}

// freezeOptions configures freeze.
type freezeOptions struct {
	scratchDir   string
	writeTimeout time.Duration
}

const defaultWriteTimeout = 15 * time.Second

// freeze makes frozen views of disks at one moment. The nodes with the names of viewNode(id, accessNode) show them, and have
// copies of bitmaps.
func (vm *VM) freeze(ctx context.Context, undo *rollback, all []*source, o freezeOptions) error {
	if err := vm.addScratches(ctx, undo, all, o.scratchDir); err != nil {
		return err
	}
	if err := vm.beginChains(ctx, undo, all); err != nil {
		return err
	}
	err := vm.addViewNodes(ctx, undo, all, filterNode, func(s *source) qemu.BlockdevOptions {
		return qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsCBW{
			File: qemu.BlockdevRef{Reference: new(s.root())}, Target: qemu.BlockdevRef{Reference: &s.scratchNode},
			OnCBWError: new(qemu.OnCBWErrorBreakSnapshot), CBWTimeout: new(timeoutOf(o.writeTimeout)),
		}}
	})
	if err != nil {
		return err
	}
	ids := idsOf(all)
	set := func() error {
		undo.add("filter of disk "+strings.Join(ids, ", "), func(ctx context.Context) error {
			_, err := vm.unfreeze(ctx, ids)
			return err
		})
		for _, s := range all {
			if err := vm.setDrive(ctx, s.Disk, viewNode(s.Name, filterNode)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) > 1 {
		err = vm.whileStopped(ctx, undo, set)
	} else {
		err = set()
	}
	if err != nil {
		return err
	}
	err = vm.addViewNodes(ctx, undo, all, accessNode, func(s *source) qemu.BlockdevOptions {
		return qemu.BlockdevOptions{Driver: qemu.BlockdevDriverSnapshotAccess, Branch: &qemu.BlockdevOptionsGenericFormat{
			File: qemu.BlockdevRef{Reference: new(viewNode(s.Name, filterNode))},
		}}
	})
	if err != nil {
		return err
	}
	var copies []qemu.TransactionAction
	for _, s := range all {
		for _, name := range s.bitmaps {
			copies = append(copies, s.copyBitmap(name, viewNode(s.Name, accessNode))...)
		}
	}
	if len(copies) == 0 {
		return nil
	}
	return qemu.Transaction{Actions: copies}.Do(ctx, vm.conn) // if it fails, the bitmaps go with the nodes
}

// timeoutOf returns the seconds for cbw-timeout. There, 0 means no limit.
func timeoutOf(d time.Duration) uint32 {
	if d <= 0 {
		d = defaultWriteTimeout
	}
	return uint32(min(math.Ceil(d.Seconds()), math.MaxUint32))
}

// addScratches adds the scratch images of views: targets of the caller, or files without names.
func (vm *VM) addScratches(ctx context.Context, undo *rollback, all []*source, dir string) error {
	targets := make([]wanted, len(all))
	for i, s := range all {
		w := &targets[i]
		*w = wanted{disk: s.Name, size: s.Size()}
		if s.scratch != nil {
			w.Target = *s.scratch
		} else {
			file, err := unnamedFile(dir, s.Size())
			if err != nil {
				return err
			}
			defer file.Close()
			w.Backend = hotplug.Descriptor{File: file}
		}
		if w.NodeName != "" {
			return errors.New("a Scratch must not have a NodeName")
		}
		if !isNode(w.Backend) {
			w.NodeName = viewNode(s.Name, scratchNode)
		}
	}
	nodes, err := vm.addTargets(ctx, undo, targets)
	if err != nil {
		return busyIfExists(err)
	}
	for i, s := range all {
		s.scratchNode = nodes[i]
	}
	return nil
}

// unnamedFile makes a file that disappears when nobody has it open.
func unnamedFile(dir string, size int64) (*os.File, error) {
	file, err := os.CreateTemp(dir, "scratch-*")
	if err != nil {
		return nil, err
	}
	if err = errors.Join(os.Remove(file.Name()), file.Truncate(size)); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// isNode reports whether a backend is a node that exists.
func isNode(backend hotplug.DiskBackend) bool {
	switch backend.(type) {
	case hotplug.Node, *hotplug.Node:
		return true
	}
	return false
}

// addViewNodes adds a node of each view. If there is one already, there is another view.
func (vm *VM) addViewNodes(ctx context.Context, undo *rollback, all []*source, purpose string, options func(s *source) qemu.BlockdevOptions) error {
	var nodes []hotplug.Disk
	for _, s := range all {
		nodes = append(nodes, hotplug.Disk{ID: s.Name, NodeName: viewNode(s.Name, purpose), Backend: hotplug.Blockdev{Options: options(s)}})
	}
	return busyIfExists(vm.addNodes(ctx, undo, nodes))
}

func busyIfExists(err error) error {
	if errors.Is(err, hotplug.ErrExists) {
		return ErrFrozen
	}
	return err
}

// beginChains adds the second bitmaps of all chains. They begin shortly before the moment of the backup, so they may have more
// than the next increment needs. beginChains removes inconsistent bitmaps.
func (vm *VM) beginChains(ctx context.Context, undo *rollback, all []*source) error {
	var actions []qemu.TransactionAction
	for _, s := range all {
		c := s.chain
		if c == nil {
			continue
		}
		if c.known != nil && qmp.Value(c.known.Inconsistent) {
			if err := (qemu.BlockDirtyBitmapRemove{Node: c.node, Name: c.name}).Do(ctx, vm.conn); err != nil {
				return err
			}
			c.known = nil
		}
		actions = append(actions, c.begin())
	}
	if len(actions) == 0 {
		return nil
	}
	err := qemu.Transaction{Actions: actions}.Do(ctx, vm.conn)
	if err == nil || qmp.MayHaveExecuted(err) {
		undo.add("bitmaps of disk "+strings.Join(idsOf(all), ", "), func(ctx context.Context) error { return vm.removeNext(ctx, all) })
		return err
	}
	disks, lookErr := vm.lookAll(ctx, idsOf(all)...)
	if lookErr != nil {
		return err
	}
	for i, s := range all { // a bitmap with this name is that of another backup, which needs it
		if d := disks[i]; d != nil && s.chain != nil && d.bitmap(s.chain.next()) != nil {
			return onDisk(s.Name, fmt.Errorf("%w: %w", ErrFrozen, err))
		}
	}
	return err
}

// unfreeze makes disks use the nodes below the filters of their views, if they use the filters. It then returns the disks. A
// disk that does not exist is nil.
func (vm *VM) unfreeze(ctx context.Context, ids []string) (disks []*Disk, err error) {
	if disks, err = vm.lookAll(ctx, ids...); err != nil {
		return nil, err
	}
	changed := false
	for _, d := range disks {
		if d != nil && d.frozen() {
			changed = true
			err = errors.Join(err, vm.setDrive(ctx, d, d.Layers[1].Node))
		}
	}
	if err != nil || !changed {
		return disks, err
	}
	return vm.lookAll(ctx, ids...)
}

// An outcome is how a backup or a view ends.
type outcome int

const (
	failed outcome = iota
	succeeded
	abandoned // perhaps of another process, and it may still run
)

// end ends frozen views and backups: it removes exports and nodes, and updates the bitmaps. It begins with what QEMU has.
func (vm *VM) end(ctx context.Context, ids []string, how outcome) (kept []hotplug.Kept, err error) {
	if how == abandoned {
		err = vm.abandonJobs(ctx, ids)
	}
	if err = errors.Join(err, vm.removeExports(ctx, ids)); err != nil {
		return nil, err
	}
	access, others := map[string][]string{}, map[string][]string{}
	for _, id := range ids {
		access[id] = []string{viewNode(id, accessNode)}
		others[id] = []string{viewNode(id, filterNode), viewNode(id, scratchNode)}
	}
	// While the filter has another user, it lets nobody write to the disk.
	if err := vm.removeNodes(ctx, access); err != nil {
		return nil, err
	}
	disks, err := vm.unfreeze(ctx, ids)
	if err != nil {
		return nil, err
	}
	var actions []qemu.TransactionAction
	var existing []*Disk
	for i, d := range disks {
		switch {
		case d != nil:
			existing = append(existing, d)
		case how != abandoned:
			return nil, onDisk(ids[i], ErrNoDisk)
		default:
			continue
		}
		for _, c := range d.chains() {
			if how == succeeded {
				actions = append(actions, c.advance()...)
			} else {
				actions = append(actions, c.drop())
			}
		}
	}
	kept, err = vm.releaseNodes(ctx, others)
	if err == nil && how == abandoned && len(existing) > 0 {
		if err = vm.complete(ctx, existing...); err == nil {
			kept, err = vm.clean(ctx, existing...)
		}
	}
	if err != nil {
		return kept, err
	}
	if len(actions) == 0 {
		return kept, nil
	}
	err = qemu.Transaction{Actions: actions}.Do(ctx, vm.conn)
	if err != nil && how == succeeded && qmp.MayHaveExecuted(err) {
		return kept, fmt.Errorf("%w: %w", ErrBitmapsUnknown, err)
	}
	return kept, err
}

// backupPurpose is in the IDs of the jobs of backups.
const backupPurpose = "backup"

// abandonJobs cancels the jobs of backups.
func (vm *VM) abandonJobs(ctx context.Context, ids []string) error {
	jobs, err := job.List(ctx, vm.conn)
	for _, id := range ids {
		for _, purpose := range []string{backupPurpose, "create"} {
			name := jobID(id, purpose)
			if slices.ContainsFunc(jobs, func(j qemu.JobInfo) bool { return j.ID == name }) {
				err = errors.Join(err, vm.endJob(ctx, name))
			}
		}
	}
	return err
}

// exportID returns the ID of the export of a view. serves says that the view has started the NBD server.
func exportID(disk string, serves bool) string {
	if serves {
		return disk + ".view.server"
	}
	return disk + ".view"
}

const (
	exportGrace = 10 * time.Second // for the end of an export after block-export-del
	exportPoll  = 50 * time.Millisecond
)

// removeExports removes the exports of views, and cuts their clients. If the view has started the NBD server, and there are
// no other exports, it stops the server, which removes the exports. The IDs of the exports say that the view has started it.
func (vm *VM) removeExports(ctx context.Context, ids []string) error {
	ctx, cancel := context.WithTimeout(ctx, exportGrace)
	defer cancel()
	for {
		all, err := qemu.QueryBlockExports{}.Do(ctx, vm.conn)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		if err != nil {
			return err
		}
		var ours []string
		serves, others := false, false
		for _, e := range all {
			isOf := func(id string) bool { return e.ID == exportID(id, true) || e.ID == exportID(id, false) }
			if !slices.ContainsFunc(ids, isOf) {
				others = others || e.Type == qemu.BlockExportTypeNBD
				continue
			}
			ours = append(ours, e.ID)
			serves = serves || strings.HasSuffix(e.ID, ".server")
		}
		switch {
		case len(ours) == 0:
			return nil
		case serves && !others:
			if err = (qemu.NBDServerStop{}).Do(ctx, vm.conn); refused(err) { // it no longer runs
				err = nil
			}
		default:
			for _, id := range ours {
				delErr := qemu.BlockExportDel{ID: id, Mode: new(qemu.BlockExportRemoveModeHard)}.Do(ctx, vm.conn)
				if !refused(delErr) { // QEMU refuses if the export is about to end
					err = errors.Join(err, delErr)
				}
			}
		}
		if err != nil {
			return err
		}
		select {
		case <-time.After(exportPoll):
		case <-ctx.Done():
			return wait.Err(ctx)
		}
	}
}
