package main

import (
	"context"
	"errors"
)

// cannotPin is the error of a system on which a program cannot be made to run on one CPU.
type cannotPin struct{ reason error }

func (e *cannotPin) Error() string { return "cannot be confined to one CPU: " + e.reason.Error() }

// pinned has a measurement done on one CPU, the stand-in's included, where a change of threads
// costs least and figures vary least. Where that cannot be done there are no rows, and the note
// says why, to be appended to another row's.
func (b *bench) pinned(ctx context.Context, name string) (rows []result, note string, err error) {
	rows, err = b.alone(ctx, name, startPinned)
	if cannot := (*cannotPin)(nil); errors.As(err, &cannot) {
		return nil, "; it " + cannot.Error(), nil
	}
	return rows, "", err
}
