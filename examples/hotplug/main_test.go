package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestOnAMachine does what the program is for.
func TestOnAMachine(t *testing.T) {
	qemutest.CheckFds(t)
	q := qemutest.Get(t, "10.0")
	vm := q.Start(t, qemutest.Config{Machine: "pc", Guest: true, Args: []string{"-m", "256,slots=2,maxmem=1G", "-smp", "1,maxcpus=2", "-device", "virtio-scsi-pci,id=sc,addr=1e"}})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, vm.WaitGuest(ctx))
	image := filepath.Join(t.TempDir(), "disk.img")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, 1<<20))

	do := func(command ...string) string {
		t.Helper()
		var out bytes.Buffer
		require.NoError(t, run(ctx, append([]string{"-qmp", vm.Socket()}, command...), &out), "%s", command)
		return out.String()
	}
	scsi := "sc               virtio-scsi-pci      pci.0 1e.0   \n"
	require.Equal(t, scsi, do("list"))
	require.Empty(t, do("add-disk", "data2", image, "-driver=scsi-hd", "-bus=sc.0", "-at=scsi-id=3,lun=1"))
	require.Empty(t, do("wait-guest", "data2"))
	require.Contains(t, do("list"), "data2            scsi-hd              sc.0         data2\n")
	require.Empty(t, do("remove-disk", "data2"))
	require.Equal(t, "at pci.0/1d.0\n", do("add-disk", "data3", image, "-at=addr=1d.0"))
	require.Contains(t, do("list"), "data3            virtio-blk-pci       pci.0 1d.0   data3\n")
	require.Empty(t, do("remove-disk", "data3"))
	require.Equal(t, scsi, do("list"))
	require.Contains(t, do("add-disk", "data1", image, "-direct=false"), "at pci.0/")
	require.Regexp(t, `(?m)^data1 +virtio-blk-pci +pci\.0 0\d\.0 +data1$`, do("list"))
	require.Empty(t, do("resize-disk", "data1", "2097152"))
	info, err := os.Stat(image)
	require.NoError(t, err)
	require.EqualValues(t, 2<<20, info.Size())
	require.Contains(t, do("add-cpu", "cpu1"), `"core-id":1`)
	require.Empty(t, do("add-memory", "mem1", "134217728"))
	require.Empty(t, do("wait-guest", "cpu1"))
	require.Empty(t, do("wait-guest", "mem1"))
	if tap := "qmpkit0"; hasTaps(tap) {
		require.Contains(t, do("add-nic", "-queues=2", "nic1", tap), "at pci.0/")
		require.Regexp(t, `(?m)^nic1 +virtio-net-pci .* nic1$`, do("list"))
		require.Empty(t, do("remove-nic", "nic1"))
	}
	require.Empty(t, do("remove-memory", "mem1"))
	require.Empty(t, do("remove-cpu", "cpu1"))
	require.Empty(t, do("remove-disk", "data1"))
	require.Equal(t, scsi, do("list"))
}

// hasTaps tells whether this process may make taps.
func hasTaps(name string) bool {
	taps, err := openTap(name, 2)
	closeAll(taps)
	return err == nil
}

// TestMigrate sends a machine to another QEMU.
func TestMigrate(t *testing.T) {
	q := qemutest.Get(t, "10.0")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-incoming", "tcp:" + address}})
	source := q.Start(t, qemutest.Config{Machine: "pc"})
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-qmp", source.Socket(), "migrate", address}, &out))
	require.Contains(t, out.String(), "completed: 0 of ")
	require.Contains(t, out.String(), "the machine is at the destination; it was stopped for ")
}

