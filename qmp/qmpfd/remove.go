package qmpfd

import (
	"context"
	"errors"
	"slices"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// RemoveSets removes all sets with the opaque text, whichever process added them. If there are none, it
// succeeds. The errors are those of [Set.Remove].
func RemoveSets(ctx context.Context, x qmp.Executor, opaque string) error {
	if opaque == "" {
		return errNoOpaque
	}
	return removeSets(ctx, x, opaque, nil)
}

// RemoveSetsFunc is like [RemoveSets], but removes the sets with an opaque text for which match returns true.
func RemoveSetsFunc(ctx context.Context, x qmp.Executor, match func(opaque string) bool) error {
	_, err := removeThose(ctx, x, func(set qemu.FDSetInfo) bool {
		return slices.ContainsFunc(set.FDs, func(fd qemu.FDSetFDInfo) bool { return fd.Opaque != nil && match(*fd.Opaque) })
	})
	return err
}

// removeSets removes the sets that have the text, or, with only, the one of this number if it has.
func removeSets(ctx context.Context, x qmp.Executor, opaque string, only *int64) error {
	has := func(set qemu.FDSetInfo) bool {
		return (only == nil || set.FDSetID == *only) &&
			slices.ContainsFunc(set.FDs, func(fd qemu.FDSetFDInfo) bool { return qmp.Value(fd.Opaque) == opaque })
	}
	_, err := removeThose(ctx, x, has)
	return err
}

// RemoveSet removes the set with this number, whoever made it, and reports whether there was one with
// descriptors. If there is none, it succeeds. A node that uses a descriptor keeps its own descriptor, and QEMU
// lists the set without descriptors until the node is gone.
//
// The error matches:
//   - [ErrKept]: QEMU does not close the descriptors yet.
//   - [qmp.ErrOutcomeUnknown]: QEMU did not answer. The set may be gone, and its number may belong to a new
//     set.
func RemoveSet(ctx context.Context, x qmp.Executor, id int64) (removed bool, err error) {
	return removeThose(ctx, x, func(set qemu.FDSetInfo) bool { return set.FDSetID == id && len(set.FDs) > 0 })
}

// removeThose removes sets, and reports whether there were any and all are gone.
func removeThose(ctx context.Context, x qmp.Executor, those func(qemu.FDSetInfo) bool) (removed bool, err error) {
	sets, err := findSets(ctx, x, those)
	if err != nil || len(sets) == 0 {
		return false, err
	}
	var refusal error
	for _, id := range sets {
		err := qemu.RemoveFD{FDSetID: id}.Do(ctx, x)
		switch {
		case errors.Is(err, qmp.ErrGeneric):
			refusal = err // perhaps the set is gone: the query below decides
		case err != nil:
			return false, err
		}
	}
	left, err := findSets(ctx, x, those)
	if err != nil {
		return false, err
	}
	if !slices.ContainsFunc(left, func(id int64) bool { return slices.Contains(sets, id) }) {
		return refusal == nil, nil
	}
	if refusal != nil {
		return false, refusal
	}
	return false, ErrKept
}

// findSets returns the numbers of sets. A set that was removed and is in use has no descriptors any more, and
// so no text.
func findSets(ctx context.Context, x qmp.Executor, those func(qemu.FDSetInfo) bool) (ids []int64, err error) {
	all, err := qemu.QueryFDSets{}.Do(ctx, x)
	for _, set := range all {
		if those(set) {
			ids = append(ids, set.FDSetID)
		}
	}
	return ids, err
}
