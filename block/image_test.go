package block_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestCreateImage makes images of all formats and compares what qemu-img reads.
func TestCreateImage(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		size := int64(imageSize + 512)
		for name, c := range map[string]struct {
			image block.Image
			want  string
		}{
			"raw":   {block.Image{Size: size - 11}, `"virtual-size": 8389120,`},
			"qcow2": {block.Image{Size: size, ClusterSize: 1 << 20}, `"cluster-size": 1048576,`},
			"overlay.qcow2": {
				block.Image{Size: size, BackingFile: "/srv/base.img", BackingFormat: "raw"}, `"backing-filename": "/srv/base.img",`,
			},
			"vmdk": {block.Image{Options: func(file qemu.BlockdevRef, _ string) qemu.BlockdevCreateOptions {
				return qemu.BlockdevCreateOptions{Branch: &qemu.BlockdevCreateOptionsVMDK{File: file, Size: uint64(size)}}
			}}, `"virtual-size": 8389120,`},
		} {
			format := qemu.BlockdevDriver(name[max(0, len(name)-5):])
			if name == "raw" || name == "vmdk" {
				format = qemu.BlockdevDriver(name)
			}
			c.image.Backend = hotplug.File{Path: m.path(name), Format: format}
			require.NoError(t, m.disks.CreateImage(ctx, "data1", c.image), name)
			m.clean(t)
			out, err := m.image("info", "--output=json", "-U", "-f", string(format), m.path(name))
			require.NoError(t, err, out)
			require.Contains(t, out, c.want, name)
			require.ErrorIs(t, m.disks.CreateImage(ctx, "data1", c.image), block.ErrNotEmpty, name)
		}
		info, err := os.Stat(m.path("raw"))
		require.NoError(t, err)
		require.Equal(t, size-11, info.Size())
	})
}

// TestCreateEncrypted makes an image with a key and adds it as a disk. QEMU first measures for some seconds how fast the
// computer is, so each version makes only one image.
func TestCreateEncrypted(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		file, err := os.OpenFile(m.path("secret"), os.O_RDWR|os.O_CREATE, 0o600)
		require.NoError(t, err)
		defer file.Close()
		node := qemu.BlockdevRef{Definition: &qemu.BlockdevOptions{Driver: "file", Branch: &qemu.BlockdevOptionsFile{Filename: m.path("secret")}}}
		secret := new(hotplug.SecretID("data1", "key"))
		options := qemu.BlockdevOptions{Driver: "luks", Branch: &qemu.BlockdevOptionsLUKS{File: node, KeySecret: secret}}
		if m.qemu.Release() != allVersions[0] {
			options = qemu.BlockdevOptions{Driver: "qcow2", Branch: &qemu.BlockdevOptionsQcow2{File: node, Encrypt: &qemu.BlockdevQcow2Encryption{
				Format: "luks", Branch: &qemu.QCryptoBlockOptionsLUKS{KeySecret: secret},
			}}}
		}
		key := []byte("a key")
		require.NoError(t, m.disks.CreateImage(ctx, "data1", block.Image{
			Backend: &hotplug.Descriptor{File: file, Format: options.Driver}, Size: imageSize, Key: key, KeyTime: time.Millisecond,
		}))
		m.clean(t)
		require.NoError(t, m.plug.AddDisk(ctx, hotplug.Disk{
			ID: "data1", Driver: "scsi-hd", Backend: hotplug.Blockdev{Options: options, Secrets: map[string][]byte{"key": key}},
		}))
		d, err := m.disks.Disk(ctx, "data1")
		require.NoError(t, err)
		require.EqualValues(t, imageSize, d.Size())
		m.write(t, "data1", 7, 0, 1<<20)
		m.read(t, "data1", 7, 0, 1<<20)
		content, err := os.ReadFile(m.path("secret"))
		require.NoError(t, err)
		require.NotContains(t, string(content), "\x07\x07\x07\x07\x07\x07\x07\x07")
	})
}

// TestCreateImageErrors checks the errors that CreateImage finds, and that a failure leaves an empty file.
func TestCreateImageErrors(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		ctx := within(t)
		file := func(format qemu.BlockdevDriver) hotplug.File {
			return hotplug.File{Path: m.path("new"), Format: format}
		}
		for text, image := range map[string]block.Image{
			"Backend is a <nil>": {Size: 512},
			"Size is 0":          {Backend: file("raw")},
			"need each other":    {Backend: file("qcow2"), Size: 512, BackingFile: "base"},
			`format is "vdi"`:    {Backend: file("vdi"), Size: 512},
			"are for qcow2":      {Backend: file("raw"), Size: 512, ClusterSize: 512},
			"Key is empty":       {Backend: file("luks"), Size: 512},
			"Key is for":         {Backend: file("raw"), Size: 512, Key: []byte("key")},
		} {
			require.ErrorContains(t, m.disks.CreateImage(ctx, "data1", image), text)
		}
		err := m.disks.CreateImage(ctx, "data1", block.Image{Backend: file("qcow2"), Size: 513, Key: []byte("key")})
		failed := (*job.FailedError)(nil)
		require.ErrorAs(t, err, &failed)
		require.NotEmpty(t, failed.Reason)
		info, err := os.Stat(m.path("new"))
		require.NoError(t, err)
		require.Zero(t, info.Size())
		m.clean(t)
		objects, err := qemu.QOMList{Path: "/objects"}.Do(ctx, m)
		require.NoError(t, err)
		for _, o := range objects {
			require.NotEqual(t, "child<secret>", o.Type)
		}
	})
}

// TestCreateImageFaults ends the context before and after each command. Afterwards nothing is left in QEMU, and the
// image can be made.
func TestCreateImageFaults(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		image := block.Image{Key: []byte("key"), Options: func(file qemu.BlockdevRef, _ string) qemu.BlockdevCreateOptions {
			return qemu.BlockdevCreateOptions{Branch: &qemu.BlockdevCreateOptionsQcow2{File: file, Size: imageSize}}
		}}
		m.faults(t, func(ctx context.Context, conn qmp.Conn) error {
			require.NoError(t, os.RemoveAll(m.path("new")))
			image.Backend = hotplug.File{Path: m.path("new"), Format: "qcow2"}
			return block.New(conn).CreateImage(ctx, "data1", image)
		}, func() {
			m.clean(t)
			objects, err := qemu.QOMList{Path: "/objects"}.Do(t.Context(), m)
			require.NoError(t, err)
			for _, o := range objects {
				require.NotEqual(t, "child<secret>", o.Type, o.Name)
			}
			info, err := os.Stat(m.path("new"))
			if err == nil {
				require.Zero(t, info.Size())
			}
		}, nil)
	})
}
