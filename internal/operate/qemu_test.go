package operate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"image/png"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/machine"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qom"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A session is a machine, and what a shell has of it.
type session struct {
	*testing.T
	vm  *qemutest.VM
	c   *qmp.Client
	env *operate.Env
	out bytes.Buffer
	dir string
}

// machineArgs is a machine with one thing of each kind. Its disks are on SCSI, which releases them without a guest.
var machineArgs = []string{
	"-smp", "1,sockets=4,cores=1,threads=1,maxcpus=4", "-m", "128M,slots=4,maxmem=2G", "-object", "memory-backend-ram,id=spare,size=1M",
	"-device", "virtio-scsi-pci,id=scsi0", "-device", "VGA,id=screen0", "-device", "virtio-balloon-pci,id=balloon0",
	"-device", "ide-cd,id=cd0", "-chardev", "ringbuf,id=ring0,size=4096", "-chardev", "pty,id=pty0", "-chardev", "null,id=null0",
	"-device", "isa-serial,chardev=ring0", "-device", "isa-serial,chardev=pty0", "-netdev", "user,id=net0",
	"-blockdev", "null-co,node-name=spare0,size=1048576,read-zeroes=on",
}

func start(t *testing.T, q *qemutest.QEMU, args ...string) *session {
	s := &session{T: t, vm: q.Start(t, qemutest.Config{Machine: "pc", Args: append(machineArgs[:len(machineArgs):len(machineArgs)], args...)})}
	s.dir, s.c = t.TempDir(), s.vm.Dial(t)
	s.env = &operate.Env{Conn: s.c, Out: &s.out}
	return s
}

// file returns the name of a file, and makes it if size is not 0.
func (s *session) file(name string, size int64) string {
	path := filepath.Join(s.dir, name)
	if size != 0 {
		require.NoError(s, os.WriteFile(path, nil, 0o600))
		require.NoError(s, os.Truncate(path, size))
	}
	return path
}

// try runs the operation, and returns what it writes.
func (s *session) try(words ...string) (string, error) {
	op, values, err := operate.Parse(words)
	require.NoError(s, err, words)
	ctx, cancel := context.WithTimeout(s.Context(), 2*time.Minute)
	defer cancel()
	s.out.Reset()
	err = op.Run(ctx, s.env, values)
	return s.out.String(), err
}

func (s *session) do(words ...string) string {
	s.Helper()
	out, err := s.try(words...)
	require.NoError(s, err, words)
	return out
}

func (s *session) refused(want error, words ...string) string {
	s.Helper()
	_, err := s.try(words...)
	require.Error(s, err, words)
	if want != nil {
		require.ErrorIs(s, err, want, words)
	}
	return err.Error()
}

// onAll runs a test on each version.
func onAll(t *testing.T, test func(t *testing.T, q *qemutest.QEMU)) {
	t.Parallel()
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		test(t, q)
	})
}

