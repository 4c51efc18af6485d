package block

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A ViewDisk is a disk to show in a frozen view.
type ViewDisk struct {
	ID string // of the device; also the name of the NBD export

	// Bitmap names the bitmap of a chain of backups, as in [BackupDisk]. Without Incremental, [View.Finish] begins a chain.
	Bitmap string

	// Incremental also exports the bitmap. NBD clients see it as the metadata context "qemu:dirty-bitmap:NAME", and read only
	// what the guest has written since the last backup.
	Incremental bool

	// ExportBitmaps are names of other bitmaps of the disk that clients can read, also disabled ones. The view has copies of
	// them, made just after its moment, and does not change the bitmaps.
	ExportBitmaps []string

	Scratch *Target // as in [BackupDisk]
}

// ViewOptions configures [VM.OpenView].
type ViewOptions struct {
	// Server starts QEMU's NBD server. When the view is closed, the server stops, unless it has other exports. A QEMU has one
	// NBD server. If Server is nil, it must run already.
	Server *qemu.NBDServerOptions

	ScratchDir   string        // as in [BackupOptions]
	WriteTimeout time.Duration // as in [BackupOptions]; after that, the client of the view reads errors
}

// A View shows disks to NBD clients as they were at one moment.
type View struct {
	vm  *VM
	ids []string
}

// OpenView exports disks over NBD as they are at one moment, until [View.Finish] or [View.Discard]. The guest uses the
// disks as before. The exports have the IDs of the disks as their names. The view stays open if ctx ends later.
//
// The scratch images grow with what the guest overwrites. If one is full or too slow, the guest continues, and the client
// reads errors. To freeze several disks at one moment, OpenView stops the machine for some milliseconds.
//
// A view also stays open if its process ends: [VM.FindView] finds it. Until it is closed, other operations on the disk
// return an error that matches [ErrFrozen].
//
// If OpenView fails, everything is as before, unless the error is a [*hotplug.RollbackError]. The error matches:
//   - [errors.ErrUnsupported]: QEMU is older than 7.1, or older than 8.2 and a disk has an iothread: such a QEMU can terminate
//     when a client leaves. There, use [VM.Backup].
//   - [ErrNeedFull], [ErrNoDisk], [ErrBusy], [ErrBitmapBusy]: as for [VM.Backup].
//   - [ErrNoBitmap], [ErrInconsistent]: the view cannot have one of the ExportBitmaps.
//   - [*qmp.Error]: QEMU refused a command, for example to start a second NBD server.
//
// Source: as [VM.Backup]; nbd-server-start, block-export-add.
func (vm *VM) OpenView(ctx context.Context, disks []ViewDisk, opts *ViewOptions) (*View, error) {
	if opts == nil {
		opts = &ViewOptions{}
	}
	view := &View{vm: vm}
	for _, d := range disks {
		view.ids = append(view.ids, d.ID)
	}
	err := vm.changing(ctx, "open frozen view of disk", view.name(), func(undo *rollback) error {
		freezes, err := vm.freezes(ctx)
		if err != nil {
			return err
		}
		if !freezes {
			return because(errors.ErrUnsupported, "frozen views need QEMU 7.1")
		}
		all, err := vm.sources(ctx, view.ids, disks)
		if err != nil {
			return err
		}
		for _, s := range all {
			if err := vm.checkThread(ctx, s.Disk); err != nil {
				return onDisk(s.Name, err)
			}
		}
		if err := vm.freeze(ctx, undo, all, freezeOptions{opts.ScratchDir, opts.WriteTimeout}); err != nil {
			return err
		}
		return vm.exportViews(ctx, undo, all, opts.Server)
	})
	if err != nil {
		return nil, err
	}
	return view, nil
}

// show makes the view have bitmaps.
func (s *source) show(bitmaps []string) error {
	for _, name := range bitmaps {
		if err := s.usable(name); err != nil {
			return err
		}
		if !slices.Contains(s.bitmaps, name) {
			s.bitmaps = append(s.bitmaps, name)
		}
	}
	return nil
}

