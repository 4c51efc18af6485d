package hotplug

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// open opens the files of a tree, by the caller's function if that is not nil. The tree must be closed even
// after an error.
func (t *nodeTree) open(open func(path string, flags int) (*os.File, error)) (err error) {
	if open != nil {
		if err := t.closeImages(open); err != nil {
			return err
		}
	}
	for _, f := range t.files {
		if open == nil {
			f.files, err = f.use.Open(f.path)
		} else {
			f.files, err = f.use.OpenWith(open, f.path)
		}
		if err != nil {
			return err
		}
		t.opened = append(t.opened, f.files)
	}
	return nil
}

// setDriver sets the driver of a node to the driver for its kind of file.
func (f *treeFile) setDriver() (err error) {
	f.node["driver"], err = qmpfd.Driver(f.files[0])
	return err
}

// close closes the files that open opened.
func (t *nodeTree) close() {
	for _, files := range t.opened {
		_ = files.Close() // nothing was written
	}
}

// addFDSets adds the files, a set for each node, as steps of an operation.
func (t *nodeTree) addFDSets(ctx context.Context, vm *VM, undo *rollback, d *Disk) (err error) {
	addition := additionOf(d.ID, d.NodeName)
	for _, f := range t.files {
		if f.set, err = vm.addFDSet(ctx, undo, d.ID, f.opaque(addition), f.files); err != nil {
			return err
		}
		f.node["filename"] = f.set.Path()
	}
	return nil
}

// isOpen reports whether QEMU has added the nodes of a tree, if it did not answer. After the descriptors of a set are
// removed, QEMU lists the empty set as long as a node has the file open. So isOpen removes the descriptors of a file
// and looks for the empty set. For a tree without files, isOpen only reports whether no device has the disk's ID.
func (t *nodeTree) isOpen(ctx context.Context, vm *VM, d *Disk) (bool, error) {
	if len(t.files) == 0 {
		if d.nodeOnly { // AddNode has looked before
			return true, nil
		}
		device, err := vm.deviceExists(ctx, d.ID)
		return !device, err
	}
	set := t.files[0].set
	if err := set.Remove(ctx); err != nil {
		return false, err
	}
	sets, err := qemu.QueryFDSets{}.Do(ctx, vm.conn)
	return slices.ContainsFunc(sets, func(s qemu.FDSetInfo) bool { return s.FDSetID == set.ID() && len(s.FDs) == 0 }), err
}

// All monitors of QEMU share the sets of descriptors. A set stays as long as its disk, because QEMU opens the file again
// from the set when it reopens a node. QEMU chooses the number of a set. The opaque text of the descriptors names the
// disk, its node and the file, "qmpkit:ID:NODE:RANDOM:PATH". The random part differs for each addition. No name has a colon.
// A file whose path is not known has none in the text.

const opaqueMark = "qmpkit"

// additionOf returns the beginning of the opaque texts of an addition, without a path. node is empty if no node uses the sets.
func additionOf(id, node string) string {
	return strings.Join([]string{opaqueMark, id, node, rand.Text()[:8]}, ":")
}

// opaque returns the text for the set of a file. It has the path if that names the file: the Open of a caller can open another.
func (f *treeFile) opaque(addition string) string {
	path, err := filepath.Abs(f.path)
	if err != nil || !utf8.ValidString(path) {
		return addition
	}
	named, err := os.Stat(path)
	if err != nil {
		return addition
	}
	if opened, err := f.files[0].Stat(); err != nil || !os.SameFile(named, opened) {
		return addition
	}
	return addition + ":" + path
}

// cutOpaque returns the parts of an opaque text. ok is false if it is not one of this package.
func cutOpaque(opaque string) (id, node, addition, path string, ok bool) {
	parts := strings.SplitN(opaque, ":", 5)
	if len(parts) < 4 || parts[0] != opaqueMark {
		return "", "", "", "", false
	}
	if len(parts) == 5 {
		path = parts[4]
		if !filepath.IsAbs(path) {
			return "", "", "", "", false
		}
	}
	return parts[1], parts[2], strings.Join(parts[:4], ":"), path, true
}

// ownerOf returns the names in an opaque text. id is empty if it is not one of this package.
func ownerOf(opaque string) (id, node string) {
	id, node, _, _, _ = cutOpaque(opaque)
	return id, node
}

// FileOf reads the opaque text of a descriptor in query-fdsets: the ID of the disk for which this package has sent the
// descriptor, the node that uses it, and the path of the file. path is empty if it is not known, and disk is empty if the
// descriptor is another's.
func FileOf(opaque string) (disk, node, path string) {
	disk, node, _, path, _ = cutOpaque(opaque)
	return disk, node, path
}

// addFDSet adds a set with the files for a device, as a step of an operation.
func (vm *VM) addFDSet(ctx context.Context, undo *rollback, id, opaque string, files qmpfd.Files) (*qmpfd.Set, error) {
	what := "descriptors of " + id
	set, err := qmpfd.AddSet(ctx, vm.conn, opaque, files...)
	if left, ok := errors.AsType[*qmpfd.UndoError](err); ok {
		undo.done(what, func(ctx context.Context) error { return qmpfd.RemoveSets(ctx, vm.conn, opaque) }) // once more
		return nil, left.Err
	}
	if err != nil {
		return nil, err // and there is no set
	}
	undo.done(what, set.Remove)
	return set, nil
}
