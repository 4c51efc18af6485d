package hotplug_test

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

var allVersions = qemutest.Versions

// limit is for what a guest does while all CPUs are busy.
func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestGuestSeesDisk adds a disk to a machine with a booted guest, in the way of a machine that
// has ACPI's hotplug and of one that has PCI Express's, and removes it.
func TestGuestSeesDisk(t *testing.T) {
	qemutest.CheckFdsOrParallel(t)
	qemutest.Matrix(t, func(t *testing.T, q *qemutest.QEMU, machine string) {
		t.Parallel()
		disk := hotplug.Disk{ID: "data1", Backend: hotplug.File{Path: image(t)}, Bus: qemutest.HotplugBus(machine), Props: qmp.Args{"serial": "data1"}}
		p := plug(t, q, machine, "blk=vda ", func(vm *hotplug.VM) error { return vm.AddDisk(t.Context(), disk) })
		ctx := limit(t)
		if !p.givenBack {
			require.Equal(t, []string{"data1"}, inQueryBlock(t, p.c))
		}
		require.ErrorIs(t, p.vm.AddDisk(ctx, disk), hotplug.ErrExists)

		require.NoError(t, errorOf(p.vm.RemoveDisk(ctx, "data1")))
		require.NoError(t, p.qvm.WaitGuestSees(ctx, regexp.MustCompile(`blk= `)))
		require.Equal(t, p.before, stateOf(t, p.c))
		require.Equal(t, p.fds, qemuFds(t, p.qvm))
	})
}

// A plugged machine is one whose guest sees what was added to it.
type plugged struct {
	qvm         *qemutest.VM
	c           *qmp.Client
	vm          *hotplug.VM
	before, fds []string
	givenBack   bool // see plug
}

// plug starts a machine with a guest, adds something, and waits until the guest sees it.
//
// On a root port of QEMU 5.2 that does not last, if it comes about: QEMU presses the attention
// button when it plugs, which the guest takes for the wish to have the device back, and lets go of
// it 5 seconds later. What was behind the device is there still. A request to unplug that comes
// before is lost, and a second one refused.
func plug(t *testing.T, q *qemutest.QEMU, machine, sees string, add func(vm *hotplug.VM) error) *plugged {
	t.Helper()
	old := machine == "q35" && !q.AtLeast(6, 0)
	for attempt := 1; ; attempt++ {
		ctx := limit(t)
		qvm := q.Start(t, qemutest.Config{Machine: machine, Guest: true})
		c := qvm.Dial(t)
		require.NoError(t, qvm.WaitGuest(ctx))
		p := &plugged{qvm: qvm, c: c, vm: hotplug.New(c, nil), before: stateOf(t, c), fds: qemuFds(t, qvm)}
		require.NoError(t, add(p.vm))
		if !old {
			require.NoError(t, qvm.WaitGuestSees(ctx, regexp.MustCompile(sees)))
			return p
		}
		short, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := qvm.WaitGuestSees(short, regexp.MustCompile(sees))
		cancel()
		if err == nil {
			time.Sleep(7 * time.Second)
			p.givenBack = devicesIn(stateOf(t, c)) == devicesIn(p.before)
			return p
		}
		require.Less(t, attempt, 3, "%v", err)
		require.NoError(t, qvm.Close())
	}
}

func devicesIn(state []string) (n int) {
	for _, s := range state {
		if strings.HasPrefix(s, "device ") {
			n++
		}
	}
	return n
}

// inQueryBlock lists the nodes that devices use.
func inQueryBlock(t *testing.T, c *qmp.Client) (nodes []string) {
	t.Helper()
	blocks, err := qemu.QueryBlock{}.Do(t.Context(), c)
	require.NoError(t, err)
	for _, b := range blocks {
		if b.Inserted != nil {
			nodes = append(nodes, qmp.Value(b.Inserted.NodeName))
		}
	}
	return nodes
}

// pc starts a machine with a booted guest, which lets go of devices at once.
func pc(t *testing.T, q *qemutest.QEMU, args ...string) (*qemutest.VM, *qmp.Client) {
	t.Helper()
	vm := q.Start(t, qemutest.Config{Machine: "pc", Guest: true, Args: args})
	c := vm.Dial(t)
	require.NoError(t, vm.WaitGuest(limit(t)))
	return vm, c
}

