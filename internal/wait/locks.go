package wait

import (
	"context"
	"slices"
	"sync"
)

// Locks holds locks with names. A goroutine takes all the locks that it needs at once, so that goroutines that
// need several locks do not block each other. They get their locks in the order in which they asked. The zero
// value has no lock held.
type Locks struct {
	mu      sync.Mutex
	held    map[string]int // how many share the lock; -1 if one goroutine has it alone
	waiting []*waiter      // the first one has waited longest
}

type waiter struct {
	keys []Key
	got  chan struct{} // closed when the locks are held
}

// A Key names a lock. Several goroutines can hold a lock together if all of them share it.
type Key struct {
	Name   string
	Shared bool
}

const alone = -1

// Lock takes the locks with these names. It waits for the goroutines that hold one of them, and for those that wait
// for one of them. If ctx ends first, Lock takes no lock and returns Err(ctx). If the locks are free, Lock succeeds
// even if ctx has ended. The caller must call unlock once. If a name is given twice, the lock is shared only if both
// keys say so.
func (l *Locks) Lock(ctx context.Context, keys ...Key) (unlock func(), err error) {
	w := &waiter{keys: unique(keys), got: make(chan struct{})}
	l.mu.Lock()
	l.waiting = append(l.waiting, w)
	l.grant()
	l.mu.Unlock()
	unlock = func() { l.unlock(w.keys) }
	select {
	case <-w.got:
		return unlock, nil
	default:
	}
	select {
	case <-w.got:
		return unlock, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting, w)
	if i < 0 { // it got the locks in this moment
		return unlock, nil
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	l.grant() // to those that waited for w
	return nil, Err(ctx)
}

// TryLock is like Lock, but does not wait. It reports whether it took the locks.
func (l *Locks) TryLock(keys ...Key) (unlock func(), ok bool) {
	ended, end := context.WithCancel(context.Background())
	end()
	unlock, err := l.Lock(ended, keys...)
	return unlock, err == nil
}

// unique returns the keys, each name once.
func unique(keys []Key) (all []Key) {
	for _, key := range keys {
		i := slices.IndexFunc(all, func(k Key) bool { return k.Name == key.Name })
		if i < 0 {
			all = append(all, key)
		} else {
			all[i].Shared = all[i].Shared && key.Shared
		}
	}
	return all
}

// grant gives each waiter its locks, if they are free and no earlier waiter needs one of them.
func (l *Locks) grant() {
	if l.held == nil {
		l.held = map[string]int{}
	}
	needed := map[string]int{} // by the waiters before
	l.waiting = slices.DeleteFunc(l.waiting, func(w *waiter) bool {
		for _, key := range w.keys {
			if !key.fits(l.held[key.Name]) || !key.fits(needed[key.Name]) {
				for _, key := range w.keys {
					key.hold(needed)
				}
				return false
			}
		}
		for _, key := range w.keys {
			key.hold(l.held)
		}
		close(w.got)
		return true
	})
}

// fits reports whether a lock can be taken that so many goroutines hold.
func (k Key) fits(holders int) bool { return holders == 0 || k.Shared && holders != alone }

// hold records a holder of a lock.
func (k Key) hold(locks map[string]int) {
	if k.Shared && locks[k.Name] != alone {
		locks[k.Name]++
	} else {
		locks[k.Name] = alone
	}
}

func (l *Locks) unlock(keys []Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range keys {
		if l.held[key.Name]--; l.held[key.Name] <= 0 {
			delete(l.held, key.Name)
		}
	}
	l.grant()
}
