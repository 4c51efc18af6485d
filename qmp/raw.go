package qmp

import (
	"context"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// Raw is a command for which the generated package has no type: a newer command, or one whose name is
// known only at run time.
type Raw struct {
	Command string
	Args    Args
}

// Do executes the command and returns its result as the server sent it.
func (r Raw) Do(ctx context.Context, x Executor, opts ...CallOption) (RawJSON, error) {
	var result RawJSON
	call := &Call{
		Command: r.Command,
		Args:    rawArgs(r.Args),
		Result:  func(d *wire.Decoder) { result = d.Raw() },
	}
	err := Do(ctx, x, call, opts)
	return result, err
}

// EncodeMembers writes the members of the request.
func (r Raw) EncodeMembers(e *wire.Encoder) {
	e.Name("execute").String(r.Command)
	if len(r.Args) > 0 {
		e.Name("arguments").Object(rawArgs(r.Args))
	}
}

// MarshalJSON returns the request, without an id.
func (r Raw) MarshalJSON() ([]byte, error) { return Marshal(r) }

// String returns the command and the names of its arguments.
func (r Raw) String() string { return r.Command + " " + Format(rawArgs(r.Args)) }

// rawArgs are the arguments of a Raw. No schema says which of them are secrets, so all are
// treated as secrets.
type rawArgs Args

func (a rawArgs) EncodeMembers(e *wire.Encoder) {
	if !e.Redacted() {
		Args(a).EncodeMembers(e)
		return
	}
	members := make(Args, len(a))
	for name := range a {
		members[name] = hidden
	}
	members.EncodeMembers(e)
}

func (a rawArgs) String() string { return Format(a) }
