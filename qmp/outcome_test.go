package qmp_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
)

// An ownAnswer is the error of an operation that sends several commands.
type ownAnswer struct {
	executed bool
	error
}

func (e ownAnswer) MayHaveExecuted() bool { return e.executed }
func (e ownAnswer) Unwrap() error         { return e.error }

func TestMayHaveExecuted(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, true},
		{qmp.ErrNotSent, false},
		{fmt.Errorf("adding: %w: %w", qmp.ErrNotSent, context.Canceled), false},
		{&qmp.EncodeError{}, false},
		{&qmp.Error{Class: qmp.ErrGeneric}, false},
		{fmt.Errorf("adding: %w", &qmp.Error{Class: qmp.ErrDeviceNotFound}), false},
		{qmp.ErrOutcomeUnknown, true},
		{&qmp.DecodeError{}, true},
		{errors.New("of another executor"), true},
		{fmt.Errorf("moving: %w", ownAnswer{true, &qmp.Error{Class: qmp.ErrGeneric}}), true},
		{fmt.Errorf("moving: %w", ownAnswer{false, qmp.ErrOutcomeUnknown}), false},
	} {
		require.Equal(t, c.want, qmp.MayHaveExecuted(c.err), "%#v", c.err)
	}
}
