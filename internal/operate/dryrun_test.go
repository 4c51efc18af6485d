package operate_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qom"
)

// state returns all that queries report about a machine, its objects, the open files of QEMU and the files of the test.
// With values, it has the values of all properties.
func (s *session) state(values bool) string {
	s.Helper()
	var state []string
	for _, query := range []string{"query-status", "query-block", "query-blockstats", "query-jobs", "query-block-jobs", "query-block-exports", "query-fdsets",
		"query-chardev", "query-pci", "query-cpus-fast", "query-hotpluggable-cpus", "query-memory-devices", "query-memory-size-summary",
		"query-iothreads", "query-migrate", "query-migrate-capabilities", "query-migrate-parameters", "query-balloon", "query-dump",
		"query-acpi-ospm-status", "query-memdev", "query-named-block-nodes"} {
		answer, err := qmp.Raw{Command: query}.Do(s.Context(), s.c)
		if err != nil {
			answer = qmp.RawJSON(err.Error())
		}
		state = append(state, query+": "+string(answer))
	}
	for _, path := range []string{"/objects", "/machine/peripheral", "/machine/peripheral-anon"} {
		walk := qom.Walk
		if values {
			walk = qom.WalkValues
		}
		for object, err := range walk(s.Context(), s.c, path) {
			require.NoError(s, err)
			for _, p := range object.Properties {
				state = append(state, fmt.Sprintf("%s.%s = %s", object.Path, p.Name, p.Value))
			}
		}
	}
	files, err := s.vm.Fds()
	require.NoError(s, err)
	state = append(state, files...)
	names, err := os.ReadDir(s.dir)
	require.NoError(s, err)
	for _, name := range names {
		info, err := name.Info()
		require.NoError(s, err)
		state = append(state, fmt.Sprint(name.Name(), " ", info.Size(), " ", info.ModTime()))
	}
	return strings.Join(state, "\n")
}

// A dryRun is what a dry run should tell: the commands in this order, then ErrRest or the end.
type dryRun struct {
	words string // $DIR is the folder of the test
	told  string // commands
	rest  bool   // it ends with ErrRest
	err   string // it fails with an error that has this text
}