func TestDevices(t *testing.T) {
	onAll(t, func(t *testing.T, q *qemutest.QEMU) {
		s := start(t, q)
		vm := hotplug.New(s.c, nil)

		path := s.file("d0.img", 1<<20)
		require.Equal(t, "added disk d0: "+path+" (raw, 1 MiB)\n", s.do("add", "disk", "d0", path, "driver=scsi-hd", "prop.serial=0123", "prop.lun=3"))
		serial, err := qom.Get[string](t.Context(), s.c, qom.DevicePath("d0"), "serial")
		require.NoError(t, err)
		require.Equal(t, "0123", serial)
		lun, err := qom.Get[int64](t.Context(), s.c, qom.DevicePath("d0"), "lun")
		require.NoError(t, err)
		require.EqualValues(t, 3, lun)
		s.refused(hotplug.ErrExists, "add", "disk", "d0", path, "driver=scsi-hd")
		require.Contains(t, s.refused(nil, "add", "disk", "d1"), "write add disk d1 FILE")
		s.refused(os.ErrNotExist, "add", "disk", "d1", s.file("none", 0), "driver=scsi-hd")

		require.Equal(t, "disk d0 has 2 MiB\n", s.do("resize", "disk", "d0", "2M"))
		s.refused(operate.ErrMistake, "resize", "disk", "d0", "1M")
		require.Equal(t, "disk d0 has 1 MiB\n", s.do("resize", "disk", "d0", "1M", "shrink=on"))
		s.do("resize", "disk", "d0", "2M")
		info, err := vm.BlockInfo(t.Context(), "d0")
		require.NoError(t, err)
		require.EqualValues(t, 2<<20, info.Inserted.Image.VirtualSize)

		require.Equal(t, "added disk d1\n", s.do("add", "disk", "d1", "driver=scsi-hd",
			`blockdev={"driver": "null-co", "size": 4096}`))
		require.Equal(t, "added disk d2\n", s.do("add", "disk", "d2", "driver=scsi-hd", "node=spare0"))
		out := s.do("remove", "disk", "d2")
		require.Regexp(t, `^removed disk d2\nstill in QEMU: node "spare0": .*\n$`, out)
		require.Equal(t, "removed node spare0\n", s.do("remove", "node", "spare0"))
		require.Contains(t, s.refused(nil, "remove", "node", "spare0"), `there is no node "spare0"`)
		require.Regexp(t, "in use|outcome unknown", s.refused(nil, "remove", "node", "d1", "timeout=2s")) // the time can end during a command
		for _, id := range []string{"d0", "d1"} {
			require.Equal(t, "removed disk "+id+"\n", s.do("remove", "disk", id))
			has, err := vm.HasDevice(t.Context(), id)
			require.NoError(t, err)
			require.False(t, has)
		}
		require.Equal(t, "there is no device d0; nothing of it is left\n", s.do("remove", "disk", "d0"))
		s.refused(hotplug.ErrNotDisk, "remove", "disk", "balloon0")

		require.Equal(t, "added nic n0 (user network)\n", s.do("add", "nic", "n0", "mac=52:54:00:00:00:09", "link-down=on"))
		mac, err := qom.Get[string](t.Context(), s.c, qom.DevicePath("n0"), "mac")
		require.NoError(t, err)
		require.Equal(t, "52:54:00:00:00:09", mac)
		require.Equal(t, "added nic n1 (hubport)\n", s.do("add", "nic", "n1", `netdev={"type": "hubport", "hubid": 1}`))
		require.Equal(t, "the guest has not released n0 yet (the time is over: timeout=3s); it still can, and remove nic n0 waits again",
			s.refused(hotplug.ErrUnplugPending, "remove", "nic", "n0", "timeout=3s")) // no guest
		require.Contains(t, s.out.String(), "waiting for the guest, up to 3s\n")
		require.Contains(t, s.out.String(), "still in QEMU: netdev \"n0\"\n")
		s.refused(hotplug.ErrInUse, "remove", "netdev", "n0")
		require.Equal(t, "removed netdev net0\n", s.do("remove", "netdev", "net0"))

		require.Equal(t, "added device rng0\n", s.do("add", "device", "rng0", "virtio-rng-pci", "prop.max-bytes=1024", "prop.period=1000", "prop.addr=1e"))
		max, err := qom.Get[int64](t.Context(), s.c, qom.DevicePath("rng0"), "max-bytes")
		require.NoError(t, err)
		require.EqualValues(t, 1024, max)
		described, err := vm.DeviceInfo(t.Context(), "rng0")
		require.NoError(t, err)
		require.Equal(t, &hotplug.PCIAddress{Slot: 0x1e}, described.PCI)
		s.refused(hotplug.ErrUnplugPending, "remove", "device", "rng0", "timeout=3s")
		require.Equal(t, "there is no device r9; nothing of it is left\n", s.do("remove", "device", "r9"))
		s.refused(hotplug.ErrGuestPending, "add", "nic", "n2", "wait=on", "timeout=3s")

		require.Equal(t, "added memory m0\n", s.do("add", "memory", "m0", "128M"))
		size, err := qom.Get[uint64](t.Context(), s.c, qom.DevicePath("m0"), "size")
		require.NoError(t, err)
		require.EqualValues(t, 128<<20, size)
		s.refused(hotplug.ErrUnplugPending, "remove", "memory", "m0", "timeout=3s")
		s.refused(hotplug.ErrNotMemory, "resize", "memory", "m0", "64M")
		require.Equal(t, "added memory dimm-slot1\n384 MiB of memory, before 256 MiB\n", s.do("set", "memory", "384M"))
		require.Equal(t, "removed object spare\n", s.do("remove", "object", "spare"))
		require.Equal(t, "removed chardev null0\n", s.do("remove", "chardev", "null0"))

		require.Equal(t, "added cpu socket 1, core 0, thread 0\n", s.do("add", "cpu"))
		require.Equal(t, "added cpu socket 2, core 0, thread 0\n3 CPUs, before 2\n", s.do("set", "cpus", "3"))
		cpus, err := qemu.QueryCPUsFast{}.Do(t.Context(), s.c)
		require.NoError(t, err)
		require.Len(t, cpus, 3)
		s.refused(hotplug.ErrNoFreePlace, "set", "cpus", "9")
		s.refused(nil, "remove", "cpu", "cpu-socket1-core0-thread0", "timeout=3s")
	})
}

