package hotplug_test

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

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
		}, "Open cannot replace the other files"},
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
			err := hotplug.New(m.Dial(), nil).AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.Blockdev{Options: *c.node(path), Open: o.open}})
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.Equal(t, c.name == "vmdk", errors.Is(err, errors.ErrUnsupported))
			require.Empty(t, m.Requests())
		})
	}
}
