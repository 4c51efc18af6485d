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
	return d.ID != "" && len(d.Layers) > 1 && d.Layers[0].Node == viewNode(d.ID, filterNode)
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
	v, err := qemu.QueryVersion{}.Do(ctx, vm.conn)
	return v.QEMU.Major > 7 || v.QEMU.Major == 7 && v.QEMU.Minor >= 1, err
}

// A source is a disk that a backup reads, or a frozen view shows.
type source struct {
	*Disk
	chain       *chain // nil without a bitmap
	incremental bool
	scratch     *Target
}

// freezeOptions configures freeze.
type freezeOptions struct {
	scratchDir   string
	writeTimeout time.Duration
}

const defaultWriteTimeout = 15 * time.Second

// freeze makes frozen views of disks at one moment. The nodes with the names of viewNode(id, accessNode) show them. If the
// disk is incremental, that node has a copy of the bitmap.
func (vm *VM) freeze(ctx context.Context, undo *rollback, all []*source, o freezeOptions) error {
	for _, s := range all {
		if err := vm.addScratch(ctx, undo, s, o.scratchDir); err != nil {
			return err
		}
	}
	if err := vm.beginChains(ctx, undo, all); err != nil {
		return err
	}
	for _, s := range all {
		options := qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsCBW{
			File: qemu.BlockdevRef{Reference: new(s.root())}, Target: qemu.BlockdevRef{Reference: new(s.scratch.NodeName)},
			OnCBWError: new(qemu.OnCBWErrorBreakSnapshot), CBWTimeout: new(timeoutOf(o.writeTimeout)),
		}}
		if err := vm.addViewNode(ctx, undo, s.ID, filterNode, hotplug.Blockdev{Options: options}); err != nil {
			return err
		}
	}
	set := func() error {
		for _, s := range all {
			undo.add("filter of disk "+s.ID, func(ctx context.Context) error { return vm.unfreeze(ctx, s.ID) })
			if err := vm.setDrive(ctx, s.Disk, viewNode(s.ID, filterNode)); err != nil {
				return err
			}
		}
		return nil
	}
	err := error(nil)
	if len(all) > 1 {
		err = vm.whileStopped(ctx, undo, set)
	} else {
		err = set()
	}
	if err != nil {
		return err
	}
	for _, s := range all {
		access := viewNode(s.ID, accessNode)
		options := qemu.BlockdevOptions{Driver: qemu.BlockdevDriverSnapshotAccess, Branch: &qemu.BlockdevOptionsGenericFormat{
			File: qemu.BlockdevRef{Reference: new(viewNode(s.ID, filterNode))},
		}}
		if err := vm.addViewNode(ctx, undo, s.ID, accessNode, hotplug.Blockdev{Options: options}); err != nil {
			return err
		}
		if s.incremental {
			if err := (qemu.Transaction{Actions: s.chain.copyTo(access)}).Do(ctx, vm.conn); err != nil {
				return err // the bitmap goes with the node
			}
		}
	}
	return nil
}

// timeoutOf returns the seconds for cbw-timeout, in which 0 is no limit.
func timeoutOf(d time.Duration) uint32 {
	if d <= 0 {
		d = defaultWriteTimeout
	}
	return uint32(min(math.Ceil(d.Seconds()), math.MaxUint32))
}

// addScratch adds the scratch image of a view: the caller's, or a file without a name.
func (vm *VM) addScratch(ctx context.Context, undo *rollback, s *source, dir string) (err error) {
	if s.scratch != nil {
		t := *s.scratch
		if t.NodeName != "" {
			return errors.New("a Scratch must not have a NodeName")
		}
		if !isNode(t.Backend) {
			t.NodeName = viewNode(s.ID, scratchNode)
		}
		t.NodeName, err = vm.addTarget(ctx, undo, s.ID, t, s.Size(), backing{})
		s.scratch = &t
		return busyIfExists(err)
	}
	file, err := os.CreateTemp(dir, "scratch-*")
	if err != nil {
		return err
	}
	defer file.Close()
	if err = errors.Join(os.Remove(file.Name()), file.Truncate(s.Size())); err != nil {
		return err
	}
	s.scratch = &Target{NodeName: viewNode(s.ID, scratchNode)}
	return vm.addViewNode(ctx, undo, s.ID, scratchNode, hotplug.Descriptor{File: file})
}