func TestDisks(t *testing.T) {
	onAll(t, func(t *testing.T, q *qemutest.QEMU) {
		s := start(t, q)
		disks := block.New(s.c)
		layers := func(id string) (formats []qemu.BlockdevDriver) {
			d, err := disks.Disk(t.Context(), id)
			require.NoError(t, err)
			require.Empty(t, d.Jobs)
			require.Empty(t, d.Left)
			for _, l := range d.Layers {
				formats = append(formats, l.Driver)
			}
			return formats
		}
		images := func(words ...string) []qemu.BlockdevDriver {
			var formats []qemu.BlockdevDriver
			for _, w := range words {
				formats = append(formats, qemu.BlockdevDriver(w))
			}
			return formats
		}
		base := s.file("base.qcow2", 0)
		require.Equal(t, "made "+base+", a qcow2 image of 1 MiB\n", s.do("create", "image", base, "1M"))
		s.refused(block.ErrNotEmpty, "create", "image", base, "1M")
		s.do("add", "disk", "d0", base, "driver=scsi-hd")
		s.do("add", "disk", "d1", s.file("d1.img", 1<<20), "driver=scsi-hd")

		var progress []string
		s.env.Progress = func(text string, current, total int64) { progress = append(progress, fmt.Sprint(text, " of ", total)) }
		moved := s.file("moved.qcow2", 0)
		require.Equal(t, "disk d0 uses "+moved+"\n", s.do("move", "d0", moved))
		require.True(t, slices.ContainsFunc(progress, func(p string) bool { return strings.HasPrefix(p, "move d0 of ") }), progress)
		s.env.Progress = nil
		require.Equal(t, images("qcow2"), layers("d0"))
		s.refused(block.ErrNotEmpty, "move", "d0", moved)
		s.refused(block.ErrNoDisk, "move", "d9", s.file("x", 0))
		copied := s.file("copy.img", 0)
		require.Equal(t, copied+" has a copy of disk d0\n", s.do("copy", "d0", copied, "speed=100M"))
		info, err := os.Stat(copied)
		require.NoError(t, err)
		require.EqualValues(t, 1<<20, info.Size())

		over0, over1 := s.file("over0.qcow2", 0), s.file("over1.qcow2", 0)
		require.Equal(t, fmt.Sprintf("disk d0 writes to %s\ndisk d1 writes to %s\n", over0, over1), s.do("snapshot", "d0", over0, "d1", over1))
		require.Regexp(t, `(?m)^d0: 1 MiB\n  qcow2 d0\S* `+over0+`\n  qcow2 d0\S* `+moved+`$`, s.do("list", "disks"))
		require.Equal(t, images("qcow2", "qcow2"), layers("d0"))
		require.Equal(t, images("qcow2", "file"), layers("d1"))
		require.Contains(t, s.refused(nil, "snapshot", "d0", "x", "d1", "y", "backing-file=z"), "as many")
		require.Contains(t, s.refused(nil, "snapshot", "d0", s.file("z.qcow2", 0), "freeze=on"), "no guest agent")
		require.Equal(t, "disk d0 is merged\n", s.do("commit", "d0"))
		require.Equal(t, images("qcow2"), layers("d0"))
		s.refused(block.ErrNoLayer, "commit", "d0")
		require.Equal(t, "disk d1 no longer uses the images below\n", s.do("stream", "d1"))
		require.Equal(t, images("qcow2"), layers("d1"))

		require.Equal(t, "disk d0 has bitmap b1\n", s.do("bitmap", "add", "d0", "b1", "disabled=on", "granularity=128K"))
		require.Equal(t, "b1, 0 bytes changed, disabled, persistent\n", s.do("bitmap", "list", "d0"))
		require.Equal(t, "enabled bitmap b1 of disk d0\n", s.do("bitmap", "enable", "d0", "b1"))
		require.Equal(t, "b1, 0 bytes changed, recording, persistent\n", s.do("bitmap", "list", "d0"))
		require.Equal(t, "cleared bitmap b1 of disk d0\n", s.do("bitmap", "clear", "d0", "b1"))
		require.Equal(t, "disabled bitmap b1 of disk d0\n", s.do("bitmap", "disable", "d0", "b1"))
		require.Equal(t, "removed bitmap b1 of disk d0\n", s.do("bitmap", "remove", "d0", "b1"))
		require.Empty(t, s.do("bitmap", "list", "d0"))
		s.refused(block.ErrNoBitmap, "bitmap", "remove", "d0", "b1")

		full, inc := s.file("full.qcow2", 0), s.file("inc.qcow2", 0)
		s.refused(block.ErrNeedFull, "backup", "d0", inc, "bitmap=chain", "incremental=on")
		require.NoError(t, os.RemoveAll(inc))
		require.Contains(t, s.refused(nil, "backup", "d0", inc, "incremental=on"), "needs bitmap=NAME")
		require.Equal(t, full+" has a backup of disk d0\n", s.do("backup", "d0", full, "bitmap=chain", "direct=on"))
		require.Equal(t, inc+" has a backup of disk d0\n", s.do("backup", "d0", inc, "bitmap=chain", "incremental=on", "direct=on"))
		require.Equal(t, "chain, 0 bytes changed, recording, persistent\n", s.do("bitmap", "list", "d0"))
		one, two := s.file("one.img", 0), s.file("two.img", 0)
		s.do("backup", "d0", one, "d1", two, "direct=on")
		for _, path := range []string{one, two} {
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.EqualValues(t, 1<<20, info.Size())
		}
		require.Equal(t, "no backup of d0, d1 is left\n", s.do("abort", "backup", "disk=d0", "disk=d1"))
		require.Equal(t, "disk d0 is clean\n", s.do("clean", "disk", "d0"))

		require.Equal(t, "disk d0 has no limits\n", s.do("throttle", "d0"))
		require.Equal(t, "bytes: at most 1 MiB a second\niops: at most 100 requests a second\n", s.do("throttle", "d0", "bytes=1M", "iops=100"))
		limits, err := disks.Throttle(t.Context(), "d0")
		require.NoError(t, err)
		require.EqualValues(t, 1<<20, limits.Bytes.Rate)
		require.Contains(t, s.refused(nil, "throttle", "d0", "off=on", "iops=1"), "exclude")
		require.Equal(t, "disk d0 has no limits\n", s.do("throttle", "d0", "off=on"))

		socket := s.file("nbd.sock", 0)
		require.Equal(t, "disk d0 is exported as d0.export, at nbd+unix:///d0?socket="+url.QueryEscape(socket)+"\n", s.do("export", "d0", "socket="+socket))
		conn, err := net.Dial("unix", socket)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		s.refused(hotplug.ErrExists, "export", "d0")
		require.Contains(t, s.refused(nil, "export", "d1", "address=127.0.0.1:1"), "leave socket and address out")
		require.Equal(t, "disk d1 is exported as d1.export, at the address of the NBD server, which ran already\n", s.do("export", "d1"))
		s.refused(operate.ErrMistake, "export", "d1", "address=127.0.0.1:0")
		s.refused(operate.ErrMistake, "export", "d1", "address=here")
		s.refused(operate.ErrMistake, "export", "d1", "address=:1", "socket=x")
		hard := "hard=" + map[bool]string{true: "on", false: "off"}[q.AtLeast(6, 0)]
		require.Equal(t, "disk d1 is no longer exported\n", s.do("unexport", "d1", hard))
		require.Equal(t, "disk d1 was not exported\n", s.do("unexport", "d1"))
		list := s.do("list", "disks")
		require.Regexp(t, `(?m)^d0: 1 MiB\n  qcow2 .*\n  export d0.export \(nbd\)\n  bitmap chain, `, list)
		require.Contains(t, list, "cd0: no medium\n")
		require.Equal(t, "disk d0 is no longer exported\n", s.do("unexport", "d0", hard))
		require.NotContains(t, s.do("list", "disks"), "export")

		iso := s.file("cd.iso", 1<<16)
		require.Equal(t, "drive cd0 has the new medium\n", s.do("change", "medium", "cd0", iso))
		require.Equal(t, images("file"), layers("cd0"))
		require.Equal(t, "drive cd0 is empty\n", s.do("eject", "medium", "cd0"))
		require.Empty(t, layers("cd0"))
		s.refused(block.ErrNotRemovable, "change", "medium", "d0", iso)

		s.do("bitmap", "remove", "d0", "chain")
		if !q.AtLeast(6, 0) {
			s.refused(errors.ErrUnsupported, "save", "machine", "s1", "disk=d0")
			return
		}
		require.Equal(t, "saved the machine as s1\n", s.do("save", "machine", "s1", "disk=d0"))
		all, err := disks.InternalSnapshots(t.Context(), "d0")
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.Equal(t, "the machine is that of s1\n", s.do("load", "machine", "s1", "disk=d0"))
		s.refused(block.ErrNoSnapshot, "load", "machine", "s2", "disk=d0")
		require.Equal(t, "deleted snapshot s1 of the machine\n", s.do("delete", "machine", "s1", "disk=d0"))
		all, err = disks.InternalSnapshots(t.Context(), "d0")
		require.NoError(t, err)
		require.Empty(t, all)
	})
}

