package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// measureBlock compares the operations of block with the commands that do the same work by hand, on one QEMU with few and
// then many other disks.
func measureBlock(b *bench) {
	q, err := qemutest.Find("10.0")
	if errors.Is(err, qemutest.ErrMissing) {
		check(fmt.Errorf("%w: %w", errNoPlace, err))
	}
	check(err)
	m := &blockMachine{hotplugMachine: b.hotplugMachine(q)}
	m.block = block.New(m.client)
	m.events = qmp.Subscribe[qemu.JobStatusChangeEvent](m.client)
	b.cleanup(func() { _ = m.events.Close() })
	for i, id := range []string{packageDisk, packageBackup, handDisk, handBackup} {
		check(os.WriteFile(b.file(id), make([]byte, diskSize), 0o600))
		disk := m.disk(id, 1023-i) // behind the other disks
		disk.Backend = hotplug.File{Path: b.file(id)}
		check(m.vm.AddDisk(b.ctx, disk))
	}
	check(m.addBitmap(handBackup, bitmap))
	for _, disks := range []int{0, 50, 400} {
		if b.quick {
			disks /= 50
		}
		m.fill(disks)
		m.measureBlock(disks)
	}
}

// The disks of the measurements. A backup needs a bitmap, which would move with the disk.
const (
	packageDisk   = "package"
	packageBackup = "package-backup"
	handDisk      = "hand"
	handBackup    = "hand-backup"

	bitmap   = "nightly"
	diskSize = 1 << 20 // bytes
)

// A blockMachine is a hotplugMachine with disks that can be written to.
type blockMachine struct {
	*hotplugMachine
	block  *block.VM
	events *qmp.Subscription[qemu.JobStatusChangeEvent]
}

// measureBlock compares the operations. Each leaves the disk as it was.
func (m *blockMachine) measureBlock(disks int) {
	ctx := m.ctx
	target := func(name string) block.Target {
		_ = os.Remove(m.file(name)) // of the round before
		return block.Target{Create: true, Backend: hotplug.File{Path: m.file(name), Format: qemu.BlockdevDriverQcow2}}
	}
	snapshot := func() error {
		overlay := block.Overlay{Disk: packageDisk, BackingFile: "base", Target: target("overlay")}
		if err := m.block.Snapshot(ctx, []block.Overlay{overlay}, nil); err != nil {
			return err
		}
		return errorOf(m.block.Commit(ctx, packageDisk, nil))
	}
	move := func() error { return errorOf(m.block.Move(ctx, packageDisk, target("moved"), nil)) }
	backup := func(incremental bool) operation {
		return func() error {
			disk := block.BackupDisk{ID: packageBackup, Bitmap: bitmap, Incremental: incremental, Target: target("backup")}
			return errorOf(m.block.Backup(ctx, []block.BackupDisk{disk}, nil))
		}
	}
	all := []comparison{
		{"Disk", m.describeByHand, func() error { _, err := m.block.Disk(ctx, packageDisk); return err }, "", 0},
		{"Snapshot and Commit", m.snapshotByHand, snapshot, "", 0},
		{"Move", m.moveByHand, move, "", 0},
		{"Backup, full", func() error { return m.backupByHand(false) }, backup(false), "", 0},
		{"Backup, increment", func() error { return m.backupByHand(true) }, backup(true), "", 0},
	}
	counts := make([]uint64, 2*len(all))
	var samples []sample
	for i, c := range all {
		for j, do := range []operation{c.hand, c.by} {
			samples = append(samples, func() float64 {
				before := m.client.Stats().Commands
				time := each(1, do)()
				counts[2*i+j] = m.client.Stats().Commands - before
				return time
			})
		}
	}
	times := m.inTurn(slow, samples...)
	for i, c := range all {
		hand, by := times[2*i], times[2*i+1]
		m.row(fmt.Sprintf("%s, %d other disks", c.name, disks), by.String(), judged(by.over(hand), "× the commands by hand"),
			fmt.Sprintf("%d commands", counts[2*i+1]), fmt.Sprintf("by hand: %s, %d commands", hand, counts[2*i]))
	}
}

// find finds a disk by hand: its node, and the set of descriptors of the node's file.
func (m *blockMachine) find(id string) (node string, set int64, err error) {
	all, err := qemu.QueryBlock{}.Do(m.ctx, m.client)
	for _, b := range all {
		if qmp.Value(b.Qdev) == id && b.Inserted != nil {
			file := b.Inserted.Image.Filename
			if _, err := fmt.Sscanf(file[strings.LastIndex(file, "/dev/fdset/")+len("/dev/fdset/"):], "%d", &set); err != nil {
				return "", 0, err
			}
			return qmp.Value(b.Inserted.NodeName), set, nil
		}
	}
	return "", 0, errors.Join(err, errors.New("no such disk"))
}

