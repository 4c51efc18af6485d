package qmpfd

import (
	"context"
	"os"
	"strconv"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Set is a set of descriptors of a QEMU (monitor/fds.c). Sets are the process's, shared by all
// its monitors, and outlive the connection: QEMU 5.2 and 7.2 close those that nothing uses when
// the last monitor is disconnected, 10.0 and 11.1 keep them.
//
// Keep a set as long as a node that uses it: QEMU opens the file again when the node is reopened, and
// when one with auto-read-only changes between reading and writing.
type Set struct {
	x      qmp.Executor
	id     int64
	opaque string

	mu      wait.Mutex // held while the set is being removed
	removed bool
}

// AddSet makes a set of the files, in which they are in this order: add-fd for each. opaque is a
// text that QEMU keeps with them; it is what tells whose a set is, for [Set.Remove] and for
// [RemoveSets] of another process, and must be the caller's own: "qmpkit:data1".
//
// When it fails, or the context ends, the files that were added are removed. That takes up to 15
// seconds, which do not end with the context. Where it fails as well the error is an [*UndoError].
// If the first answer is lost the set has no number yet, and every set with the same opaque text is
// removed. A file that is open with O_PATH is a [*FlagsError], and no command is sent.
//
// The files remain the caller's, and can be closed when AddSet has returned. Their flags are not
// checked: see [Use.AddSet].
func AddSet(ctx context.Context, x qmp.Executor, opaque string, files ...*os.File) (*Set, error) {
	switch {
	case opaque == "":
		return nil, errNoOpaque
	case len(files) == 0:
		return nil, errNoFiles
	}
	if err := checkSendable(files...); err != nil {
		return nil, err
	}
	var id *int64 // QEMU chooses a number for the first file, and the others join it
	for _, f := range files {
		added, err := qemu.AddFD{FDSetID: id, Opaque: &opaque}.Do(ctx, x, qmp.WithFile(f))
		if err != nil {
			if id == nil && !qmp.MayHaveExecuted(err) {
				return nil, err
			}
			return nil, undone(ctx, err, func(ctx context.Context) error { return removeSets(ctx, x, opaque, id) })
		}
		id = &added.FDSetID
	}
	return &Set{x: x, id: *id, opaque: opaque}, nil
}

// ID is the set's number, which QEMU has chosen: the lowest that was free.
func (s *Set) ID() int64 { return s.id }

// Path is the file name by which QEMU opens one of the set's files: "/dev/fdset/3".
func (s *Set) Path() string { return "/dev/fdset/" + strconv.FormatInt(s.id, 10) }

// Remove has QEMU close the set's descriptors (remove-fd). A node that is using one keeps its own;
// the set is then listed, empty, until the node is gone. Removing a set again, or one that is gone
// already, is no error, also when its number is another set's by now, of another opaque text.
//
// It fails with [ErrKept] when QEMU does not close them yet, and can be called again after any
// error. A Set that [AddSet] has not made is an error, which matches [qmp.ErrNotSent].
func (s *Set) Remove(ctx context.Context) error {
	if s.x == nil {
		return errNoSet
	}
	if err := s.mu.Lock(ctx); err != nil {
		return unsent("another goroutine is removing the set", err)
	}
	defer s.mu.Unlock()
	if s.removed {
		return nil // the number may be somebody else's by now
	}
	err := removeSets(ctx, s.x, s.opaque, &s.id)
	s.removed = err == nil
	return err
}
