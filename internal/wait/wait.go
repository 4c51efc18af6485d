// Package wait helps functions that stop waiting when a context ends. It has a mutex, locks with names, an
// answer that is asked for once, contexts that last longer than another, and the reason why a context has ended.
//
//	if err := m.Lock(ctx); err != nil {
//		return err // another goroutine holds the mutex, and ctx has ended
//	}
//	defer m.Unlock()
//
// Package qmp links this package, so it imports few others.
package wait

import (
	"context"
	"sync"
	"time"
)

// A Mutex is a lock. A goroutine that waits for it can give up. The zero value is an unlocked mutex.
type Mutex struct {
	once sync.Once
	held chan struct{} // full while a goroutine holds the mutex
}

// Lock locks the mutex. If another goroutine holds it, Lock waits for that goroutine. If ctx ends first, Lock
// returns Err(ctx). If the mutex is free, Lock succeeds even if ctx has ended.
func (m *Mutex) Lock(ctx context.Context) error {
	_, err := m.LockUnless(ctx, nil)
	return err
}

// LockUnless is like Lock, but also gives up when ended is closed. It then returns false and no error.
func (m *Mutex) LockUnless(ctx context.Context, ended <-chan struct{}) (locked bool, err error) {
	m.once.Do(func() { m.held = make(chan struct{}, 1) })
	select {
	case m.held <- struct{}{}:
		return true, nil
	default:
	}
	select {
	case m.held <- struct{}{}:
		return true, nil
	case <-ended:
		return false, nil
	case <-ctx.Done():
		return false, Err(ctx)
	}
}

// TryLock locks the mutex if it is free, and reports whether it did.
func (m *Mutex) TryLock() bool {
	ended := make(chan struct{})
	close(ended)
	locked, _ := m.LockUnless(context.Background(), ended) // Background has no error
	return locked
}

// Unlock unlocks a locked mutex. Any goroutine can call it.
func (m *Mutex) Unlock() { <-m.held }

// An Answer is a value that is asked for once and then kept. The zero value is empty.
type Answer[T any] struct {
	mu    Mutex
	asked bool
	value T
}

// Get returns the value. If there is none yet, it calls ask and keeps the value. It does not keep an error:
// the next call asks again. If another goroutine is asking, Get waits for it. If ctx ends first, Get returns
// Err(ctx).
func (a *Answer[T]) Get(ctx context.Context, ask func() (T, error)) (value T, err error) {
	if err := a.mu.Lock(ctx); err != nil {
		return value, err
	}
	defer a.mu.Unlock()
	if a.asked {
		return a.value, nil
	}
	if value, err = ask(); err == nil {
		a.value, a.asked = value, true
	}
	return value, err
}

// Detach returns a context for work that must be done even if ctx has ended, for example undoing a step. It
// has the values of ctx, and ends after the limit.
func Detach(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}

// Outlive returns a context for a wait that may continue after ctx has ended. It has the values of ctx. It ends when
// the limit has passed since the end of ctx, for the same reason. The caller must call the function when the wait is
// over.
func Outlive(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	longer, end := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(limit):
			end(Err(ctx))
		case <-longer.Done():
		}
	})
	return longer, func() {
		stop()
		end(nil)
	}
}

// Err returns the reason why ctx has ended, or nil if it has not. The error has the text of context.Cause,
// and matches both the cause and ctx.Err().
func Err(ctx context.Context) error {
	err := ctx.Err()
	if err != context.Canceled && err != context.DeadlineExceeded {
		return err // nil, or the error of a context that package context did not make
	}
	if cause := context.Cause(ctx); cause != err {
		return &causeError{cause, err}
	}
	return err
}

type causeError struct{ cause, err error }

func (e *causeError) Error() string   { return e.cause.Error() }
func (e *causeError) Unwrap() []error { return []error{e.cause, e.err} }

// Timeout is that of [context.DeadlineExceeded].
func (e *causeError) Timeout() bool { return e.err == context.DeadlineExceeded }
