package picture_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/picture"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/internal/show"
	"github.com/qmpkit/qmpkit/qmp"
)

// text draws a picture, with the names of temporary files and of QEMU's own nodes replaced.
func text(t *testing.T, p *picture.Picture, err error) string {
	t.Helper()
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, p.Text(&out, picture.Options{}))
	cleaned := regexp.MustCompile(`/\S*/(\w+\.)`).ReplaceAllString(out.String(), "$1")
	cleaned = regexp.MustCompile(`, \d+ \w+ used`).ReplaceAllString(cleaned, ", some used")
	cleaned = regexp.MustCompile(`fd \d+`).ReplaceAllString(cleaned, "fd N")
	return "\n" + regexp.MustCompile(`#block\d+`).ReplaceAllString(cleaned, "#block")
}

func TestQEMU(t *testing.T) {
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.StartFull(t)
		do(t, c, "block-dirty-bitmap-add", qmp.Args{"node": "limit", "name": "daily"})
		p, err := picture.Block(t.Context(), c)
		target, filter, note, deep := "target  not known", "", fmt.Sprintf("QEMU %s has no safe query for nodes that no disk uses: query-named-block-nodes can terminate it.\n", q.Release()), ""
		if q.Release() == "11.1" {
			target, filter, note, deep = "target  null-co, 10 GiB", "  mirror_top, 10 GiB", "", "\n   │  ├─ bitmap backup0  0 B dirty"
		}
		assert.Equal(t, `
cd1  no medium
data1  disk, 64 MiB
└─ limit  throttle, 64 MiB
   ├─ file: top  qcow2, 64 MiB, top.qcow2, some used
   │  ├─ file: top-file  file`+deep+`
   │  ├─ export export0  nbd
   │  └─ backing: base  raw, 64 MiB, base.img, some used
   │     └─ file: base-file  file
   └─ bitmap daily  0 B dirty
data2  disk, 10 GiB
├─ #block`+filter+`
│  └─ backing: zero  null-co, 10 GiB
└─ job mirror0  mirror, running, 0 %
   ├─ source: zero  ↑
   └─ target: `+target+`
fd set 3  fd N base
`+note, text(t, p, err))

		p, err = picture.PCI(t.Context(), c)
		assert.Contains(t, text(t, p, err), `
├─ 01.0 rp1  pcie-root-port
│  └─ bus rp1  PCI Express, hotplug
│     └─ 00.0 bridge1  pcie-pci-bridge
│        └─ bus bridge1  PCI, hotplug
│           └─ 03.0 scsi0  virtio-scsi-pci
├─ 02.0 rp2  pcie-root-port
│  └─ bus rp2  PCI Express, hotplug, empty
`)
		p, err = picture.Net(t.Context(), c)
		assert.Equal(t, `
nic0  virtio-net-pci, 52:54:00:12:34:56, promiscuous
└─ netdev net0  user, net=10.0.2.0, restrict=off
netdev net1  user, net=10.0.2.0, restrict=off
`, text(t, p, err))

		p, err = picture.QOM(t.Context(), c, "/machine/peripheral")
		drawn := text(t, p, err)
		assert.Contains(t, drawn, "\n/machine/peripheral  container\n├─ bridge1  pcie-pci-bridge, ")
		assert.Regexp(t, `\n├─ nic0  virtio-net-pci, 1\d memory regions\n│  ├─ virtio-backend  virtio-net-device\n`, drawn)
		_, err = picture.QOM(t.Context(), c, "/nothing")
		require.ErrorContains(t, err, "no such object")
	})
}

// TestBlockOfDrives draws disks of -drive: one with a device, one without an ID, and one that no device uses.
func TestBlockOfDrives(t *testing.T) {
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		path := filepath.Join(t.TempDir(), "d.img")
		require.NoError(t, os.WriteFile(path, make([]byte, 1<<20), 0o600))
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{
			"-drive", "if=none,id=drv,format=raw,snapshot=on,file=" + path, "-device", "ide-hd,drive=drv,id=old",
			"-drive", "if=virtio,format=raw,read-only=on,file=" + path,
			"-drive", "if=none,id=lonely,driver=null-co,size=1048576",
		}}).Dial(t)
		p, err := picture.Block(t.Context(), c)
		drawn := text(t, p, err)
		assert.Regexp(t, `
old  disk, 1 MiB
└─ #block  qcow2, 1 MiB, \S+, some used
   ├─ file: #block  file
   └─ backing: #block  raw, 1 MiB, d.img, some used
      └─ file: #block  file
`, drawn)
		assert.Contains(t, drawn, "\nvirtio0  disk, 1 MiB, read-only\n└─ #block  raw, 1 MiB, d.img, some used\n   └─ file: #block  file\n")
		assert.Contains(t, drawn, "\nlonely  disk, 1 MiB\n└─ #block  null-co, 1 MiB\n")
		assert.NotRegexp(t, `\n#block`, drawn, "a node of a disk is also on its own")
	})
}