var dryRuns = []dryRun{
	{"add disk new $DIR/d9.img driver=scsi-hd", "add-fd blockdev-add device_add", false, ""},
	{"add nic new", "netdev_add device_add", false, ""},
	{"add device new virtio-rng-pci prop.max-bytes=1024", "device_add", false, ""},
	{"add cpu 2", "device_add device_add", false, ""},
	{"add memory new 128M", "object-add device_add", false, ""},
	{"remove disk d0", "device_del", true, ""},
	{"remove nic nic0", "device_del", true, ""},
	{"remove device rng0", "device_del", true, ""},
	{"remove memory dimm0", "device_del", true, ""},
	{"remove cpu cpu-socket1-core0-thread0", "device_del", true, ""},
	{"remove node spare0", "blockdev-del", false, ""},
	{"remove netdev net0", "netdev_del", false, ""},
	{"remove chardev null0", "chardev-remove", false, ""},
	{"remove object spare", "object-del", false, ""},
	{"resize disk d0 4M", "block_resize", false, ""},
	{"resize memory vmem0 0", "qom-set", true, ""},
	{"set cpus 3", "device_add", false, ""},
	{"set memory 512M", "qom-set", true, ""},
	{"set balloon 64M", "balloon", true, ""},

	{"list disks", "", false, ""},
	{"move d0 $DIR/new.qcow2", "add-fd object-add blockdev-add blockdev-create job-dismiss blockdev-del remove-fd object-del add-fd object-add blockdev-add blockdev-mirror block-dirty-bitmap-remove block-dirty-bitmap-add job-complete job-dismiss", true, ""},
	{"copy d0 $DIR/new.img", "add-fd object-add blockdev-add blockdev-mirror block-job-cancel job-dismiss", true, ""},
	{"snapshot d0 $DIR/new0.qcow2 d1 $DIR/new1.qcow2 backing-file=a backing-file=b freeze=on", "add-fd object-add blockdev-add add-fd object-add blockdev-add blockdev-create job-dismiss blockdev-create job-dismiss " +
		"blockdev-del blockdev-del remove-fd remove-fd object-del object-del add-fd object-add blockdev-add add-fd object-add blockdev-add " +
		"guest-fsfreeze-freeze transaction guest-fsfreeze-thaw", false, ""},
	{"commit d1", "block-commit job-complete job-dismiss", true, ""},
	{"stream d1", "block-stream job-finalize", true, ""},
	{"backup d0 $DIR/new.img", "add-fd object-add blockdev-add add-fd object-add blockdev-add object-add blockdev-add qom-set object-add blockdev-add " +
		"transaction job-finalize job-dismiss blockdev-del object-del", true, ""},
	{"abort backup d0", "blockdev-del", true, ""},
	{"clean disk d0", "", false, ""},
	{"create image $DIR/new.qcow2 1M", "add-fd object-add blockdev-add blockdev-create job-dismiss blockdev-del remove-fd object-del", false, ""},
	{"bitmap add d0 new", "block-dirty-bitmap-add", false, ""},
	{"bitmap list d0", "", false, ""},
	{"bitmap clear d0 b0", "block-dirty-bitmap-clear", false, ""},
	{"bitmap remove d0 b0", "block-dirty-bitmap-remove", false, ""},
	{"bitmap enable d0 b0", "block-dirty-bitmap-enable", false, ""},
	{"bitmap disable d0 b0", "block-dirty-bitmap-disable", false, ""},
	{"change medium cd0 $DIR/d9.img", "add-fd object-add blockdev-add blockdev-open-tray", true, ""},
	{"eject medium cd1", "", false, "there is no disk cd1"},
	{"throttle d0 iops=100", "block_set_io_throttle", false, ""},
	{"export d0 socket=$DIR/nbd", "nbd-server-start block-export-add", false, ""},
	{"unexport d2", "block-export-del", true, ""},
	{"save machine new disk=d0", "snapshot-save job-dismiss", false, ""},
	{"load machine old disk=d0", "", false, "disk has bitmap"},
	{"delete machine old disk=d0", "snapshot-delete job-dismiss", false, ""},

	{"job list", "", false, ""},
	{"job wait j0", "job-complete", true, ""},
	{"job cancel j0", "job-cancel", true, ""},
	{"job complete j0", "job-complete", true, ""},
	{"job dismiss c0", "job-dismiss", false, ""},
	{"job pause j0", "job-pause", false, ""},
	{"job resume j0", "job-resume", false, ""},
	{"job speed j0 1M", "block-job-set-speed", false, ""},

	{"migrate to unix:$DIR/m", "", false, "the machine has been sent already"},
	{"migrate wait", "", false, ""},
	{"migrate listen unix:$DIR/m", "migrate-set-capabilities migrate-incoming", true, ""},
	{"migrate status", "", false, ""},
	{"migrate cancel", "", false, "too late to cancel"},

	{"agent ping", "", false, ""},
	{"agent run true", "guest-exec", true, ""},
	{"agent read /etc/passwd $DIR/new", "guest-file-open", true, ""},
	{"agent write /etc/passwd $DIR/d9.img", "guest-exec", true, ""},
	{"agent freeze", "guest-fsfreeze-freeze", false, ""},
	{"agent thaw", "guest-fsfreeze-thaw", false, ""},
	{"agent status", "", false, ""},
	{"agent interfaces", "", false, ""},
	{"agent set-time", "guest-set-time", false, ""},
	{"agent shutdown", "guest-shutdown", true, ""},
	{"agent reboot", "guest-shutdown", true, ""},

	{"screenshot $DIR/new.png", "add-fd screendump", true, ""},
	{"dump memory $DIR/new", "getfd dump-guest-memory", true, ""},
	{"console ring0", "ringbuf-read", true, ""},
	{"console pty0", "", false, ""},
	{"hmp info status", "human-monitor-command", true, ""},
	{"balloon stats", "qom-set", true, ""},
	{"reset", "system_reset", true, ""},
	{"powerdown", "system_powerdown", true, ""},
}

