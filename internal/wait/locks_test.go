package wait_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/wait"
)

func only(name string) wait.Key  { return wait.Key{Name: name} }
func share(name string) wait.Key { return wait.Key{Name: name, Shared: true} }

// TestLocks takes locks that are free, held, shared and waited for.
func TestLocks(t *testing.T) {
	var l wait.Locks
	lock := func(keys ...wait.Key) (unlock func()) {
		t.Helper()
		unlock, ok := l.TryLock(keys...)
		require.True(t, ok)
		return unlock
	}
	held := func(keys ...wait.Key) {
		t.Helper()
		_, ok := l.TryLock(keys...)
		require.False(t, ok)
	}
	a := lock(only("a"))
	held(only("a"))
	held(share("a"))
	held(only("b"), only("a"))
	b := lock(only("b")) // the last has taken none
	a()
	a, b2 := lock(share("a")), lock(share("a"), share("c"))
	held(only("a"))
	a()
	held(only("a"))
	b2()
	lock(only("a"))()
	lock(share("a"), only("a"), share("a"))()
	b()

	a = lock(share("a"), only("a"))
	held(share("a"))
	a()
}

// TestLocksInOrder: who asks first is first, also if others could go on before.
func TestLocksInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l wait.Locks
		var mu sync.Mutex
		var got []string
		add := func(name string) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, name)
		}
		order := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(got)
		}
		first, err := l.Lock(t.Context(), only("a"), share("c"))
		require.NoError(t, err)
		begin := func(ctx context.Context, name string, keys ...wait.Key) {
			go func() {
				unlock, err := l.Lock(ctx, keys...)
				if err != nil {
					add(name + ": " + err.Error())
					return
				}
				add(name)
				time.Sleep(time.Second)
				unlock()
			}()
			synctest.Wait()
		}
		short, cancel := context.WithTimeoutCause(t.Context(), time.Second, errStop)
		defer cancel()
		begin(short, "gives up", only("a"), only("c"))
		begin(t.Context(), "a and b", only("a"), only("b"))
		begin(t.Context(), "b", only("b")) // is free, but the one before needs it
		begin(t.Context(), "c", share("c"))
		begin(t.Context(), "d", only("d"))
		require.Equal(t, []string{"d"}, order())
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, []string{"d", "gives up: " + errStop.Error(), "c"}, order())
		first()
		time.Sleep(time.Minute)
		require.Equal(t, []string{"a and b", "b"}, order()[3:])
	})
}

// TestLocksOfMany has goroutines take pairs of locks in every order.
func TestLocksOfMany(t *testing.T) {
	var l wait.Locks
	var owners [5]atomic.Int32
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			a, b := i%5, i/5%5
			unlock, err := l.Lock(t.Context(), only(fmt.Sprint(a)), only(fmt.Sprint(b)))
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			if owners[a].Add(1) != 1 || a != b && owners[b].Add(1) != 1 {
				t.Error("two hold a lock")
			}
			owners[a].Store(0)
			owners[b].Store(0)
		})
	}
	all.Wait()
}