// describeByHand sends the queries that describe a disk, with its jobs and exports.
func (m *blockMachine) describeByHand() error {
	_, _, err := m.find(handDisk)
	_, statsErr := qemu.QueryBlockStats{}.Do(m.ctx, m.client)
	_, jobsErr := qemu.QueryJobs{}.Do(m.ctx, m.client)
	_, exportsErr := qemu.QueryBlockExports{}.Do(m.ctx, m.client)
	return errors.Join(err, statsErr, jobsErr, exportsErr)
}

// run runs a job by hand, completes it when it is ready, and dismisses it.
func (m *blockMachine) run(id string, start qmp.Request) error {
	if err := start.Do(m.ctx, m.client); err != nil {
		return err
	}
	for {
		e, err := m.events.Next(m.ctx)
		if err != nil {
			return err
		}
		switch {
		case e.Data.ID != id:
		case e.Data.Status == qemu.JobStatusReady:
			if err := (qemu.JobComplete{ID: id}).Do(m.ctx, m.client); err != nil {
				return err
			}
		case e.Data.Status == qemu.JobStatusConcluded:
			jobs, err := qemu.QueryJobs{}.Do(m.ctx, m.client)
			for _, j := range jobs {
				if j.ID == id && j.Error != nil {
					err = errors.New(*j.Error)
				}
			}
			return errors.Join(err, qemu.JobDismiss{ID: id}.Do(m.ctx, m.client))
		}
	}
}

// fileNode describes the node of a file in a set.
func fileNode(set int64) qemu.BlockdevOptions {
	return qemu.BlockdevOptions{Driver: qemu.BlockdevDriverFile, Branch: &qemu.BlockdevOptionsFile{Filename: fmt.Sprintf("/dev/fdset/%d", set)}}
}

