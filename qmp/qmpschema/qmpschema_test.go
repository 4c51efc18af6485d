package qmpschema

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

var array = []map[string]any{
	{"name": "stop", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
	{"name": "0", "meta-type": "object", "members": []any{}},
}

func TestAskedOnce(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Expect("query-qmp-schema").Refuse(qmp.ErrGeneric, "not now")
	s.Expect("query-qmp-schema").Reply(array)
	c := s.Dial()
	_, err := Query(t.Context(), c)
	require.ErrorIs(t, err, qmp.ErrGeneric, "an error is not kept")

	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			schema, err := Query(t.Context(), c)
			if err != nil || schema.Lookup("stop") == nil {
				t.Error(schema, err)
			}
		})
	}
	all.Wait()
}

// TestContextOfAWaiter: the context ends while another goroutine asks.
func TestContextOfAWaiter(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	asked, answer := make(chan struct{}), make(chan struct{})
	s.Expect("query-qmp-schema").Handle(func(*qmptest.Request) (any, error) {
		close(asked)
		<-answer
		return array, nil
	})
	c := s.Dial()
	done := make(chan error, 1)
	go func() { _, err := Query(t.Context(), c); done <- err }()
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Query(ctx, c)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "qmpschema: no answer yet to another goroutine's query-qmp-schema")
	close(answer)
	require.NoError(t, <-done)
}

// wrapper is an executor that does not tell what it wraps.
type wrapper struct{ qmp.Executor }

func TestUnknownServersAreAskedEveryTime(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Expect("query-qmp-schema").Reply(array)
	s.Expect("query-qmp-schema").Reply("no schema")
	c := s.Dial()
	_, err := Query(t.Context(), wrapper{c})
	require.NoError(t, err)
	_, err = Query(t.Context(), wrapper{c})
	require.True(t, errors.As(err, new(*introspect.ReadError)), err)
}

// Types that wrap a client: by embedding it, and as an Executor that they know how to find.
type (
	embedding struct{ *qmp.Client }
	unwrapped struct{ qmp.Executor }
)

func (u unwrapped) Unwrap() qmp.Executor { return u.Executor }

// TestWrappersShareTheAnswer: whatever wraps a client has its server, which is asked once.
func TestWrappersShareTheAnswer(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Expect("query-qmp-schema").Reply(array)
	s.Expect("query-qmp-schema").Reply(array)
	c := s.Dial()
	first, err := Query(t.Context(), unwrapped{embedding{c}})
	require.NoError(t, err)
	for _, x := range []qmp.Executor{c, embedding{c}, Checked(c), unwrapped{unwrapped{c}}} {
		schema, err := Query(t.Context(), x)
		require.NoError(t, err)
		require.Same(t, first, schema)
	}
	require.NoError(t, c.Close())
	other, err := Query(t.Context(), s.Dial())
	require.NoError(t, err)
	require.NotSame(t, first, other, "another connection may lead to another server")
}

// A transport is a connection that is no client.
type transport struct {
	server qmp.Server
	sent   int
}

func (c *transport) Server() *qmp.Server { return &c.server }

func (c *transport) Execute(_ context.Context, call *qmp.Call) error {
	c.sent++
	return call.Decode([]byte(`[{"name": "stop", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
		{"name": "0", "meta-type": "object", "members": []}]`))
}

// TestOtherTransports: Query asks once if the transport has a Server.
func TestOtherTransports(t *testing.T) {
	var c transport
	for range 3 {
		_, err := Query(t.Context(), unwrapped{&c})
		require.NoError(t, err)
	}
	require.Equal(t, 1, c.sent)
}

func TestServers(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "7.2", "10.0", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		schema, err := Query(t.Context(), q.Start(t, qemutest.Config{}).Dial(t))
		require.NoError(t, err)
		for path, want := range map[string]bool{
			qemu.FeatureBlockdevOptionsFileDynamicAutoReadOnly: true,
			qemu.FeatureDeviceAddJSONCLIHotplug:                q.AtLeast(6, 2),
		} {
			has, err := schema.Has(path)
			require.NoError(t, err)
			require.Equal(t, want, has, path)
		}
	})
}
