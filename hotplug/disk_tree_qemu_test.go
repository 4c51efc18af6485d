package hotplug_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// img runs qemu-img. Making a key, it measures the CPU, which fails when others have that: then it
// is run again.
func img(t *testing.T, q *qemutest.QEMU, args ...string) {
	t.Helper()
	program, err := q.Program("qemu-img")
	require.NoError(t, err)
	var out []byte
	for range 10 {
		out, err = exec.Command(program, args...).CombinedOutput()
		if !strings.Contains(string(out), "accurate CPU usage") {
			break
		}
	}
	require.NoError(t, err, "%s: %s", args, out)
}

// chain makes qcow2 images in a folder, each an overlay of the next, and returns their paths.
func chain(t *testing.T, q *qemutest.QEMU, n int) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		paths = append(paths, filepath.Join(dir, fmt.Sprintf("chain%d", i)))
	}
	img(t, q, "create", "-q", "-f", "qcow2", paths[n-1], "1M")
	for i := n - 2; i >= 0; i-- {
		img(t, q, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", paths[i+1], paths[i])
	}
	return paths
}

// encryptedImages are those that were made: each takes qemu-img seconds of measuring its CPU.
var (
	encryptedTurn   sync.Mutex // held while one is made: QEMUs are tested side by side
	encryptedImages = map[string][]byte{}
)

// encryptedImage makes an image of LUKS, or a qcow2 that is encrypted so.
func encryptedImage(t *testing.T, q *qemutest.QEMU, format, prefix string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), format)
	encryptedTurn.Lock()
	defer encryptedTurn.Unlock()
	if encryptedImages[format] == nil {
		img(t, q, "create", "-q", "-f", format, "--object", "secret,id=s,data=secret", "-o",
			prefix+"key-secret=s,"+prefix+"iter-time=10", path, "1M")
		made, err := os.ReadFile(path)
		require.NoError(t, err)
		encryptedImages[format] = made
	}
	require.NoError(t, os.WriteFile(path, encryptedImages[format], 0o600))
	return path
}

// treesOfEveryKind adds trees and removes them, and lets each command of adding one go wrong.
func treesOfEveryKind(t *testing.T, q *qemutest.QEMU, qvm *qemutest.VM, c *qmp.Client) {
	key := new(hotplug.SecretID("d", "key"))
	secrets := map[string][]byte{"key": []byte("secret")}
	kinds := map[string]func(t *testing.T, q *qemutest.QEMU) hotplug.Disk{
		"chain of 3": func(t *testing.T, q *qemutest.QEMU) hotplug.Disk {
			p := chain(t, q, 3)
			return hotplug.Disk{Backend: hotplug.Blockdev{Options: *overlay(p[0], overlay(p[1], overlay(p[2], nil)))}}
		},
		"direct chain, not written to": func(t *testing.T, q *qemutest.QEMU) hotplug.Disk {
			p := chain(t, q, 2)
			needsDirect(t, p[0])
			node := overlay(p[0], overlay(p[1], nil))
			node.ReadOnly, node.Cache = new(true), &qemu.BlockdevCacheOptions{Direct: new(true)}
			return hotplug.Disk{Backend: hotplug.Blockdev{Options: *node}}
		},
		"auto-read-only, of named nodes": func(t *testing.T, q *qemutest.QEMU) hotplug.Disk {
			p := chain(t, q, 2)
			below := overlay(p[1], nil)
			below.NodeName = new("below")
			node := overlay(p[0], below)
			node.AutoReadOnly = new(true)
			node.Branch.(*qemu.BlockdevOptionsQcow2).File.Definition.NodeName = new("protocol")
			return hotplug.Disk{Backend: hotplug.Blockdev{Options: *node}}
		},
		"LUKS": func(t *testing.T, q *qemutest.QEMU) hotplug.Disk {
			return hotplug.Disk{Backend: hotplug.Blockdev{Secrets: secrets, Options: *luks(encryptedImage(t, q, "luks", ""), *key)}}
		},
		"encrypted qcow2": func(t *testing.T, q *qemutest.QEMU) hotplug.Disk {
			return hotplug.Disk{Backend: hotplug.Blockdev{Secrets: secrets, Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsQcow2{
				File:    define(file(encryptedImage(t, q, "qcow2", "encrypt.format=luks,encrypt."))),
				Encrypt: &qemu.BlockdevQcow2Encryption{Branch: &qemu.QCryptoBlockOptionsLUKS{KeySecret: key}},
			}}}}
		},
		"data file": func(t *testing.T, q *qemutest.QEMU) hotplug.Disk {
			dir := t.TempDir()
			path, data := filepath.Join(dir, "image"), filepath.Join(dir, "data")
			img(t, q, "create", "-q", "-f", "qcow2", "-o", "data_file="+data, path, "1M")
			return hotplug.Disk{Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsQcow2{
				File: define(file(path)), DataFile: new(define(file(data)))}}}}
		},
		"filters": func(t *testing.T, q *qemutest.QEMU) hotplug.Disk {
			return hotplug.Disk{Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsCOR{
				File: define(&qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsRaw{
					Offset: new(int64(4096)), File: define(file(image(t)))}})}}}}
		},
		"quorum": func(t *testing.T, q *qemutest.QEMU) hotplug.Disk {
			return hotplug.Disk{Backend: hotplug.Blockdev{Options: qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsQuorum{VoteThreshold: 2,
				Children: []qemu.BlockdevRef{define(file(image(t))), define(file(image(t)))}}}}}
		},
	}
	vm := hotplug.New(c, nil)
	addAndRemove := func(t *testing.T, disk hotplug.Disk) {
		before, fds := stateOf(t, c), qemuFds(t, qvm)
		disk.ID = "d"
		require.NoError(t, vm.AddDisk(limit(t), disk))
		require.Equal(t, []string{"d"}, inQueryBlock(t, c))
		require.NoError(t, errorOf(vm.RemoveDisk(limit(t), "d")))
		require.Equal(t, before, stateOf(t, c))
		require.Equal(t, fds, qemuFds(t, qvm))
	}
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			var open opening
			addAndRemove(t, openedBy(kind(t, q), open.open))
			require.NotEmpty(t, open.asked)
		})
	}
	t.Run("opened by QEMU", func(t *testing.T) { addAndRemove(t, kinds["LUKS"](t, q)) })
	t.Run("over a node that remains", func(t *testing.T) {
		p := chain(t, q, 2)
		base := named("base", overlay(p[1], nil))
		base.ReadOnly = new(true)
		require.NoError(t, qemu.BlockdevAdd(base).Do(t.Context(), c))
		node := overlay(p[0], nil)
		node.Branch.(*qemu.BlockdevOptionsQcow2).Backing = &qemu.BlockdevRefOrNull{Reference: new("base")}
		var open opening
		addAndRemove(t, hotplug.Disk{Backend: hotplug.Blockdev{Options: *node, Open: open.open}})
	})
	for _, fault := range []fakeqemu.Fault{fakeqemu.Refused, fakeqemu.LostAfter} { // all are tried on a fake
		t.Run(string(fault), func(t *testing.T) {
			fds := qemuFds(t, qvm)
			var open opening
			node := overlay(chain(t, q, 1)[0], luks(encryptedImage(t, q, "luks", ""), *key))
			op := addsDisk(hotplug.Disk{ID: "d", Backend: hotplug.Blockdev{Options: *node, Open: open.open, Secrets: secrets}})
			op.commands = append(op.commands, "object-add")
			faultsAtEveryStep(t, c, fault, op, func() []string { return stateOf(t, c) })
			require.Equal(t, fds, qemuFds(t, qvm))
		})
	}
}

