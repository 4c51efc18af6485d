package hotplug_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// An opening notes what Disk.Open was asked for.
type opening struct{ asked []string }

func (o *opening) open(path string, flags int) (*os.File, error) {
	mode := map[int]string{os.O_RDONLY: "r", os.O_RDWR: "rw"}[flags&^syscall.O_DIRECT]
	if flags&syscall.O_DIRECT != 0 {
		mode += " direct"
	}
	o.asked = append(o.asked, filepath.Base(path)+" "+mode)
	return os.OpenFile(path, flags, 0)
}

// file is a node of a file.
func file(path string) *qemu.BlockdevOptions {
	return &qemu.BlockdevOptions{Driver: qemu.BlockdevDriverFile, Branch: &qemu.BlockdevOptionsFile{Filename: path}}
}

func define(node *qemu.BlockdevOptions) qemu.BlockdevRef { return qemu.BlockdevRef{Definition: node} }

// overlay is a node of a qcow2 image over another node, which may be nil.
func overlay(path string, backing *qemu.BlockdevOptions) *qemu.BlockdevOptions {
	node := &qemu.BlockdevOptionsQcow2{File: define(file(path))}
	if backing != nil {
		node.Backing = &qemu.BlockdevRefOrNull{Definition: backing}
	}
	return &qemu.BlockdevOptions{Branch: node}
}

// images makes empty files of these names in one folder.
func images(t *testing.T, names ...string) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, make([]byte, 4096), 0o600))
		paths = append(paths, path)
	}
	return paths
}

