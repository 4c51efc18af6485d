package qmp

import (
	"context"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// Raw is a command without a type of its own: one that is newer than the generated package, or
// that is known only at run time.
type Raw struct {
	Command string
	Args    Args
}

// Do executes the command and returns its result as it came.
func (r Raw) Do(ctx context.Context, x Executor, opts ...CallOption) (RawJSON, error) {
	var result RawJSON
	call := &Call{
		Command: r.Command,
		Args:    r.Args,
		Result:  func(d *wire.Decoder) { result = d.Raw() },
	}
	err := Do(ctx, x, call, opts)
	return result, err
}
