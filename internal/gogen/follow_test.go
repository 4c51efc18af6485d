package gogen

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
)

// TestFollowings: at least one version of QEMU has the commands and the event of each row, and no pair has
// two rows.
func TestFollowings(t *testing.T) {
	all := versions(t)
	seen := map[[2]string]bool{}
	for _, row := range followings {
		require.NotEmpty(t, row.when)
		require.False(t, strings.HasSuffix(row.when, "."), row.when)
		for _, command := range row.commands {
			pair := [2]string{command, row.event}
			require.False(t, seen[pair], "%s has two rows for %s", command, row.event)
			seen[pair] = true
			require.True(t, slices.ContainsFunc(all, func(v version) bool {
				return slices.ContainsFunc(v.schemas, func(s *qapi.Schema) bool {
					_, hasCommand := s.Lookup(command).(*qapi.Command)
					_, hasEvent := s.Lookup(row.event).(*qapi.Event)
					return hasCommand && hasEvent
				})
			}), "no QEMU has both %s and %s: remove the row", command, row.event)
		}
	}
}

// follower executes commands on a real QEMU, and waits for the events that follow.
type follower struct {
	*testing.T
	ctx    context.Context
	client *qmp.Client
	events qmp.EventStream
}

func follow(t *testing.T, vm *qemutest.VM) *follower {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	c := vm.Dial(t)
	f := &follower{t, ctx, c, c.Events()}
	t.Cleanup(func() { f.events.Close() })
	return f
}

// do executes a command, and waits for the events, each of which has a row.
func (f *follower) do(command string, args qmp.Args, events ...string) {
	f.Helper()
	for _, event := range events {
		require.True(f, slices.ContainsFunc(eventsAfter(command), func(r following) bool { return r.event == event }),
			"no row for %s and %s", command, event)
	}
	_, err := qmp.Raw{Command: command, Args: args}.Do(f.ctx, f.client)
	require.NoError(f, err)
	f.wait(command, events...)
}

// wait waits for the events, in any order.
func (f *follower) wait(command string, events ...string) {
	f.Helper()
	for len(events) > 0 {
		e, err := f.events.Next(f.ctx)
		require.NoError(f, err, "%v did not follow %s", events, command)
		events = slices.DeleteFunc(events, func(name string) bool { return name == e.Name })
	}
}

// TestFollowingsAreSeen executes the commands whose events come without a guest.
func TestFollowingsAreSeen(t *testing.T) {
	qemutest.Run(t, []string{"7.2", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-device", "ide-cd,id=cd", "-S"}})
		f := follow(t, vm)
		file := func(name string) string { return filepath.Join(vm.Dir, name) }

		f.do("cont", nil, "RESUME")
		f.do("stop", nil, "STOP")
		f.do("cont", nil, "RESUME")
		f.do("system_powerdown", nil, "POWERDOWN")
		f.do("dump-guest-memory", qmp.Args{"paging": false, "protocol": "file:" + file("dump")}, "STOP", "DUMP_COMPLETED", "RESUME")
		events := []string{"RESET"}
		if q.AtLeast(10, 0) { // 7.2 forgets it here, where the firmware has not run yet
			f.do("device_add", qmp.Args{"driver": "virtio-rng-pci", "id": "rng"})
			f.do("device_del", qmp.Args{"id": "rng"})
			events = append(events, "DEVICE_DELETED")
		}
		f.do("system_reset", nil, events...)
		f.do("blockdev-open-tray", qmp.Args{"id": "cd"}, "DEVICE_TRAY_MOVED")
		f.do("blockdev-close-tray", qmp.Args{"id": "cd"}, "DEVICE_TRAY_MOVED")
		f.do("eject", qmp.Args{"id": "cd"}, "DEVICE_TRAY_MOVED")

		socket := file("stream")
		l, err := net.Listen("unix", socket)
		require.NoError(t, err)
		defer l.Close()
		f.do("netdev_add", qmp.Args{"type": "stream", "id": "n", "addr": qmp.Args{"type": "unix", "path": socket}}, "NETDEV_STREAM_CONNECTED")

		f.jobs()
		f.exports(file("nbd"))
		f.snapshots(file("image"))
		f.migrate(q)
		f.do("quit", nil, "SHUTDOWN")
	})
}

