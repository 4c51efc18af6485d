package qmpschema

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi/introspect"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
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

// TestContextOfAWaiter ends while another asks.
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
	require.ErrorContains(t, err, "qmpschema: another goroutine's query-qmp-schema is not answered")
	close(answer)
	require.NoError(t, <-done)
}

// wrapper is an executor that is no client.
type wrapper struct{ qmp.Executor }

func TestOthersAreAskedEveryTime(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Expect("query-qmp-schema").Reply(array)
	s.Expect("query-qmp-schema").Reply("no schema")
	c := s.Dial()
	_, err := Query(t.Context(), wrapper{c})
	require.NoError(t, err)
	_, err = Query(t.Context(), wrapper{c})
	require.True(t, errors.As(err, new(*introspect.ReadError)), err)
}

// TestClientsAreNotKept: neither they nor their schemas.
func TestClientsAreNotKept(t *testing.T) {
	count := func() (n int) {
		answers.Range(func(any, any) bool { n++; return true })
		return n
	}
	before := count()
	func() {
		s := qmptest.NewServer(t, nil)
		s.Expect("query-qmp-schema").Reply(array)
		c, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
		require.NoError(t, err)
		_, err = Query(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, before+1, count())
		require.NoError(t, c.Close())
	}()
	require.Eventually(t, func() bool { runtime.GC(); return count() <= before }, time.Minute, 10*time.Millisecond)
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