// TestDryRun: a dry run of each operation tells what it would send, changes nothing in QEMU or in files, and ends soon.
func TestDryRun(t *testing.T) {
	var names []string
	for _, run := range dryRuns {
		op, _ := operate.Match(strings.Fields(run.words))
		require.NotNil(t, op, run.words)
		names = append(names, op.Name)
	}
	for _, op := range operate.All() {
		require.Contains(t, names, op.Name)
	}
	onAll(t, func(t *testing.T, q *qemutest.QEMU) {
		s := start(t, q, furniture...)
		s.furnish(q)
		before, values := s.state(false), s.state(true)
		for _, run := range dryRuns {
			words := strings.Fields(strings.ReplaceAll(run.words, "$DIR", s.dir))
			op, values, err := operate.Parse(words)
			require.NoError(t, err, run.words)
			agent := &answers{results: map[string]string{"guest-ping": "{}", "guest-info": `{"version": "1", "supported_commands": []}`,
				"guest-fsfreeze-status": `"thawed"`, "guest-network-get-interfaces": "[]", "guest-get-time": "0"}}
			var out bytes.Buffer
			env := &operate.Env{Conn: s.c, Agent: agent, Out: &out}
			var told []string
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			begin := time.Now()
			err = op.DryRun(ctx, env, values, func(command string, arguments []byte) { told = append(told, command) })
			took := time.Since(begin)
			cancel()
			t.Logf("%s: %v, %v (%v)%s", run.words, told, err, took.Round(time.Millisecond), out.String())
			if after := s.state(false); after != before {
				require.Equal(t, before, after, run.words)
			}
			assert.Less(t, took, 10*time.Second, run.words)
			if q.Release() != "10.0" { // others need other commands
				continue
			}
			switch {
			case run.rest:
				assert.ErrorIs(t, err, operate.ErrRest, run.words)
			case run.err != "":
				assert.ErrorContains(t, err, run.err, run.words)
			default:
				assert.NoError(t, err, run.words)
			}
			assert.Equal(t, run.told, strings.Join(told, " "), run.words)
			if run.rest { // the person learns on what
				assert.Contains(t, err.Error(), on(told), run.words)
			}
		}
		require.Equal(t, values, s.state(true))
	})
}

// furniture are devices that the dry runs work on.
var furniture = []string{"-S", "-object", "memory-backend-ram,id=more,size=128M", "-device", "pc-dimm,id=dimm0,memdev=more",
	"-object", "memory-backend-ram,id=vmem0,size=256M", "-device", "virtio-mem-pci,id=vmem0,memdev=vmem0,requested-size=128M",
	"-netdev", "user,id=nic0", "-device", "virtio-net-pci,id=nic0,netdev=nic0", "-device", "virtio-rng-pci,id=rng0"}

// on returns what the rest of an operation depends on: its last command, or the job that it starts.
func on(told []string) string {
	last := told[len(told)-1]
	if strings.HasPrefix(last, "job-") {
		return "what follows depends on job "
	}
	return "what follows depends on " + last
}

// furnish gives the machine what the dry runs work on.
func (s *session) furnish(q *qemutest.QEMU) {
	s.file("d9.img", 1<<20)
	base := s.file("d0.qcow2", 0)
	s.do("create", "image", base, "1M")
	s.do("add", "disk", "d0", base, "driver=scsi-hd")
	s.do("bitmap", "add", "d0", "b0", "disabled=on")
	d1 := s.file("d1.img", 1<<20)
	s.do("add", "disk", "d1", d1, "driver=scsi-hd")
	s.do("snapshot", "d1", s.file("d1.qcow2", 0), "backing-file="+d1)
	s.do("add", "disk", "d2", s.file("d2.img", 1<<20), "driver=scsi-hd")
	s.do("export", "d2", "socket="+s.file("d2.sock", 0))
	s.do("add", "cpu")
	if q.AtLeast(6, 0) {
		s.do("bitmap", "remove", "d0", "b0")
		s.do("save", "machine", "old", "disk=d0")
		s.do("bitmap", "add", "d0", "b0", "disabled=on")
	}
	for _, node := range []string{"ja", "jb"} {
		require.NoError(s, qemu.BlockdevAdd{NodeName: &node, Driver: qemu.BlockdevDriverNullCo,
			Branch: &qemu.BlockdevOptionsNull{Size: new(int64(64 << 20))}}.Do(s.Context(), s.c))
	}
	j, err := job.Start(s.Context(), s.c, "j0", qemu.BlockdevMirror{Device: "ja", Target: "jb", Sync: qemu.MirrorSyncModeFull})
	require.NoError(s, err)
	defer j.Detach()
	require.NoError(s, j.WaitReady(s.Context(), nil))
}
