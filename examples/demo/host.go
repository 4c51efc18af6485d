package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// A host is for the server what a test is otherwise: it collects what goes wrong, and cleans up
// at the end.
type host struct {
	ctx      context.Context
	cancel   context.CancelFunc
	cleanups []func()

	mu  sync.Mutex
	err error
}

func newHost() *host {
	h := new(host)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

func (h *host) Helper()                  {}
func (h *host) Context() context.Context { return h.ctx }
func (h *host) Cleanup(f func())         { h.cleanups = append(h.cleanups, f) }

func (h *host) Error(args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = errors.Join(h.err, errors.New(fmt.Sprint(args...)))
}

func (h *host) Errorf(format string, args ...any) { h.Error(fmt.Sprintf(format, args...)) }
func (h *host) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// end cleans up and returns what went wrong.
func (h *host) end() error {
	h.cancel()
	for _, f := range slices.Backward(h.cleanups) {
		f()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}