// TestBusyDisk cancels a job that runs on a disk.
func TestBusyDisk(t *testing.T) {
	vm := qemutest.Get(t, "10.0").Start(t, qemutest.Config{Machine: "pc", Monitors: 2, Args: []string{"-device", "virtio-scsi-pci,id=sc"}})
	client, err := qmp.Dial(t.Context(), vm.Sockets[1], nil)
	require.NoError(t, err)
	defer client.Close()
	image := filepath.Join(t.TempDir(), "disk.img")
	require.NoError(t, os.WriteFile(image, make([]byte, 1<<20), 0o600))
	do := func(command ...string) error {
		return run(t.Context(), append([]string{"-qmp", vm.Sockets[0]}, command...), new(bytes.Buffer))
	}
	require.NoError(t, do("add-disk", "data1", image, "-driver=scsi-hd", "-bus=sc.0"))
	target := qemu.BlockdevAdd{NodeName: new("t"), Driver: "null-co", Branch: &qemu.BlockdevOptionsNull{Size: new(int64(1 << 20))}}
	require.NoError(t, target.Do(t.Context(), client))
	j, err := job.Start(t.Context(), client, "", qemu.BlockdevMirror{Device: "data1", Target: "t", Sync: qemu.MirrorSyncModeFull})
	require.NoError(t, err)
	defer j.Detach()
	require.ErrorContains(t, do("remove-disk", "data1"), "jobs are on the disk: data1.mirror\nWait")
	require.NoError(t, do("remove-disk", "data1", "-cancel-jobs", "-with-backend"))
	require.ErrorIs(t, j.Wait(t.Context(), nil), job.ErrCancelled)
}

func TestErrors(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "qmp")
	for _, c := range []struct {
		args string
		want string
	}{
		{"list", "-qmp is missing"},
		{"-qmp " + socket + " list", "no such file"},
		{"-qmp " + socket + " fly", `unknown command "fly"`},
		{"-qmp " + socket + " add-disk d", "add-disk takes 2 arguments (ID FILE), not 1"},
		{"-qmp " + socket + " add-disk d f -formt raw", "flag provided but not defined: -formt"},
		{"-no", "flag provided but not defined: -no"},
	} {
		var out bytes.Buffer
		require.ErrorContains(t, run(t.Context(), strings.Fields(c.args), &out), c.want, c.args)
	}
	vm := qemutest.Get(t, "10.0").Start(t, qemutest.Config{})
	for _, c := range []struct{ args, want string }{
		{"resize-disk d much", `parsing "much"`},
		{"add-memory d much", `parsing "much"`},
		{"add-nic n a-name-that-is-too-long-for-linux", ""},
	} {
		var out bytes.Buffer
		require.ErrorContains(t, run(t.Context(), append([]string{"-qmp", vm.Socket()}, strings.Fields(c.args)...), &out), c.want, c.args)
	}
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, &out))
	for _, c := range commands {
		require.Contains(t, out.String(), c.purpose)
	}
	out.Reset()
	require.ErrorIs(t, run(t.Context(), []string{"add-disk", "-help"}, &out), flag.ErrHelp)
	require.Contains(t, out.String(), "-format FORMAT")
}

// TestAdvice is for errors that a person can do something about.
func TestAdvice(t *testing.T) {
	c := &command{name: "remove-disk"}
	require.NoError(t, advise(c, nil))
	require.ErrorContains(t, advise(c, fmt.Errorf("x: %w", hotplug.ErrUnplugPending)), "Run remove-disk again")
	require.ErrorContains(t, advise(c, hotplug.ErrUnplugRefused), "unmount it")
	require.ErrorContains(t, advise(c, &hotplug.BusyError{Jobs: []string{"data1.move"}}), "run remove-disk with -cancel-jobs")
	require.ErrorContains(t, advise(c, &hotplug.BusyError{Exports: []string{"e"}}), "Remove the exports first")
	require.ErrorContains(t, advise(c, &hotplug.RollbackError{Err: os.ErrClosed, Undo: os.ErrExist}), "remove the things that are left")
	require.Equal(t, os.ErrClosed, advise(c, os.ErrClosed))
}
