package hotplug_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// An opening notes what Blockdev.Open was asked for.
type opening struct{ asked []string }

func (o *opening) open(path string, flags int) (*os.File, error) {
	access := flags & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
	mode := map[int]string{os.O_RDONLY: " r", os.O_RDWR: " rw"}[access]
	if flags != access {
		mode += " direct" // no other flag is asked for
	}
	o.asked = append(o.asked, filepath.Base(path)+mode)
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
		{"path", hotplug.Disk{Backend: hotplug.File{Path: p[0], AutoReadOnly: true}}, []string{"a rw"},
			`{"driver":"file","filename":"/dev/fdset/0","read-only":false,"auto-read-only":false,"cache":{"direct":false}}`},
		{"path of an image", hotplug.Disk{Backend: hotplug.File{Path: p[0], Format: "qcow2"}}, []string{"a r", "a rw"},
			`{"driver":"qcow2","read-only":false,"auto-read-only":false,"cache":{"direct":false},"backing":null,"file":` +
				`{"driver":"file","filename":"/dev/fdset/0","read-only":false,"auto-read-only":false,"cache":{"direct":false}}}`},
		{"chain", hotplug.Disk{Backend: hotplug.Blockdev{Options: *overlay(p[0], overlay(p[1], file(p[2])))}}, []string{"b r", "a r", "c r", "b r", "a rw"},
			`{"driver":"qcow2","backing":{"driver":"qcow2","backing":` +
				`{"driver":"file","filename":"/dev/fdset/0","read-only":true,"auto-read-only":false,"cache":{"direct":false}},"file":` +
				`{"driver":"file","filename":"/dev/fdset/1","read-only":true,"auto-read-only":false,"cache":{"direct":false}}},"file":` +
				`{"driver":"file","filename":"/dev/fdset/2","read-only":false,"auto-read-only":false,"cache":{"direct":false}}}`},
		{"inherited and not", hotplug.Disk{Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{
			ReadOnly: new(true), Cache: &qemu.BlockdevCacheOptions{Direct: new(false)}, Branch: &qemu.BlockdevOptionsQuorum{
				VoteThreshold: 1, Children: []qemu.BlockdevRef{
					define(file(p[0])),
					define(&qemu.BlockdevOptions{Driver: "host_device", ReadOnly: new(false), AutoReadOnly: new(true),
						Cache: &qemu.BlockdevCacheOptions{NoFlush: new(true)}, Branch: &qemu.BlockdevOptionsFile{Filename: p[1]}}),
					{Reference: new("other")},
				}}}}}, []string{"a r", "b rw"},
			`{"driver":"quorum","vote-threshold":1,"read-only":true,"cache":{"direct":false},"children":[` +
				`{"driver":"file","filename":"/dev/fdset/0","read-only":true,"auto-read-only":false,"cache":{"direct":false}},` +
				`{"driver":"host_device","filename":"/dev/fdset/1","read-only":false,"auto-read-only":false,"cache":{"direct":false,"no-flush":true}},` +
				`"other"]}`},
		{"a driver of tomorrow", hotplug.Disk{Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{Driver: "new", Branch: &qemu.RawBranch{Members: qmp.Args{
			"layers": []any{qmp.Args{"driver": "file", "filename": p[0], "aio": "threads"}}, "driver-options": qmp.Args{"n": 1}, "none": nil,
		}}}}}, []string{"a rw"},
			`{"driver":"new","driver-options":{"n":1},"none":null,"layers":[` +
				`{"driver":"file","filename":"/dev/fdset/0","aio":"threads","read-only":false,"auto-read-only":false,"cache":{"direct":false}}]}`},
		{"no file", hotplug.Disk{Backend: hotplug.Blockdev{Options: *nullNode()}}, nil, `{"driver":"null-co"}`},
		{"image elsewhere", hotplug.Disk{Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsQcow2{
			File: qemu.BlockdevRef{Reference: new("other")}}}}}, nil, `{"driver":"qcow2","backing":null,"file":"other"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			qemutest.CheckFds(t)
			m := fakeqemu.NewUnchecked(t) // it has the driver of tomorrow
			vm := hotplug.New(m.Dial(), nil)
			var o opening
			disk := openedBy(c.disk, o.open)
			disk.ID = "d"
			before := fmt.Sprint(disk.Backend)
			require.NoError(t, vm.AddDisk(t.Context(), disk))
			require.Equal(t, before, fmt.Sprint(disk.Backend), "the tree is the caller's")
			require.Equal(t, c.asked, o.asked)
			require.JSONEq(t, `{"node-name":"d",`+c.node[1:], argumentsOf(m, "blockdev-add"))
			require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
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
	require.NoError(t, hotplug.New(m.Dial(), nil).AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.Blockdev{Options: *node, Open: o.open}}))
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
				err := hotplug.New(m.Dial(), nil).AddDisk(t.Context(), hotplug.Disk{
					ID: "d", Backend: hotplug.Blockdev{Options: *overlay(p[0], overlay(p[1], nil)), Open: func(path string, flags int) (*os.File, error) {
						if calls++; calls-1 == at {
							return fault.result(path)
						}
						return os.OpenFile(path, flags, 0)
					}},
				})
				require.ErrorContains(t, err, fault.want)
				require.Equal(t, at+1, calls)
				require.Empty(t, m.Requests())
			}
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
		{"not of these types", qemu.BlockdevOptions{Driver: "new", Branch: &qemu.RawBranch{Members: qmp.Args{"filename": 1}}}, "filename"},
		{"deep", qemu.BlockdevOptions{Driver: "new", Branch: &qemu.RawBranch{Members: qmp.Args{
			"x": []any{qmp.Args{"driver": "new", "filename": 1}}}}}, "filename"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := fakeqemu.New(t)
			err := hotplug.New(m.Dial(), nil).AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.Blockdev{Options: c.node, Open: o.open}})
			require.ErrorContains(t, err, c.want)
			require.Empty(t, m.Requests())
		})
	}
}

// luks is a node of an encrypted image.
func luks(path, secret string) *qemu.BlockdevOptions {
	return &qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsLUKS{KeySecret: &secret, File: define(file(path))}}
}