// addFile makes an empty file, and gives QEMU a descriptor of it. A disk may still use an older file with the name.
func (m *blockMachine) addFile(name string) (set int64, err error) {
	_ = os.Remove(m.file(name))
	f, err := os.OpenFile(m.file(name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	added, err := qemu.AddFD{Opaque: new("by hand")}.Do(m.ctx, m.client, qmp.WithFile(f))
	return added.FDSetID, err
}

// addImage makes a qcow2 image by hand and adds its node.
func (m *blockMachine) addImage(name string) (node string, set int64, err error) {
	if set, err = m.addFile(name); err != nil {
		return "", 0, err
	}
	file := fileNode(set)
	file.NodeName = new("hand.file")
	create := qemu.BlockdevCreate{JobID: "hand.create", Options: qemu.BlockdevCreateOptions{
		Branch: &qemu.BlockdevCreateOptionsQcow2{File: qemu.BlockdevRef{Reference: file.NodeName}, Size: diskSize},
	}}
	node = fmt.Sprintf("hand.%d", set)
	image := qemu.BlockdevAdd{NodeName: &node, Branch: &qemu.BlockdevOptionsQcow2{
		File: qemu.BlockdevRef{Definition: new(fileNode(set))}, Backing: &qemu.BlockdevRefOrNull{Null: &qmp.Null{}},
	}}
	for _, step := range []operation{
		func() error { return qemu.BlockdevAdd(file).Do(m.ctx, m.client) },
		func() error { return m.run("hand.create", create) },
		func() error { return qemu.BlockdevDel{NodeName: *file.NodeName}.Do(m.ctx, m.client) },
		func() error { return image.Do(m.ctx, m.client) },
	} {
		if err := step(); err != nil {
			return "", 0, err
		}
	}
	return node, set, nil
}

// remove removes a node and its set by hand.
func (m *blockMachine) remove(node string, set int64) error {
	for { // QEMU refuses for a moment after a job
		err := qemu.BlockdevDel{NodeName: node}.Do(m.ctx, m.client)
		if err == nil {
			return qemu.RemoveFD{FDSetID: set}.Do(m.ctx, m.client)
		}
		if !errors.Is(err, qmp.ErrGeneric) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// snapshotByHand adds an overlay by hand and merges it.
func (m *blockMachine) snapshotByHand() error {
	base, _, err := m.find(handDisk)
	if err != nil {
		return err
	}
	overlay, set, err := m.addImage("hand-overlay")
	if err != nil {
		return err
	}
	if err := (qemu.BlockdevSnapshot{Node: base, Overlay: overlay}).Do(m.ctx, m.client); err != nil {
		return err
	}
	commit := qemu.BlockCommit{JobID: new("hand.commit"), Device: overlay, AutoDismiss: new(false)}
	if err := m.run("hand.commit", commit); err != nil {
		return err
	}
	if now, _, err := m.find(handDisk); err != nil || now != base {
		return errors.Join(err, fmt.Errorf("disk uses %q", now))
	}
	return m.remove(overlay, set)
}

// moveByHand moves a disk by hand.
func (m *blockMachine) moveByHand() error {
	old, oldSet, err := m.find(handDisk)
	if err != nil {
		return err
	}
	target, _, err := m.addImage("hand-moved")
	if err != nil {
		return err
	}
	mirror := qemu.BlockdevMirror{JobID: new("hand.move"), Device: old, Target: target, Sync: qemu.MirrorSyncModeFull, AutoDismiss: new(false)}
	if err := m.run("hand.move", mirror); err != nil {
		return err
	}
	if now, _, err := m.find(handDisk); err != nil || now != target {
		return errors.Join(err, fmt.Errorf("disk uses %q", now))
	}
	return m.remove(old, oldSet)
}

// addBitmap adds a bitmap to the node with the disk's ID.
func (m *blockMachine) addBitmap(disk, name string) error {
	return qemu.BlockDirtyBitmapAdd{Node: disk, Name: name}.Do(m.ctx, m.client)
}

// backupByHand backs up a disk by hand from a frozen view. The bitmap "next" follows the bitmap of the backup.
func (m *blockMachine) backupByHand(incremental bool) error {
	const disk, next = handBackup, "next"
	node, _, err := m.find(disk)
	if err != nil {
		return err
	}
	target, set, err := m.addImage("hand-target")
	if err != nil {
		return err
	}
	scratchSet, err := m.addFile("hand-scratch")
	if err != nil {
		return err
	}
	if err := os.Truncate(m.file("hand-scratch"), diskSize); err != nil {
		return err
	}
	scratch := fileNode(scratchSet)
	scratch.NodeName = new("hand.scratch")
	filter := qemu.BlockdevAdd{NodeName: new("hand.filter"), Branch: &qemu.BlockdevOptionsCBW{
		File: qemu.BlockdevRef{Reference: &node}, Target: qemu.BlockdevRef{Reference: scratch.NodeName},
	}}
	view := qemu.BlockdevAdd{NodeName: new("hand.view"), Driver: qemu.BlockdevDriverSnapshotAccess, Branch: &qemu.BlockdevOptionsGenericFormat{
		File: qemu.BlockdevRef{Reference: filter.NodeName},
	}}
	use := func(node string) operation {
		return func() error {
			return qemu.QOMSet{Path: "/machine/peripheral/" + disk, Property: "drive", Value: qmp.RawJSON(`"` + node + `"`)}.Do(m.ctx, m.client)
		}
	}
	merge := func(into, name, from string) qemu.TransactionAction {
		source := qemu.BlockDirtyBitmapOrStr{External: &qemu.BlockDirtyBitmap{Node: node, Name: from}}
		return qemu.TransactionAction{Branch: &qemu.BlockDirtyBitmapMerge{Node: into, Target: name, Bitmaps: []qemu.BlockDirtyBitmapOrStr{source}}}
	}
	backup := qemu.BlockdevBackup{
		JobID: new("hand.backup"), Device: *view.NodeName, Target: target, Sync: qemu.MirrorSyncModeFull, AutoDismiss: new(false),
	}
	steps := []operation{
		func() error { return qemu.BlockdevAdd(scratch).Do(m.ctx, m.client) },
		func() error { return m.addBitmap(node, next) },
		func() error { return filter.Do(m.ctx, m.client) },
		use(*filter.NodeName),
		func() error { return view.Do(m.ctx, m.client) },
	}
	if incremental {
		backup.Sync, backup.Bitmap, backup.BitmapMode = qemu.MirrorSyncModeBitmap, new(bitmap), new(qemu.BitmapSyncModeNever)
		steps = append(steps, func() error {
			add := qemu.BlockDirtyBitmapAdd{Node: *view.NodeName, Name: bitmap, Disabled: new(true)}
			return qemu.Transaction{Actions: []qemu.TransactionAction{{Branch: &add}, merge(*view.NodeName, bitmap, bitmap)}}.Do(m.ctx, m.client)
		})
	}
	for _, step := range append(steps,
		func() error { return m.run("hand.backup", backup) },
		func() error { return qemu.BlockdevDel{NodeName: *view.NodeName}.Do(m.ctx, m.client) },
		use(node),
		func() error { return qemu.BlockdevDel{NodeName: *filter.NodeName}.Do(m.ctx, m.client) },
		func() error {
			bitmapOf := func(name string) *qemu.BlockDirtyBitmap { return &qemu.BlockDirtyBitmap{Node: node, Name: name} }
			return qemu.Transaction{Actions: []qemu.TransactionAction{
				{Type: qemu.TransactionActionKindBlockDirtyBitmapClear, Branch: bitmapOf(bitmap)}, merge(node, bitmap, next),
				{Type: qemu.TransactionActionKindBlockDirtyBitmapRemove, Branch: bitmapOf(next)},
			}}.Do(m.ctx, m.client)
		},
		func() error { return m.remove(*scratch.NodeName, scratchSet) },
		func() error { return m.remove(target, set) },
	) {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
