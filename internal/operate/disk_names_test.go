package operate_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
)

// TestNamesOfDisks has disks whose devices have no ID, and the names by which people see disks in the answers of QEMU.
func TestNamesOfDisks(t *testing.T) {
	onAll(t, func(t *testing.T, q *qemutest.QEMU) {
		dir := t.TempDir()
		for _, name := range []string{"a", "b", "c"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), make([]byte, 1<<20), 0o600))
		}
		s := start(t, q, "-drive", "if=virtio,format=raw,file="+filepath.Join(dir, "a"),
			"-drive", "if=none,id=root,format=raw,file="+filepath.Join(dir, "b"), "-device", "scsi-hd,id=d0,drive=root",
			"-blockdev", "driver=file,node-name=c0,filename="+filepath.Join(dir, "c"), "-device", "scsi-hd,drive=c0",
			"-drive", "if=none,id=spare,format=raw,file.driver=null-co")
		list := s.do("list", "disks")
		require.Regexp(t, `(?m)^virtio0: 1 MiB\n`, list)
		require.Regexp(t, `(?m)^d0: 1 MiB\n`, list)
		require.Regexp(t, `(?m)^drive spare: `, list)
		anonymous := regexp.MustCompile(`(?m)^(anon\d+): 1 MiB\n`).FindStringSubmatch(list)
		require.Len(t, anonymous, 2, list)
		paths := map[string]string{}
		s.env.Show = func(value any) error {
			for _, d := range reflect.ValueOf(value).Seq2() {
				paths[d.FieldByName("Name").String()] = d.FieldByName("Path").String()
			}
			return nil
		}
		s.do("list", "disks")
		s.env.Show = nil
		for word, name := range map[string]string{
			"virtio0": "virtio0", paths["virtio0"]: "virtio0", strings.TrimSuffix(paths["virtio0"], "/virtio-backend"): "virtio0",
			"d0": "d0", "root": "d0", "c0": anonymous[1], anonymous[1]: anonymous[1], paths[anonymous[1]]: anonymous[1],
		} {
			require.Equal(t, "disk "+name+" has no limits\n", s.do("throttle", word), word)
		}
		require.Equal(t, "disk virtio0 has 2 MiB\n", s.do("resize", "disk", paths["virtio0"], "2M"))
		over := s.file("over.qcow2", 0)
		require.Equal(t, "disk virtio0 writes to "+over+"\n", s.do("snapshot", "virtio0", over))
		require.Equal(t, "disk virtio0 is merged\n", s.do("commit", paths["virtio0"]))
		require.Contains(t, s.refused(hotplug.ErrNoID, "remove", "disk", "virtio0"), "device_del with id=/machine/peripheral-anon/device[")
		require.Regexp(t, `^there is no disk d9: the disks are .*virtio0`, s.refused(block.ErrNoDisk, "commit", "d9"))
		require.Regexp(t, `^there is no disk d9: the disks are .*virtio0`, s.refused(qmp.ErrDeviceNotFound, "resize", "disk", "d9", "1M"))
		require.Contains(t, s.refused(operate.ErrMistake, "throttle", "spare"), "no device uses drive")
		require.Equal(t, "removed disk d0\n", s.do("remove", "disk", "root"))
	})
}

// TestFilesOfDisks adds files that do not fit, that are in use, or that have no ID beside them.
func TestFilesOfDisks(t *testing.T) {
	onAll(t, func(t *testing.T, q *qemutest.QEMU) {
		s := start(t, q)
		image := s.file("image.qcow2", 0)
		s.do("create", "image", image, "3M")
		content, err := os.ReadFile(image)
		require.NoError(t, err)
		hidden := s.file("hidden.img", 0)
		require.NoError(t, os.WriteFile(hidden, content, 0o600))
		raw := s.file("raw.qcow2", 1<<20)
		vmdk := s.file("x.vmdk", 0)
		require.NoError(t, os.WriteFile(vmdk, append([]byte("KDMV"), make([]byte, 1020)...), 0o600))
		for _, test := range [][2]string{
			{"d0 " + hidden, hidden + " is a qcow2 image: write format=qcow2; or format=raw if the guest shall see the image itself"},
			{"d0 " + raw, raw + " is not a qcow2 image: write format=raw if the guest shall see its content as it is"},
			{"d0 " + vmdk, vmdk + " is a vmdk image: convert it with qemu-img convert -O qcow2, or write format=raw if the guest shall see the image itself"},
			{hidden, "the ID is missing: write add disk hidden " + hidden},
			{"d0", "the file is missing: write add disk d0 FILE, or node=NODE, or blockdev=JSON"},
			{"d0 " + s.file("none", 0), s.file("none", 0) + ": no such file or directory"},
		} {
			var want error
			if !strings.HasSuffix(test[1], "directory") {
				want = operate.ErrMistake
			}
			require.Contains(t, s.refused(want, append([]string{"add", "disk", "driver=scsi-hd"}, strings.Fields(test[0])...)...), test[1])
		}
		require.Contains(t, s.refused(operate.ErrMistake, "change", "medium", "cd0", hidden), "write format=qcow2")
		require.Equal(t, "added disk d0: "+image+" (qcow2, 3 MiB)\n", s.do("add", "disk", "d0", image, "driver=scsi-hd"))
		require.Equal(t, "added disk d1: "+hidden+" (raw, read-only)\n", s.do("add", "disk", "d1", hidden, "format=raw", "read-only=on", "driver=scsi-hd"))

		require.Regexp(t, `^add disk "d2": \S.*; disk d0 of this machine uses `+image+"$", s.refused(nil, "add", "disk", "d2", image, "driver=scsi-hd"))
		require.Regexp(t, "; give the name of a new file|the file has content: give the name of a new file", s.refused(block.ErrNotEmpty, "move", "d0", raw))
		if _, err := os.Stat("/proc/self/fdinfo"); err == nil {
			var out bytes.Buffer
			vm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-device", "virtio-scsi-pci"}})
			other := &session{T: t, vm: vm, c: vm.Dial(t), dir: s.dir}
			other.env = &operate.Env{Conn: other.c, Out: &out}
			require.Regexp(t, `; \S+ \(process \d+\) uses `+image+"$", other.refused(nil, "add", "disk", "d0", image, "driver=scsi-hd"))
		}

		require.Contains(t, s.refused(operate.ErrMistake, "throttle", "d0", "bytes=1M", "read-bytes=1M"), "leave out read-bytes and write-bytes")
		require.Contains(t, s.refused(operate.ErrMistake, "throttle", "d0", "iops=1", "write-iops=1"), "leave out read-iops and write-iops")
		require.Equal(t, "read-bytes: at most 1 MiB a second\nall disks of the group slow share the limits\n", s.do("throttle", "d0", "read-bytes=1M", "group=slow"))
	})
}

// TestReadOnlyFile adds a file that this user cannot write.
func TestReadOnlyFile(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can write everything")
	}
	s := start(t, qemutest.Get(t, "10.0"))
	path := s.file("x.img", 1<<20)
	require.NoError(t, os.Chmod(path, 0o400))
	require.Contains(t, s.refused(os.ErrPermission, "add", "disk", "d0", path, "driver=scsi-hd"), "with read-only=on, the guest only reads it")
	require.Contains(t, s.do("add", "disk", "d0", path, "driver=scsi-hd", "read-only=on"), "read-only")
}
