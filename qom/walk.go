package qom

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/qmpkit/qmpkit/qmp"
)

// An Object is an object of the tree.
type Object struct {
	Path       string
	Type       string // QEMU's name: "virtio-blk-pci"
	Properties []Property
}

// Value returns the value of a property of an object with values. If the object does not have the property, the error
// matches [ErrNoProperty]. If it has no value, because QEMU refuses to read it, or because the object is from [Walk], the
// error matches [ErrRefused]. If T does not hold the value, it matches [*qmp.DecodeError].
func Value[T any](o Object, property string) (value T, err error) {
	i := slices.IndexFunc(o.Properties, func(p Property) bool { return p.Name == property })
	switch {
	case i < 0:
		err = ErrNoProperty
	case o.Properties[i].Value == nil:
		err = &refusal{ErrRefused, errors.New("QEMU has not reported a value")}
	default:
		value, err = decode[T](o.Properties[i].Value)
	}
	return value, failed(err, "get %q of %q", property, o.Path)
}

// Walk iterates over the object at a path and all objects below it. An object comes before those below it. The properties
// have no values. It may or may not include an object that is added or removed while it walks.
//
// Walk sends one command for each object, several at a time: about 400 for a machine, which take QEMU 0.1 to 0.8 s. Other
// commands are executed in between. If the caller breaks out of the loop, no command remains in flight.
//
// The loop ends after an error. If there is no object at the path, the error matches [ErrNoObject].
//
// Source: qom-list; qom-get once.
func Walk(ctx context.Context, x qmp.Executor, path string) iter.Seq2[Object, error] {
	return walk(ctx, x, path, list)
}

// WalkValues is like [Walk], and reads the values of all properties. QEMU 10.1 answers with one command for each object, and
// takes no longer than for Walk. Older ones need a command for each property, about 3500 for a machine, which take 1 to 3 s.
//
// Source: qom-list-get, or qom-list and qom-get.
func WalkValues(ctx context.Context, x qmp.Executor, path string) iter.Seq2[Object, error] {
	return walk(ctx, x, path, func(ctx context.Context, x qmp.Executor, path string) ([]Property, error) {
		return listValues(ctx, x, path, func(Property) bool { return true })
	})
}

// A visit is an object that a walk reads, or will read.
type visit struct {
	object Object
	err    error
	done   chan struct{} // nil before it reads
}

// walk reads the first objects of the rest of the walk at the same time.
func walk(
	ctx context.Context, x qmp.Executor, path string, read func(ctx context.Context, x qmp.Executor, path string) ([]Property, error),
) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		kind, err := Get[string](ctx, x, path, "type")
		if err != nil {
			yield(Object{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		rest := []*visit{{object: Object{Path: path, Type: kind}}} // the next one is last
		for len(rest) > 0 {
			for _, v := range rest[max(0, len(rest)-inFlight):] {
				if v.done == nil {
					v.done = make(chan struct{})
					running.Go(func() {
						defer close(v.done)
						v.object.Properties, v.err = read(ctx, x, v.object.Path)
					})
				}
			}
			v := rest[len(rest)-1]
			rest = rest[:len(rest)-1]
			<-v.done
			switch {
			case errors.Is(v.err, ErrNoObject) && v.object.Path != path: // removed by now
				continue
			case v.err != nil:
				yield(Object{}, failed(v.err, "list %q", v.object.Path))
				return
			case !yield(v.object, nil):
				return
			}
			for _, p := range slices.Backward(v.object.Properties) {
				if kind, ok := p.Child(); ok {
					rest = append(rest, &visit{object: Object{Path: strings.TrimSuffix(v.object.Path, "/") + "/" + p.Name, Type: kind}})
				}
			}
		}
	}
}

// inFlight is the number of commands that a function sends without waiting. It is small: QEMU answers in order, and another
// caller's command waits for those before it.
const inFlight = 8

// together calls f with the numbers below n, several at the same time. After an error it calls f no more, and returns
// the error.
func together(n int, f func(i int) error) error {
	var mu sync.Mutex
	var failure error
	next := 0
	take := func() (i int, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		i, ok = next, next < n && failure == nil
		next++
		return i, ok
	}
	var running sync.WaitGroup
	for range min(inFlight, n) {
		running.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				if err := f(i); err != nil {
					mu.Lock()
					failure = err
					mu.Unlock()
				}
			}
		})
	}
	running.Wait()
	return failure
}