// A syncBuffer is an output that a goroutine writes to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestMachine(t *testing.T) {
	onAll(t, func(t *testing.T, q *qemutest.QEMU) {
		socket := filepath.Join(t.TempDir(), "s")
		s := start(t, q, "-chardev", "socket,id=sock0,path="+socket+",server=on,wait=off", "-device", "isa-serial,chardev=sock0")
		path := s.file("screen.png", 0)
		require.Equal(t, path+" has the screen\n", s.do("screenshot", path))
		f, err := os.Open(path)
		require.NoError(t, err)
		defer f.Close()
		_, err = png.Decode(f)
		require.NoError(t, err)
		s.refused(os.ErrExist, "screenshot", path)
		ppm := s.file("screen.ppm", 0)
		s.do("screenshot", ppm, "device=screen0")
		text, err := os.ReadFile(ppm)
		require.NoError(t, err)
		require.Equal(t, "P6", string(text[:2]))
		photo := s.file("screen.JPG", 0)
		s.do("screenshot", photo)
		picture, err := os.Open(photo)
		require.NoError(t, err)
		defer picture.Close()
		_, err = jpeg.Decode(picture)
		require.NoError(t, err)
		require.EqualError(t, errors.New(s.refused(operate.ErrMistake, "screenshot", s.file("x.bmp", 0))), "file: a name that ends with .png, .jpg or .ppm expected, not .bmp")
		none := s.file("none.png", 0)
		s.refused(qmp.ErrDeviceNotFound, "screenshot", none, "device=none")
		require.NoFileExists(t, none)

		core := s.file("core", 0)
		s.do("dump", "memory", core)
		info, err := os.Stat(core)
		require.NoError(t, err)
		require.Greater(t, info.Size(), int64(128<<20))

		require.Contains(t, s.do("hmp", "info", "status"), "VM status: running")
		_, isHMP := errors.AsType[*machine.HMPError](func() error { _, err := s.try("hmp", "nonsense"); return err }())
		require.True(t, isHMP)

		require.NoError(t, qemu.RingbufWrite{Device: "ring0", Data: "hello\n"}.Do(t.Context(), s.c))
		require.Contains(t, s.do("console", "ring0"), "hello\n")
		require.Contains(t, s.refused(nil, "console", "null0"), "no other program can connect")
		require.Contains(t, s.refused(nil, "console", "none"), "there is no character device")
		for _, id := range []string{"sock0", "pty0"} { // write to the port of the guest, and read it at the console
			var out syncBuffer
			in, typed := io.Pipe()
			env := &operate.Env{Conn: s.c, Out: &out, Stdin: in}
			op, values, err := operate.Parse([]string{"console", id})
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- op.Run(ctx, env, values) }()
			port := map[string]string{"sock0": "0x2e8", "pty0": "0x3e8"}[id]
			require.Eventually(t, func() bool {
				s.do("hmp", "o", "/b", port, "0x58")
				return strings.Contains(out.String(), "X")
			}, time.Minute, time.Second/20, id)
			if id == "sock0" {
				require.Contains(t, s.refused(nil, "console", "sock0"), "another client is connected")
			}
			_, err = typed.Write([]byte("Y"))
			require.NoError(t, err)
			require.Eventually(t, func() bool {
				return strings.Contains(s.do("hmp", "i", "/b", port), "0x59")
			}, time.Minute, time.Second/20, id)
			cancel()
			require.NoError(t, <-ended)
			typed.Close()
		}

		require.Contains(t, s.refused(nil, "set", "balloon", "64M", "timeout=3s"), "the guest still has 128 MiB") // no guest
		require.Equal(t, "the guest has 128 MiB\n", s.do("set", "balloon", "128M"))
		s.refused(qom.ErrNoStats, "balloon", "stats", "timeout=3s")
		s.refused(qom.ErrNoObject, "balloon", "stats", "/machine/none")

		require.Equal(t, "the machine has been reset\n", s.do("reset"))
		require.Equal(t, "the power button is pressed\n", s.do("powerdown", "wait=off"))
		require.Contains(t, s.refused(nil, "powerdown", "timeout=3s"), "the guest has not shut down within 3s")
	})
}

