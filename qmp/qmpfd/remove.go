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

// removeSets removes the sets that have the text, or, with only, the one of this number if it has.
func removeSets(ctx context.Context, x qmp.Executor, opaque string, only *int64) error {
	sets, err := findSets(ctx, x, opaque)
	if err != nil {
		return err
	}
	if only != nil {
		sets = slices.DeleteFunc(sets, func(id int64) bool { return id != *only })
	}
	if len(sets) == 0 {
		return nil
	}
	var refusal error
	for _, id := range sets {
		err := qemu.RemoveFD{FDSetID: id}.Do(ctx, x)
		switch {
		case errors.Is(err, qmp.ErrGeneric):
			refusal = err // of one that is gone, which the next look tells
		case err != nil:
			return err
		}
	}
	left, err := findSets(ctx, x, opaque)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(left, func(id int64) bool { return slices.Contains(sets, id) }) {
		return nil
	}
	if refusal != nil {
		return refusal
	}
	return ErrKept
}

// findSets returns the numbers of the sets that have the text. A set that was removed and is in use
// has no descriptors any more, and so no text.
func findSets(ctx context.Context, x qmp.Executor, opaque string) (ids []int64, err error) {
	all, err := qemu.QueryFDSets{}.Do(ctx, x)
	for _, set := range all {
		if slices.ContainsFunc(set.FDs, func(fd qemu.FDSetFDInfo) bool { return qmp.Value(fd.Opaque) == opaque }) {
			ids = append(ids, set.FDSetID)
		}
	}
	return ids, err
}