// TestOpen compares what is opened, and what QEMU is told to open, for trees of every form.
func TestOpen(t *testing.T) {
	p := images(t, "a", "b", "c")
	for _, c := range []struct {
		name  string
		disk  hotplug.Disk
		asked []string
		node  string
	}{
		{"path", hotplug.Disk{Path: p[0], AutoReadOnly: true}, []string{"a r", "a rw"},
			`{"driver":"file","filename":"/dev/fdset/0","read-only":false,"auto-read-only":true,"cache":{"direct":false}}`},
		{"path of an image", hotplug.Disk{Path: p[0], Format: "qcow2"}, []string{"a r", "a rw"},
			`{"driver":"qcow2","read-only":false,"auto-read-only":false,"cache":{"direct":false},"backing":null,"file":` +
				`{"driver":"file","filename":"/dev/fdset/0","read-only":false,"auto-read-only":false,"cache":{"direct":false}}}`},
		{"chain", hotplug.Disk{Node: overlay(p[0], overlay(p[1], file(p[2])))}, []string{"b r", "a r", "c r", "b r", "a rw"},
			`{"driver":"qcow2","backing":{"driver":"qcow2","backing":` +
				`{"driver":"file","filename":"/dev/fdset/0","read-only":true,"auto-read-only":false,"cache":{"direct":false}},"file":` +
				`{"driver":"file","filename":"/dev/fdset/1","read-only":true,"auto-read-only":false,"cache":{"direct":false}}},"file":` +
				`{"driver":"file","filename":"/dev/fdset/2","read-only":false,"auto-read-only":false,"cache":{"direct":false}}}`},
		{"inherited and not", hotplug.Disk{Node: &qemu.BlockdevOptions{
			ReadOnly: new(true), Cache: &qemu.BlockdevCacheOptions{Direct: new(false)}, Branch: &qemu.BlockdevOptionsQuorum{
				VoteThreshold: 1, Children: []qemu.BlockdevRef{
					define(file(p[0])),
					define(&qemu.BlockdevOptions{Driver: "host_device", ReadOnly: new(false), AutoReadOnly: new(true),
						Cache: &qemu.BlockdevCacheOptions{NoFlush: new(true)}, Branch: &qemu.BlockdevOptionsFile{Filename: p[1]}}),
					{Reference: new("other")},
				}}}}, []string{"a r", "b r", "b rw"},
			`{"driver":"quorum","vote-threshold":1,"read-only":true,"cache":{"direct":false},"children":[` +
				`{"driver":"file","filename":"/dev/fdset/0","read-only":true,"auto-read-only":false,"cache":{"direct":false}},` +
				`{"driver":"host_device","filename":"/dev/fdset/1","read-only":false,"auto-read-only":true,"cache":{"direct":false,"no-flush":true}},` +
				`"other"]}`},
		{"a driver of tomorrow", hotplug.Disk{Node: &qemu.BlockdevOptions{Driver: "new", Branch: &qemu.RawBranch{Members: qmp.Args{
			"layers": []any{qmp.Args{"driver": "file", "filename": p[0], "aio": "threads"}}, "driver-options": qmp.Args{"n": 1}, "none": nil,
		}}}}, []string{"a rw"},
			`{"driver":"new","driver-options":{"n":1},"none":null,"layers":[` +
				`{"driver":"file","filename":"/dev/fdset/0","aio":"threads","read-only":false,"auto-read-only":false,"cache":{"direct":false}}]}`},
		{"no file", hotplug.Disk{Node: memory("").Node}, nil, `{"driver":"null-co"}`},
		{"image elsewhere", hotplug.Disk{Node: &qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsQcow2{
			File: qemu.BlockdevRef{Reference: new("other")}}}}, nil, `{"driver":"qcow2","backing":null,"file":"other"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			qemutest.CheckFds(t)
			m := fakeqemu.New(t)
			vm := hotplug.New(m.Dial())
			var o opening
			disk := c.disk
			disk.ID, disk.Open = "d", o.open
			before := fmt.Sprint(disk.Node)
			require.NoError(t, vm.AddDisk(t.Context(), disk))
			require.Equal(t, before, fmt.Sprint(disk.Node), "the tree is the caller's")
			require.Equal(t, c.asked, o.asked)
			require.JSONEq(t, `{"node-name":"d",`+c.node[1:], argumentsOf(m, "blockdev-add"))
			require.NoError(t, vm.RemoveDisk(t.Context(), "d"))
			require.Empty(t, m.State())
		})
	}
}

// argumentsOf returns those of the last command of this name.
func argumentsOf(m *fakeqemu.Machine, command string) (args string) {
	for _, r := range m.Requests() {
		if r.Command == command {
			args = string(r.Arguments)
		}
	}
	return args
}

// TestOpenDirect has O_DIRECT for what asks for it, and for what is below it.
func TestOpenDirect(t *testing.T) {
	path := image(t)
	needsDirect(t, path)
	node := overlay(path, nil)
	node.Cache = &qemu.BlockdevCacheOptions{Direct: new(true)}
	var o opening
	m := fakeqemu.New(t)
	require.NoError(t, hotplug.New(m.Dial()).AddDisk(t.Context(), hotplug.Disk{ID: "d", Node: node, Open: o.open}))
	require.Equal(t, []string{"disk.img r", "disk.img rw direct"}, o.asked)
}

// TestOpenFails at each of its calls; nothing is sent, and nothing remains open.
func TestOpenFails(t *testing.T) {
	p := images(t, "a", "b")
	for _, fault := range []struct {
		name   string
		result func(path string) (*os.File, error)
		want   string
	}{
		{"error", func(string) (*os.File, error) { return nil, os.ErrPermission }, "permission denied"},
		{"of no use", func(path string) (*os.File, error) { return os.OpenFile(path, os.O_WRONLY, 0) }, ""},
		{"nil", func(string) (*os.File, error) { return nil, nil }, "invalid argument"},
	} {
		t.Run(fault.name, func(t *testing.T) {
			qemutest.CheckFds(t)
			for at := range 4 { // the beginnings of b and of a, then both
				m := fakeqemu.New(t)
				calls := 0
				err := hotplug.New(m.Dial()).AddDisk(t.Context(), hotplug.Disk{
					ID: "d", Node: overlay(p[0], overlay(p[1], nil)),
					Open: func(path string, flags int) (*os.File, error) {
						if calls++; calls-1 == at {
							return fault.result(path)
						}
						return os.OpenFile(path, flags, 0)
					},
				})
				require.ErrorContains(t, err, fault.want)
				require.Equal(t, at+1, calls)
				require.Empty(t, m.Requests())
			}
		})
	}
}

// TestNamesInImages has images that name files which the tree does not have.
func TestNamesInImages(t *testing.T) {
	qcow2 := func(version uint32, backing, features uint64) []byte {
		h := make([]byte, 512)
		copy(h, "QFI\xfb")
		binary.BigEndian.PutUint32(h[4:], version)
		binary.BigEndian.PutUint64(h[8:], backing)
		binary.BigEndian.PutUint64(h[72:], features)
		return h
	}
	qed := make([]byte, 512)
	copy(qed, "QED\x00")
	qed[16] = 1
	null := &qemu.BlockdevRefOrNull{Null: &qmp.Null{}}
	branch := func(path string) *qemu.BlockdevOptionsQcow2 {
		return &qemu.BlockdevOptionsQcow2{File: define(file(path))}
	}
	for _, c := range []struct {
		name   string
		header []byte
		node   func(path string) *qemu.BlockdevOptions
		want   string // of the error; none if empty
	}{
		{"overlay", qcow2(3, 1, 0), func(p string) *qemu.BlockdevOptions {
			return &qemu.BlockdevOptions{Branch: branch(p)}
		}, `"backing"`},
		{"overlay of old", qcow2(2, 1, 4), func(p string) *qemu.BlockdevOptions {
			return &qemu.BlockdevOptions{Branch: branch(p)}
		}, `"backing"`},
		{"overlay of nothing", qcow2(3, 1, 0), func(p string) *qemu.BlockdevOptions {
			b := branch(p)
			b.Backing = null
			return &qemu.BlockdevOptions{Branch: b}
		}, ""},
		{"data elsewhere", qcow2(3, 0, 4), func(p string) *qemu.BlockdevOptions {
			return &qemu.BlockdevOptions{Branch: branch(p)}
		}, `"data-file"`},
		{"data in the tree", qcow2(3, 0, 4), func(p string) *qemu.BlockdevOptions {
			b := branch(p)
			b.DataFile = new(define(file(p)))
			return &qemu.BlockdevOptions{Branch: b}
		}, ""},
		{"no data elsewhere in version 2", qcow2(2, 0, 4), func(p string) *qemu.BlockdevOptions {
			return &qemu.BlockdevOptions{Branch: branch(p)}
		}, ""},
		{"qcow", qcow2(1, 1, 0), func(p string) *qemu.BlockdevOptions {
			return &qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsQcow{File: define(file(p))}}
		}, `"backing"`},
		{"qed", qed, func(p string) *qemu.BlockdevOptions {
			return &qemu.BlockdevOptions{Driver: "qed", Branch: &qemu.BlockdevOptionsGenericCOWFormat{File: define(file(p))}}
		}, `"backing"`},
		{"backing file's", qcow2(3, 1, 0), func(p string) *qemu.BlockdevOptions {
			return overlay(p, overlay(p, nil))
		}, `"backing"`},
		{"vmdk", nil, func(p string) *qemu.BlockdevOptions {
			return &qemu.BlockdevOptions{Driver: "vmdk", Branch: &qemu.BlockdevOptionsGenericCOWFormat{File: define(file(p))}}
		}, "unsupported operation"},
		{"too short", []byte("QFI\xfb"), func(p string) *qemu.BlockdevOptions {
			return &qemu.BlockdevOptions{Branch: branch(p)}
		}, ""},
		{"raw", qcow2(3, 1, 4), file, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			qemutest.CheckFds(t)
			path := image(t)
			require.NoError(t, os.WriteFile(path, c.header, 0o600))
			var o opening
			m := fakeqemu.New(t)
			err := hotplug.New(m.Dial()).AddDisk(t.Context(), hotplug.Disk{ID: "d", Node: c.node(path), Open: o.open})
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.Empty(t, m.Requests())
		})
	}
}

// TestTreeFaults are trees that cannot be copied.
func TestTreeFaults(t *testing.T) {
	var o opening
	for _, c := range []struct {
		name string
		node qemu.BlockdevOptions
		want string
	}{
		{"no branch", qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsQcow2{}}, "file"},
		{"a cookie", qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsCurlHttps{URL: "https://h/", Cookie: new("k=v")}}, "put it into Secrets"},
		{"not of these types", qemu.BlockdevOptions{Driver: "new", Branch: &qemu.RawBranch{Members: qmp.Args{"filename": 1}}}, "filename"},
		{"deep", qemu.BlockdevOptions{Driver: "new", Branch: &qemu.RawBranch{Members: qmp.Args{
			"x": []any{qmp.Args{"driver": "new", "filename": 1}}}}}, "filename"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := fakeqemu.New(t)
			err := hotplug.New(m.Dial()).AddDisk(t.Context(), hotplug.Disk{ID: "d", Node: &c.node, Open: o.open})
			require.ErrorContains(t, err, c.want)
			require.Empty(t, m.Requests())
		})
	}
}

// TestFaultsOfTree lets each command of AddDisk go wrong for a tree with files and a secret.
func TestFaultsOfTree(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			qemutest.CheckFds(t)
			p := images(t, "a", "b", "c")
			var o opening
			m := fakeqemu.New(t)
			op := addsDisk(hotplug.Disk{
				ID: "d", Open: o.open, Node: overlay(p[0], luks(p[1], hotplug.SecretID("d", "k"))),
				Secrets: map[string][]byte{"k": []byte("key"), "l": nil},
			})
			op.commands = append(op.commands, "object-add")
			faultsAtEveryStep(t, m.Dial(), fault, op, m.State)
		})
	}
}

// luks is a node of an encrypted image.
func luks(path, secret string) *qemu.BlockdevOptions {
	return &qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsLUKS{KeySecret: &secret, File: define(file(path))}}
}
