package qmpschema

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// oldServer has the schema of QEMU 5.2, and refuses nothing.
func oldServer(t *testing.T) *qmptest.Server {
	s := qmptest.NewServer(t, nil)
	s.Handle("query-qmp-schema", func(*qmptest.Request) (any, error) { return captured(t, "5.2"), nil })
	return s
}

func TestChecked(t *testing.T) {
	s := oldServer(t)
	s.Expect("query-qmp-schema").Reply(captured(t, "5.2"))
	s.Expect("query-status").Reply(qemu.StatusInfo{Status: qemu.RunStateRunning})
	c := Checked(s.Dial())

	inactive := nested
	inactive.Active = new(false)
	err := inactive.Do(t.Context(), c)
	require.EqualError(t, err, "qmpschema: blockdev-add: not sent: the server does not have blockdev-add/arg-type/active")
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.NotErrorIs(t, err, qmp.ErrCommandNotFound)
	require.False(t, qmp.MayHaveExecuted(err))
	missing, ok := errors.AsType[*MissingError](err)
	require.True(t, ok)
	require.Equal(t, &MissingError{Command: "blockdev-add", Paths: []string{"blockdev-add/arg-type/active"}}, missing)

	_, err = qemu.QueryStats{Target: qemu.StatsTargetVM, Branch: nil}.Do(t.Context(), c)
	require.EqualError(t, err, "qmpschema: query-stats: not sent: the server does not have this command")
	require.ErrorIs(t, err, qmp.ErrCommandNotFound)
	require.ErrorIs(t, err, errors.ErrUnsupported)

	status, err := qemu.QueryStatus{}.Do(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, qemu.RunStateRunning, status.Status)
}

// TestCheckedConn checks the commands of another connection than a client. Its server is that of the connection, so the
// schema is asked for once.
func TestCheckedConn(t *testing.T) {
	s := oldServer(t)
	s.Expect("query-qmp-schema").Reply(captured(t, "5.2"))
	s.Expect("query-status").Reply(qemu.StatusInfo{Status: qemu.RunStateRunning})
	client := s.Dial()
	c := CheckedConn(qmp.WithTimeout(client, func(string) time.Duration { return time.Minute })) // which is no client
	_, err := qemu.QueryStats{Target: qemu.StatsTargetVM}.Do(t.Context(), c)
	require.ErrorIs(t, err, qmp.ErrCommandNotFound)
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.Same(t, qmp.ServerOf(client), qmp.ServerOf(c))
	_, err = qemu.QueryStatus{}.Do(t.Context(), c)
	require.NoError(t, err)
	stream := c.Events("STOP")
	require.NoError(t, stream.Close())
}

// TestCheckedSchema: the query for the schema is not checked, and the schema is shared with the client.
func TestCheckedSchema(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Expect("query-qmp-schema").Reply([]any{})
	s.Expect("query-qmp-schema").Reply(array)
	s.Expect("stop").Reply(nil)
	client := s.Dial()
	c := Checked(client)
	_, err := qemu.QueryQMPSchema{}.Do(t.Context(), c)
	require.NoError(t, err)
	missing, err := Missing(t.Context(), c, qemu.Stop{}, qemu.Cont{})
	require.NoError(t, err)
	require.Equal(t, []string{"cont"}, missing)
	schema, err := Query(t.Context(), client)
	require.NoError(t, err)
	require.NotNil(t, schema.Lookup("stop"))
	require.NoError(t, qemu.Stop{}.Do(t.Context(), c))
}

// TestCheckedErrors are those of the client.
func TestCheckedErrors(t *testing.T) {
	c := Checked(oldServer(t).Dial())
	for _, request := range []qmp.Request{
		qemu.NetdevAdd{ID: "n"},
		qemu.DeviceAdd{Driver: "x", Props: qmp.Args{"c": make(chan int)}},
		qemu.Stop{},
	} {
		want, err := request.Do(t.Context(), c.Client), request.Do(t.Context(), c)
		require.Error(t, want)
		require.Equal(t, want, err)
	}
	require.NoError(t, c.Close())
	require.ErrorIs(t, qemu.Stop{}.Do(t.Context(), c), net.ErrClosed)
}

func TestCheckedWithoutSchema(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Expect("query-qmp-schema").Refuse(qmp.ErrCommandNotFound, "The command query-qmp-schema has not been found")
	c := Checked(s.Dial())
	err := qemu.Stop{}.Do(t.Context(), c)
	require.EqualError(t, err, "qmpschema: stop: not sent: qmp: query-qmp-schema: The command query-qmp-schema has not been found (CommandNotFound)")
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorIs(t, err, errors.ErrUnsupported)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = qemu.Stop{}.Do(ctx, c)
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorIs(t, err, context.Canceled)
}