// jobs runs jobs with each ending.
func (f *follower) jobs() {
	f.Helper()
	f.do("blockdev-add", qmp.Args{"driver": "null-co", "node-name": "s", "size": 1 << 20})
	f.do("blockdev-add", qmp.Args{"driver": "null-co", "node-name": "t", "size": 1 << 20})
	f.do("blockdev-add", qmp.Args{"driver": "blkdebug", "node-name": "bad", "image": qmp.Args{"driver": "null-co", "size": 1 << 20},
		"inject-error": []qmp.Args{{"event": "none", "iotype": "read"}}})
	job := qmp.Args{"job-id": "j", "device": "s", "target": "t", "sync": "full"}
	id, device := qmp.Args{"id": "j"}, qmp.Args{"device": "j"}

	f.do("blockdev-mirror", job, "JOB_STATUS_CHANGE", "BLOCK_JOB_READY")
	f.do("job-pause", id, "JOB_STATUS_CHANGE")
	f.do("job-resume", id, "JOB_STATUS_CHANGE")
	f.do("job-cancel", id, "BLOCK_JOB_CANCELLED")
	f.do("blockdev-mirror", job, "BLOCK_JOB_READY")
	f.do("block-job-cancel", device, "BLOCK_JOB_COMPLETED")
	f.do("blockdev-mirror", job, "BLOCK_JOB_READY")
	f.do("block-job-cancel", qmp.Args{"device": "j", "force": true}, "BLOCK_JOB_CANCELLED")
	f.do("blockdev-mirror", job, "BLOCK_JOB_READY")
	f.do("job-complete", id, "JOB_STATUS_CHANGE", "BLOCK_JOB_COMPLETED")

	f.do("block-set-write-threshold", qmp.Args{"node-name": "t", "write-threshold": 1})
	backup := maps.Clone(job)
	backup["auto-finalize"], backup["auto-dismiss"] = false, false
	f.do("blockdev-backup", backup)
	f.wait("blockdev-backup", "JOB_STATUS_CHANGE", "BLOCK_WRITE_THRESHOLD", "BLOCK_JOB_PENDING")
	f.do("job-finalize", id, "BLOCK_JOB_COMPLETED")
	f.do("job-dismiss", id, "JOB_STATUS_CHANGE")
	f.do("blockdev-backup", qmp.Args{"job-id": "j", "device": "bad", "target": "t", "sync": "full"},
		"JOB_STATUS_CHANGE", "BLOCK_JOB_ERROR", "BLOCK_JOB_COMPLETED")
	f.do("block-stream", qmp.Args{"job-id": "j", "device": "s"}, "JOB_STATUS_CHANGE", "BLOCK_JOB_COMPLETED")
}

// exports ends exports in each way.
func (f *follower) exports(socket string) {
	f.Helper()
	f.do("nbd-server-start", qmp.Args{"addr": qmp.Args{"type": "unix", "data": qmp.Args{"path": socket}}})
	export := qmp.Args{"type": "nbd", "id": "s", "node-name": "s"}
	f.do("block-export-add", export)
	f.do("block-export-del", qmp.Args{"id": "s"}, "BLOCK_EXPORT_DELETED")
	f.do("block-export-add", export)
	f.do("nbd-server-remove", qmp.Args{"name": "s"}, "BLOCK_EXPORT_DELETED")
	f.do("block-export-add", export)
	f.do("nbd-server-stop", nil, "BLOCK_EXPORT_DELETED")
}

// snapshots creates an image, and a snapshot of the machine in it.
func (f *follower) snapshots(image string) {
	f.Helper()
	ended := func(id string) {
		for status := ""; status != "concluded"; {
			e, err := f.events.Next(f.ctx)
			require.NoError(f, err)
			var data struct{ ID, Status string }
			require.NoError(f, json.Unmarshal(e.Data, &data))
			if e.Name == "JOB_STATUS_CHANGE" && data.ID == id {
				status = data.Status
			}
		}
	}
	f.do("blockdev-create", qmp.Args{"job-id": "file", "options": qmp.Args{"driver": "file", "filename": image, "size": 0}}, "JOB_STATUS_CHANGE")
	ended("file")
	f.do("blockdev-add", qmp.Args{"driver": "file", "node-name": "file", "filename": image})
	f.do("blockdev-create", qmp.Args{"job-id": "qcow2", "options": qmp.Args{"driver": "qcow2", "file": "file", "size": 1 << 20}}, "JOB_STATUS_CHANGE")
	ended("qcow2")
	f.do("blockdev-add", qmp.Args{"driver": "qcow2", "node-name": "qcow2", "file": "file"})
	save := qmp.Args{"job-id": "save", "tag": "t", "vmstate": "qcow2", "devices": []string{"qcow2"}}
	f.do("snapshot-save", save, "JOB_STATUS_CHANGE", "STOP", "RESUME")
	ended("save")
	save["job-id"] = "load"
	f.do("snapshot-load", save, "JOB_STATUS_CHANGE", "STOP", "RESUME")
	ended("load")
}

// migrate migrates the machine to another QEMU.
func (f *follower) migrate(q *qemutest.QEMU) {
	f.Helper()
	vm := q.Start(f.T, qemutest.Config{Machine: "pc", Args: []string{"-device", "ide-cd,id=cd", "-incoming", "defer"}})
	there := follow(f.T, vm)
	events := qmp.Args{"capabilities": []qmp.Args{{"capability": "events", "state": true}}}
	uri := qmp.Args{"uri": "unix:" + filepath.Join(vm.Dir, "migration")}
	there.do("migrate-set-capabilities", events)
	there.do("migrate-incoming", uri, "MIGRATION")
	f.do("migrate-set-capabilities", events)
	f.do("migrate", uri, "MIGRATION", "MIGRATION_PASS", "STOP")
	there.wait("migrate-incoming", "RESUME")
}

// TestResetThatEnds resets a QEMU that was told to end instead.
func TestResetThatEnds(t *testing.T) {
	f := follow(t, qemutest.Get(t, "11.1").Start(t, qemutest.Config{Machine: "pc", Args: []string{"-no-reboot"}}))
	f.do("system_reset", nil, "SHUTDOWN")
}
