package qmpfd

import (
	"context"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
)

// undoLimit is the longest time to undo an operation. It does not depend on the context of the
// operation.
const undoLimit = 15 * time.Second

// undone undoes an operation that failed with err. It returns err, or an *UndoError.
func undone(ctx context.Context, err error, undo func(ctx context.Context) error) error {
	ctx, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	if undoErr := undo(ctx); undoErr != nil {
		return &UndoError{err, undoErr}
	}
	return err
}