// isNode reports whether a backend is a node that exists.
func isNode(backend hotplug.DiskBackend) bool {
	switch backend.(type) {
	case hotplug.Node, *hotplug.Node:
		return true
	}
	return false
}

// addViewNode adds a node of a view. If there is one already, there is another view.
func (vm *VM) addViewNode(ctx context.Context, undo *rollback, id, purpose string, backend hotplug.DiskBackend) error {
	_, err := vm.addNode(ctx, undo, id, viewNode(id, purpose), backend)
	return busyIfExists(err)
}

func busyIfExists(err error) error {
	if errors.Is(err, hotplug.ErrExists) {
		return ErrFrozen
	}
	return err
}

// beginChains makes the second bitmaps of all chains, before the moment of the backup: they may hold too much. It removes
// bitmaps that are inconsistent.
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
	for _, s := range all {
		switch c := s.chain; {
		case c == nil:
		case err == nil || qmp.MayHaveExecuted(err):
			undo.add(fmt.Sprintf("bitmap %q of disk %s", c.next(), s.ID), func(ctx context.Context) error { return vm.removeNext(ctx, s.ID, c) })
		default: // a bitmap with this name is that of another backup, which needs it
			if d, lookErr := vm.look(ctx, s.ID); lookErr == nil && d.bitmap(c.next()) != nil {
				return onDisk(s.ID, fmt.Errorf("%w: %w", ErrFrozen, err))
			}
		}
	}
	return err
}

// whileStopped does something while the machine does not run.
func (vm *VM) whileStopped(ctx context.Context, undo *rollback, do func() error) error {
	status, err := qemu.QueryStatus{}.Do(ctx, vm.conn)
	if err != nil {
		return err
	}
	if !status.Running {
		return do()
	}
	resume := func(ctx context.Context) error { return qemu.Cont{}.Do(ctx, vm.conn) }
	if err := (qemu.Stop{}).Do(ctx, vm.conn); err != nil {
		if qmp.MayHaveExecuted(err) {
			undo.add("machine is stopped", resume)
		}
		return err
	}
	err = do()
	longer, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	if resumeErr := resume(longer); resumeErr != nil {
		undo.add("machine is stopped", resume)
		return errors.Join(err, resumeErr)
	}
	return err
}

// unfreeze makes a disk use the node below the filter of its view, if it uses the filter.
func (vm *VM) unfreeze(ctx context.Context, id string) error {
	d, err := vm.look(ctx, id)
	switch {
	case errors.Is(err, ErrNoDisk):
		return nil
	case err != nil:
		return err
	case !d.frozen():
		return nil
	}
	return vm.setDrive(ctx, d, d.Layers[1].Node)
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
		for _, id := range ids {
			err = errors.Join(err, vm.abandonJob(ctx, jobID(id, backupPurpose)), vm.abandonJob(ctx, jobID(id, "create")))
		}
	}
	if err = errors.Join(err, vm.removeExports(ctx, ids)); err != nil {
		return nil, err
	}
	var actions []qemu.TransactionAction
	for _, id := range ids {
		// While the filter has another user, it lets nobody write to the disk.
		stays, err := vm.plug.RemoveNodes(ctx, id, viewNode(id, accessNode))
		if err == nil && len(stays) > 0 {
			err = stays[0].Err
		}
		if err != nil {
			return kept, err
		}
		if err := vm.unfreeze(ctx, id); err != nil {
			return kept, err
		}
		nodes := []string{viewNode(id, filterNode), viewNode(id, scratchNode)}
		d, err := vm.look(ctx, id)
		switch {
		case errors.Is(err, ErrNoDisk) && how == abandoned:
		case err != nil:
			return kept, err
		default:
			for _, c := range d.chains() {
				if how == succeeded {
					actions = append(actions, c.advance()...)
				} else {
					actions = append(actions, c.drop())
				}
			}
		}
		stays, err = vm.releaseNodes(ctx, id, nodes...)
		if err == nil && how == abandoned && d != nil {
			stays, err = vm.clean(ctx, id)
		}
		kept = append(kept, stays...)
		if err != nil {
			return kept, err
		}
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

// abandonJob cancels a job, if there is one.
func (vm *VM) abandonJob(ctx context.Context, id string) error {
	j, err := job.Find(ctx, vm.conn, id)
	if err == nil {
		defer j.Detach()
		err = j.Cancel(ctx)
	}
	if errors.Is(err, job.ErrGone) || errors.Is(err, job.ErrTooLate) {
		return nil
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