// exportViews exports the nodes that show disks.
func (vm *VM) exportViews(ctx context.Context, undo *rollback, all []*source, server *qemu.NBDServerOptions) error {
	if err := vm.startServer(ctx, undo, server); err != nil {
		return err
	}
	ids := idsOf(all)
	undo.add("export of disk "+strings.Join(ids, ", "), func(ctx context.Context) error { return vm.removeExports(ctx, ids) })
	for _, s := range all {
		access := viewNode(s.Name, accessNode)
		nbd := &qemu.BlockExportOptionsNBD{Name: &s.Name}
		for _, name := range s.bitmaps {
			nbd.Bitmaps = append(nbd.Bitmaps, qemu.BlockDirtyBitmapOrStr{External: &qemu.BlockDirtyBitmap{Node: access, Name: name}})
		}
		err := qemu.BlockExportAdd{ID: exportID(s.Name, server != nil), NodeName: access, Branch: nbd}.Do(ctx, vm.conn)
		if err != nil {
			return err
		}
	}
	return nil
}

// FindView finds an open view of these disks, for example after a restart of the program. If there is none, the error
// matches [ErrNoView], and if there is no such disk, [ErrNoDisk].
//
// Source: query-block, query-blockstats, query-jobs.
func (vm *VM) FindView(ctx context.Context, ids ...string) (view *View, err error) {
	view = &View{vm: vm, ids: ids}
	err = vm.do(ctx, "find frozen view of disk", view.name(), func() error { return view.isOpen(ctx) })
	if err != nil {
		return nil, err
	}
	return view, nil
}

// isOpen returns an error unless all disks are frozen.
func (v *View) isOpen(ctx context.Context) error {
	if len(v.ids) == 0 {
		return errors.New("no disk is given")
	}
	disks, err := v.vm.lookAll(ctx, v.ids...)
	if err != nil {
		return err
	}
	for i, d := range disks {
		switch {
		case d == nil:
			return onDisk(v.ids[i], ErrNoDisk)
		case !d.frozen():
			return onDisk(v.ids[i], ErrNoView)
		}
	}
	return nil
}

// isThere returns an error if nothing is left of the view.
func (v *View) isThere(ctx context.Context) error {
	disks, err := v.vm.lookAll(ctx, v.ids...)
	if err != nil {
		return err
	}
	for i, d := range disks {
		if d == nil {
			return onDisk(v.ids[i], ErrNoDisk)
		}
		if d.frozen() || len(d.chains()) > 0 {
			return nil
		}
	}
	return ErrNoView
}

func (v *View) name() string { return strings.Join(v.ids, ", ") }

// Finish closes the view after the client has read it. The next increment follows this backup: it has what the guest has
// written since the view was opened. Finish cuts the connections of clients.
//
// If Finish fails, call it again. The error matches:
//   - [ErrNoView]: the view is closed, or QEMU was restarted.
//   - [ErrBitmapsUnknown]: the view is closed. Keep what the client has read as part of the chain.
//
// kept lists nodes that are still in QEMU, because something else uses them.
//
// Source: block-export-del, nbd-server-stop, qom-set, blockdev-del, block-dirty-bitmap-merge.
func (v *View) Finish(ctx context.Context) (kept []hotplug.Kept, err error) {
	return v.close(ctx, succeeded)
}

// Discard closes the view as if there had been no backup: the next increment has everything that the guest has written
// since the last backup that succeeded. To discard a view that is closed is not an error. If Discard fails, call it again.
//
// Source: as [View.Finish].
func (v *View) Discard(ctx context.Context) (kept []hotplug.Kept, err error) {
	return v.close(ctx, failed)
}

func (v *View) close(ctx context.Context, how outcome) (kept []hotplug.Kept, err error) {
	if v == nil {
		return nil, fmt.Errorf("block: close a frozen view: %w", ErrNoView)
	}
	err = v.vm.do(ctx, "close frozen view of disk", v.name(), func() error {
		if how == succeeded {
			if err := v.isThere(ctx); err != nil {
				return err
			}
		}
		kept, err = v.vm.end(ctx, v.ids, how)
		return err
	})
	return kept, err
}