// TestDisksOfEveryKind adds disks to QEMUs of all versions and removes them.
func TestDisksOfEveryKind(t *testing.T) {
	qemutest.CheckFdsOrParallel(t)
	kinds := map[string]struct {
		file hotplug.File
		disk hotplug.Disk
	}{
		"plain":                 {},
		"direct":                {file: hotplug.File{Direct: true}},
		"read-only":             {file: hotplug.File{ReadOnly: true}},
		"direct read-only":      {file: hotplug.File{Direct: true, ReadOnly: true}},
		"auto-read-only":        {file: hotplug.File{AutoReadOnly: true}},
		"direct auto-read-only": {file: hotplug.File{Direct: true, AutoReadOnly: true}},
		"write cache":           {file: hotplug.File{WriteCache: new(true)}},
		"no write cache":        {file: hotplug.File{WriteCache: new(false)}},
		"qcow2":                 {file: hotplug.File{Format: qemu.BlockdevDriverQcow2}},
		"direct qcow2":          {file: hotplug.File{Format: qemu.BlockdevDriverQcow2, Direct: true}},
		"read-only qcow2":       {file: hotplug.File{Format: qemu.BlockdevDriverQcow2, ReadOnly: true}},
		"auto-read-only qcow2":  {file: hotplug.File{Format: qemu.BlockdevDriverQcow2, AutoReadOnly: true}},
		"scsi":                  {disk: hotplug.Disk{Driver: "scsi-hd", Bus: "scsi0.0", Props: qmp.Args{"scsi-id": 3, "lun": 1}}},
		"not of this process": {disk: hotplug.Disk{Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{
			Driver: qemu.BlockdevDriverNullCo, Branch: &qemu.BlockdevOptionsNull{Size: new(int64(1 << 20))}}}}},
		"slot and boot index": {disk: hotplug.Disk{Bus: "pci.0", Props: qmp.Args{"addr": "1e.0", "bootindex": 1}}},
	}
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		qvm, c := pc(t, q, "-device", "virtio-scsi-pci,id=scsi0")
		vm := hotplug.New(c, nil)
		for name, kind := range kinds {
			t.Run(name, func(t *testing.T) {
				ctx := limit(t)
				before, fds := stateOf(t, c), qemuFds(t, qvm)
				disk, file := kind.disk, kind.file
				if disk.ID = "d"; disk.Backend == nil {
					file.Path = image(t)
					disk.Backend = file
				}
				if file.Direct {
					needsDirect(t, file.Path)
				}
				if file.Format == qemu.BlockdevDriverQcow2 {
					makeQcow2(t, q, file.Path)
				}
				require.NoError(t, vm.AddDisk(ctx, disk))
				require.Equal(t, []string{"d"}, inQueryBlock(t, c))
				require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))
				require.Equal(t, before, stateOf(t, c))
				require.Equal(t, fds, qemuFds(t, qvm))
			})
		}
	})
}

// needsDirect skips a test where the file system of the temporary folder has no O_DIRECT.
func needsDirect(t *testing.T, path string) {
	t.Helper()
	files, err := qmpfd.Use{Direct: true}.Open(path)
	if err != nil {
		t.Skipf("set TMPDIR to a folder whose file system has O_DIRECT: %v", err)
	}
	files.Close()
}

func makeQcow2(t *testing.T, q *qemutest.QEMU, path string) {
	t.Helper()
	program, err := q.Program("qemu-img")
	require.NoError(t, err)
	out, err := exec.Command(program, "create", "-q", "-f", "qcow2", path, "1M").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestFaultsAtEveryStepOfQEMU lets each command of AddDisk go wrong in each way, with a real
// QEMU to be found as it was.
func TestFaultsAtEveryStepOfQEMU(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		qvm, c := pc(t, q)
		for _, fault := range fakeqemu.Faults {
			t.Run(string(fault), func(t *testing.T) {
				fds := qemuFds(t, qvm)
				disk := hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t), AutoReadOnly: true}}
				faultsAtEveryStep(t, c, fault, addsDisk(disk), func() []string { return stateOf(t, c) })
				require.Equal(t, fds, qemuFds(t, qvm))
			})
		}
	})
}

// TestDeviceThatQEMURefuses is refused at the last step: this machine has no PCI bus.
func TestDeviceThatQEMURefuses(t *testing.T) {
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qemutest.CheckFds(t)
		qvm := q.Start(t, qemutest.Config{})
		c := qvm.Dial(t)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		err := hotplug.New(c, nil).AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}})
		var refusal *qmp.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, "device_add", refusal.Command)
		require.Equal(t, before, stateOf(t, c))
		require.Equal(t, fds, qemuFds(t, qvm))
	})
}

