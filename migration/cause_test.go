package migration_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestCauseIsReported: an error has the cause of the context, and matches the context's error too.
func TestCauseIsReported(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	c, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
	require.NoError(t, err)
	defer c.Close()
	stop := errors.New("the operator has pressed stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)

	started := migration.Start(ctx, c, migration.Unix("/run/dst.sock"))
	require.ErrorIs(t, started, migration.ErrNotStarted)
	_, waited := migration.Wait(ctx, c, nil)
	require.ErrorIs(t, waited, migration.ErrGoesOn)
	_, cancelled := migration.Cancel(ctx, c)
	require.ErrorIs(t, cancelled, migration.ErrGoesOn)
	for _, err := range []error{started, waited, cancelled} {
		require.ErrorIs(t, err, stop)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, stop.Error())
	}
}
