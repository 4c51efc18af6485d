package qmpfd

import (
	"context"
	"os"
	"strconv"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Set is a set of file descriptors in a QEMU (monitor/fds.c). All monitors of a QEMU share its sets. The
// sets outlive a connection: when the last monitor is disconnected, QEMU 5.2 and 7.2 close unused sets;
// QEMU 10.0 and 11.1 keep them.
//
// Keep a set while a node uses it. QEMU opens the file again when the node is reopened, and when a node with
// auto-read-only changes between reading and writing.
type Set struct {
	x      qmp.Executor
	id     int64
	opaque string

	mu      wait.Mutex // held while the set is being removed
	removed bool
}

// AddSet makes a set that contains the files in this order (add-fd for each). opaque is a text that QEMU keeps
// with them. [Set.Remove], and [RemoveSets] of another process, find the set by it, so choose a text that nobody
// else uses: "qmpkit:data1".
//
// The files remain the caller's and can be closed when AddSet has returned. AddSet does not check their
// flags; [Use.AddSet] does.
//
// If AddSet fails or ctx ends, AddSet removes the files that it has added, in 15 seconds at most, even after
// ctx has ended. If QEMU did not answer the first add-fd, AddSet removes every set with the same opaque text,
// since it does not know the number of its set. The error matches:
//   - [*UndoError]: removing failed, too.
//   - [*FlagsError]: a file is open with O_PATH. No command was sent.
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

// ID returns the set's number, which QEMU has chosen: the lowest free one.
func (s *Set) ID() int64 { return s.id }

// Path returns the filename by which QEMU opens a file of the set: "/dev/fdset/3".
func (s *Set) Path() string { return "/dev/fdset/" + strconv.FormatInt(s.id, 10) }

// Remove makes QEMU close the set's descriptors (remove-fd). A node that uses one keeps its own descriptor, and
// QEMU lists the set without descriptors until the node is gone. Remove is idempotent: removing a set that is
// gone succeeds, even if another set with another opaque text has its number.
//
// Call Remove again after any error. The error matches:
//   - [ErrKept]: QEMU does not close the descriptors yet.
//   - [qmp.ErrNotSent]: nothing was sent, for example because AddSet has not made the Set.
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