// TestGuestThatNeverAnswers has a guest that is stopped. Removal is begun by one process and
// finished by another, when the guest runs again.
func TestGuestThatNeverAnswers(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		qvm := q.Start(t, qemutest.Config{Machine: "pc", Guest: true})
		ctx := limit(t)
		require.NoError(t, qvm.WaitGuest(ctx))
		path := image(t)
		var before []string
		func() {
			c, err := qmp.Dial(ctx, qvm.Socket(), nil)
			require.NoError(t, err)
			defer c.Close()
			before = stateOf(t, c)
			vm := hotplug.New(c, nil)
			require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: hotplug.File{Path: path}}))
			require.NoError(t, qvm.WaitGuestSees(ctx, regexp.MustCompile(`blk=vda `)))
			require.NoError(t, qemu.Stop{}.Do(ctx, c))
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err = vm.RemoveDisk(short, "d")
			require.ErrorIs(t, err, hotplug.ErrUnplugPending)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, []string{"d"}, inQueryBlock(t, c))
		}()
		c := qvm.Dial(t)
		require.NoError(t, qemu.Cont{}.Do(ctx, c))
		require.NoError(t, errorOf(hotplug.New(c, nil).RemoveDisk(ctx, "d")))
		require.Equal(t, before, stateOf(t, c))
		for _, fd := range qemuFds(t, qvm) {
			require.NotEqual(t, filepath.Base(path), filepath.Base(fd))
		}
	})
}

// TestPartsThatAreGone removes what is left of a disk.
func TestPartsThatAreGone(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		_, c := pc(t, q)
		ctx := limit(t)
		vm := hotplug.New(c, nil)
		before := stateOf(t, c)
		for gone := range 3 {
			require.NoError(t, vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}}))
			steps := []func() error{
				func() error { // asked again: a guest that is still busy with the disk may miss a request
					err := qemu.DeviceDel{ID: "d"}.Do(ctx, c)
					if errors.Is(err, qmp.ErrDeviceNotFound) {
						return nil
					}
					return errors.Join(errors.New("not gone yet"), err)
				},
				func() error { return qemu.BlockdevDel{NodeName: "d"}.Do(ctx, c) },
				func() error { return qemu.RemoveFD{FDSetID: 0}.Do(ctx, c) },
			}
			for _, step := range steps[:gone+1] {
				require.Eventually(t, func() bool { return step() == nil }, time.Minute, 200*time.Millisecond)
			}
			require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))
			require.Equal(t, before, stateOf(t, c))
		}
	})
}

// TestStoppedQEMU fails to add a disk to a machine that has not been started, then adds it, and
// removes what is left when the machine runs.
func TestStoppedQEMU(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{Args: []string{"-S"}})
		c := qvm.Dial(t)
		ctx := limit(t)
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		vm := hotplug.New(c, nil)
		for range 2 { // what the first has left is not in the way of the second
			err := vm.AddDisk(ctx, hotplug.Disk{ID: "d", Backend: hotplug.File{Path: image(t)}})
			var refusal *qmp.Error
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, "device_add", refusal.Command)
			if _, kept := errors.AsType[*hotplug.RollbackError](err); kept {
				require.ErrorIs(t, err, hotplug.ErrDescriptorsKept)
				require.False(t, q.AtLeast(10, 0))
			} else {
				require.Equal(t, before, stateOf(t, c))
			}
		}
		require.NoError(t, qemu.Cont{}.Do(ctx, c))
		require.NoError(t, errorOf(vm.RemoveDisk(ctx, "d")))
		require.Equal(t, before, stateOf(t, c))
		require.Equal(t, fds, qemuFds(t, qvm))
	})
}

// TestNotHotpluggable is refused by QEMU for good.
func TestNotHotpluggable(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		null := qemu.BlockdevOptions{NodeName: new("d"), Driver: "null-co", Branch: &qemu.BlockdevOptionsNull{}}
		qvm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{
			"-S", "-blockdev", null.String(), "-device", "ide-hd,id=d,drive=d"}})
		c := qvm.Dial(t)
		before := stateOf(t, c)
		_, err := hotplug.New(c, nil).RemoveDisk(limit(t), "d")
		require.ErrorIs(t, err, qmp.ErrGeneric)
		require.NotErrorIs(t, err, hotplug.ErrUnplugPending)
		require.Equal(t, before, stateOf(t, c))
	})
}