func TestMigration(t *testing.T) {
	onAll(t, func(t *testing.T, q *qemutest.QEMU) {
		plain := func(args ...string) *session {
			s := &session{T: t, dir: t.TempDir(), vm: q.Start(t, qemutest.Config{Args: args})}
			s.c = s.vm.Dial(t)
			s.env = &operate.Env{Conn: s.c, Out: &s.out}
			return s
		}
		s := plain("-m", "16M")
		require.Equal(t, "no migration\n", s.do("migrate", "status"))
		s.refused(migration.ErrNone, "migrate", "wait")
		require.Equal(t, "no migration is running\n", s.do("migrate", "cancel"))
		require.Contains(t, s.refused(nil, "migrate", "to", "unix:"+s.file("none", 0)), "none")

		there := plain("-m", "16M", "-incoming", "defer")
		there.dir = s.dir
		socket := "unix:" + s.file("m", 0)
		ended := make(chan error, 1)
		go func() {
			_, err := there.try("migrate", "listen", socket)
			ended <- err
		}()
		require.Eventually(t, func() bool { _, err := os.Stat(s.file("m", 0)); return err == nil }, time.Minute, time.Second/50)

		require.Equal(t, "the migration has begun\n", s.do("migrate", "to", socket, "bandwidth=64K", "detach=on"))
		require.Regexp(t, `(active|setup|device)`, s.do("migrate", "status"))
		parameters, err := qemu.QueryMigrateParameters{}.Do(t.Context(), s.c)
		require.NoError(t, err)
		require.EqualValues(t, 64<<10, *parameters.MaxBandwidth)
		require.NoError(t, migration.SetLimits(t.Context(), s.c, migration.Limits{Bandwidth: 1 << 30}))
		require.Contains(t, s.do("migrate", "wait"), "the machine is sent, after ")
		require.NoError(t, <-ended)
		require.Equal(t, "listens at "+socket+"\nthe machine is here\n", there.out.String())
		state, err := qemu.QueryStatus{}.Do(t.Context(), there.c)
		require.NoError(t, err)
		require.True(t, state.Running)
		require.Contains(t, s.do("migrate", "status"), "completed")
		s.refused(migration.ErrCompleted, "migrate", "cancel")
		s.refused(migration.ErrNotStarted, "migrate", "to", "no address")
	})
}