// TestBlockWithDescriptors draws a disk that QEMU opens from descriptors.
func TestBlockWithDescriptors(t *testing.T) {
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.StartFull(t)
		do(t, c, "blockdev-add", qmp.Args{"driver": "raw", "node-name": "fresh", "read-only": true,
			"file": qmp.Args{"driver": "file", "filename": "/dev/fdset/3", "node-name": "fresh-file", "read-only": true}})
		p, err := picture.Block(t.Context(), c)
		want := "\nfresh  not known\n└─ file: fresh-file  file\nfd set 3  fd N base"
		if q.Release() == "11.1" {
			want = "\nfresh  raw, 64 MiB, read-only, some used\n├─ file: fresh-file  file\n└─ fd set 3  fd N base"
		}
		assert.Contains(t, text(t, p, err), want)

		do(t, c, "device_add", qmp.Args{"driver": "scsi-hd", "id": "data3", "bus": "scsi0.0", "drive": "fresh"})
		p, err = picture.Block(t.Context(), c)
		drawn := text(t, p, err)
		assert.Contains(t, drawn, `
data3  disk, 64 MiB, read-only
└─ fresh  raw, 64 MiB, some used
   ├─ file: fresh-file  file
   └─ fd set 3  fd N base
`)
		assert.Equal(t, 1, strings.Count(drawn, "fd set"))
	})
}

// A refuser refuses a command, as a server that lacks it.
type refuser struct {
	qmp.Conn
	refused string
}

func (r *refuser) Execute(ctx context.Context, call *qmp.Call) error {
	if call.Command == r.refused {
		return &qmp.Error{Command: call.Command, Class: qmp.ErrCommandNotFound, Desc: "not found"}
	}
	return r.Conn.Execute(ctx, call)
}

// TestBlockWithoutGraph draws the layers of the disks if the server has no graph.
func TestBlockWithoutGraph(t *testing.T) {
	c := qemutest.Get(t, "10.0").StartFull(t)
	p, err := picture.Block(t.Context(), &refuser{Conn: c, refused: "x-debug-query-block-graph"})
	assert.Contains(t, text(t, p, err), `
data1  disk, 64 MiB
└─ limit  throttle, 64 MiB
   └─ file: top  qcow2, 64 MiB, top.qcow2, some used
      ├─ export export0  nbd
      └─ backing: base  raw, 64 MiB, base.img, some used
data2  disk, 10 GiB
`)
}

// TestBlockOfEndedJob draws a backup that has ended, and QEMU goes on.
func TestBlockOfEndedJob(t *testing.T) {
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.StartFull(t)
		if q.Release() != "11.1" { // the picture does not send what would end this QEMU
			_, err := picture.Block(t.Context(), &refuser{Conn: c, refused: "query-named-block-nodes"})
			require.NoError(t, err)
		}
		do(t, c, "blockdev-add", qmp.Args{"driver": "null-co", "node-name": "copy", "size": 64 << 20})
		do(t, c, "blockdev-backup", qmp.Args{"job-id": "b", "device": "top", "target": "copy", "sync": "full", "auto-dismiss": false})
		require.Eventually(t, func() bool {
			p, err := picture.Block(t.Context(), c)
			return strings.Contains(text(t, p, err), "job b  backup, concluded, 100 %")
		}, 20*time.Second, 100*time.Millisecond)
	})
}

// TestFit: in a narrow terminal, the name of a file stays.
func TestFit(t *testing.T) {
	p := &picture.Picture{Note: "a note of more than one line", Roots: []*picture.Thing{{Name: "top", Notes: []string{"qcow2", "64 MiB", "/srv/images/top.qcow2", "1 MiB used"}}}}
	for width, want := range map[int]string{
		0:  "top  qcow2, 64 MiB, /srv/images/top.qcow2, 1 MiB used\na note of more than one line\n",
		40: "top  qcow2, 64 MiB, …rv/images/top.qcow2\na note of more than one line\n",
		30: "top  qcow2, …/images/top.qcow2\na note of more than one line\n",
		20: "top  …ages/top.qcow2\na note of more than\none line\n",
	} {
		var out strings.Builder
		require.NoError(t, p.Text(&out, picture.Options{Options: show.Options{Width: width}}))
		assert.Equal(t, want, out.String(), width)
	}
}

func do(t *testing.T, c *qmp.Client, command string, args qmp.Args) {
	t.Helper()
	_, err := qmp.Raw{Command: command, Args: args}.Do(t.Context(), c)
	require.NoError(t, err, command)
}