// TestImageThatNames a file which QEMU is not to open: it does without Open, and not with it.
func TestImageThatNames(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		qvm := q.Start(t, qemutest.Config{})
		c := qvm.Dial(t)
		p := chain(t, q, 2)
		before := stateOf(t, c)
		require.NoError(t, qemu.BlockdevAdd(named("by-name", overlay(p[0], nil))).Do(t.Context(), c))
		require.Contains(t, fmt.Sprint(qemuFds(t, qvm)), p[1], "QEMU opens what the image names")
		require.NoError(t, qemu.BlockdevDel{NodeName: "by-name"}.Do(t.Context(), c))

		var open opening
		err := hotplug.New(c, nil).AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.Blockdev{Options: *overlay(p[0], nil), Open: open.open}})
		require.ErrorContains(t, err, `member "backing" of the Blockdev's node`)
		require.Equal(t, before, stateOf(t, c))

		// If the header is another one when QEMU reads it, the name in it is ignored.
		node := overlay(p[0], nil)
		node.Branch.(*qemu.BlockdevOptionsQcow2).Backing = &qemu.BlockdevRefOrNull{Null: &qmp.Null{}}
		require.NoError(t, qemu.BlockdevAdd(named("null", node)).Do(t.Context(), c))
		require.NotContains(t, fmt.Sprint(qemuFds(t, qvm)), p[1])
	})
}

func named(name string, node *qemu.BlockdevOptions) qemu.BlockdevOptions {
	with := *node
	with.NodeName = &name
	return with
}

// TestTreeFromJSON keeps the tree of a disk as JSON and adds the disk by it again: the nodes are the same.
func TestTreeFromJSON(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{"-S", "-device", "virtio-scsi-pci,id=scsi0"}}).Dial(t)
		vm := hotplug.New(c, nil)
		p := chain(t, q, 3)
		tree := overlay(p[0], overlay(p[1], overlay(p[2], nil)))
		tree.Cache = &qemu.BlockdevCacheOptions{NoFlush: new(true)}

		nodes := func(tree *qemu.BlockdevOptions) string {
			require.NoError(t, vm.AddDisk(t.Context(), hotplug.Disk{ID: "d", Backend: hotplug.Blockdev{Options: *tree}, Driver: "scsi-hd", Bus: "scsi0.0"}))
			all, err := qemu.QueryNamedBlockNodes{Flat: new(true)}.Do(t.Context(), c)
			require.NoError(t, err)
			require.NoError(t, errorOf(vm.RemoveDisk(t.Context(), "d")))
			slices.SortFunc(all, func(a, b qemu.BlockDeviceInfo) int { return strings.Compare(a.File+a.Drv, b.File+b.Drv) })
			for i := range all {
				all[i].NodeName = nil // QEMU's own numbers
				all[i].Children = nil
			}
			return qmp.Redacted(all).String()
		}
		first := nodes(tree)
		require.Equal(t, 6, strings.Count(first, `"no-flush"`))

		text, err := json.Marshal(tree)
		require.NoError(t, err)
		again := new(qemu.BlockdevOptions)
		require.NoError(t, json.Unmarshal(text, again))
		require.Equal(t, first, nodes(again))
	})
}
