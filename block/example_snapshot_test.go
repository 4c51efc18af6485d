package block_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/hotplug"
)

// This takes a snapshot of two disks at one moment. The guest then writes to the new images.
func ExampleVM_Snapshot() {
	snapshot := func(ctx context.Context, disks *block.VM) error {
		return disks.Snapshot(ctx, []block.Overlay{
			{Disk: "root", BackingFile: "/srv/root.qcow2", Target: block.Target{Backend: hotplug.File{Path: "/srv/root-1.qcow2"}}},
			{Disk: "data1", BackingFile: "/srv/data1.img", Target: block.Target{Backend: hotplug.File{Path: "/srv/data1-1.qcow2"}}},
		}, nil)
	}
	_ = snapshot
}

// The guest agent freezes the file systems for the moment of the snapshot, so that they need no repair.
func ExampleFreezer() {
	snapshot := func(ctx context.Context, disks *block.VM, agent *guestagent.Agent) error {
		err := disks.Snapshot(ctx, []block.Overlay{
			{Disk: "root", BackingFile: "/srv/root.qcow2", Target: block.Target{Backend: hotplug.File{Path: "/srv/root-1.qcow2"}}},
		}, &block.SnapshotOptions{Freezer: agent.Freezer(nil), FreezeLimit: 5 * time.Second})
		if thaw, ok := errors.AsType[*block.ThawError](err); ok {
			log.Print("the guest may be frozen: ", thaw.Err)
		}
		return err
	}
	_ = snapshot
}

// This merges the overlay into the image below. The guest then uses that image, and the overlay can be deleted.
func ExampleVM_Commit() {
	commit := func(ctx context.Context, disks *block.VM) error {
		kept, err := disks.Commit(ctx, "root", nil)
		for _, k := range kept {
			log.Print("still in QEMU: ", k)
		}
		return err
	}
	_ = commit
}

// This merges the older one of two overlays into the base. The guest's overlay is then on top of the base.
func ExampleVM_Commit_middle() {
	commit := func(ctx context.Context, disks *block.VM) error {
		d, err := disks.Disk(ctx, "root")
		if err != nil {
			return err
		}
		if len(d.Layers) < 3 {
			return fmt.Errorf("disk has %d layers", len(d.Layers))
		}
		_, err = disks.Commit(ctx, "root", &block.CommitOptions{Top: d.Layers[1].Node, BackingFile: "/srv/root.qcow2"})
		return err
	}
	_ = commit
}

// This copies all images below the overlay into it. The overlay then needs no image below it.
func ExampleVM_Stream() {
	stream := func(ctx context.Context, disks *block.VM) error {
		_, err := disks.Stream(ctx, "root", nil)
		return err
	}
	_ = stream
}

// This takes the machine back to the state before an upgrade.
func ExampleVM_SaveMachine() {
	upgrade := func(ctx context.Context, disks *block.VM, upgrade func() error) error {
		if err := disks.SaveMachine(ctx, "before-upgrade", nil); err != nil {
			return err
		}
		if err := upgrade(); err != nil {
			return errors.Join(err, disks.LoadMachine(ctx, "before-upgrade", nil))
		}
		return disks.DeleteSavedMachine(ctx, "before-upgrade", nil)
	}
	_ = upgrade
}
