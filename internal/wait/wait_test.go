package wait_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/wait"
)

var errStop = errors.New("the operator has pressed stop")

// TestMutex: the second goroutine waits until the first unlocks, or until its context or the channel
// ends.
func TestMutex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m wait.Mutex
		require.NoError(t, m.Lock(t.Context()))

		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errStop) })
		start := time.Now()
		err := m.Lock(ctx)
		require.ErrorIs(t, err, errStop)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, time.Second, time.Since(start))

		ended := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(ended) })
		locked, err := m.LockUnless(t.Context(), ended)
		require.NoError(t, err)
		require.False(t, locked)

		time.AfterFunc(time.Second, m.Unlock)
		require.NoError(t, m.Lock(t.Context()))
		m.Unlock()
		require.NoError(t, m.Lock(ctx), "a free mutex is locked even if the context has ended")
	})
}

// TestAnswer: a goroutine that comes while another asks gets its answer; an error is not kept.
func TestAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a wait.Answer[int]
		asked := 0
		ask := func() (int, error) {
			time.Sleep(time.Second)
			if asked++; asked == 1 {
				return 0, errStop
			}
			return asked, nil
		}
		_, err := a.Get(t.Context(), ask)
		require.ErrorIs(t, err, errStop)

		for range 3 {
			go func() {
				n, err := a.Get(t.Context(), ask)
				require.NoError(t, err)
				require.Equal(t, 2, n)
			}()
		}
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = a.Get(short, ask)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Second)
		n, err := a.Get(short, ask)
		require.NoError(t, err, "a kept answer is returned even if the context has ended")
		require.Equal(t, 2, n)
	})
}

// TestDetach: the context lives on when its parent has ended, for the limit, and has its values.
func TestDetach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		parent, stop := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		stop()
		ctx, cancel := wait.Detach(parent, 15*time.Second)
		defer cancel()
		require.Equal(t, "value", ctx.Value(key{}))
		start := time.Now()
		<-ctx.Done()
		require.Equal(t, 15*time.Second, time.Since(start))
	})
}

// ownContext is a context whose error is neither of package context's.
type ownContext struct{ context.Context }

func (ownContext) Err() error { return errStop }

// TestOutlive: the wait ends so long after its context, for the same reason, or when it is over.
func TestOutlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		longer, end := wait.Outlive(ctx, time.Minute)
		defer end()
		over, endOver := wait.Outlive(ctx, time.Minute)
		start := time.Now()
		cancel(errStop)
		time.Sleep(time.Second)
		require.NoError(t, longer.Err())
		endOver()
		require.ErrorIs(t, over.Err(), context.Canceled)
		<-longer.Done()
		require.Equal(t, time.Minute, time.Since(start))
		require.ErrorIs(t, wait.Err(longer), errStop)
	})
}

func TestErr(t *testing.T) {
	require.NoError(t, wait.Err(t.Context()))

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	err := wait.Err(ctx)
	require.EqualError(t, err, errStop.Error())
	require.ErrorIs(t, err, errStop)
	require.ErrorIs(t, err, context.Canceled)

	ctx, done := context.WithTimeoutCause(t.Context(), 0, errStop)
	defer done()
	err = wait.Err(ctx)
	require.ErrorIs(t, err, errStop)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	timeout, is := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	require.True(t, is && timeout.Timeout())

	ctx, done = context.WithCancel(t.Context())
	done()
	require.Equal(t, context.Canceled, wait.Err(ctx))
	require.Equal(t, errStop, wait.Err(ownContext{ctx}))
}

func TestTryLock(t *testing.T) {
	var m wait.Mutex
	require.True(t, m.TryLock())
	require.False(t, m.TryLock())
	m.Unlock()
	require.True(t, m.TryLock())
}
