package qmptest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// A Program is a [T] for a program or an Example function, which has no test. Close it where a test would end.
// The zero Program is ready to use. Several goroutines can use it.
//
//	var p qmptest.Program
//	defer p.Close()
//	s := qmptest.NewServer(&p, nil)
type Program struct {
	mu       sync.Mutex
	ctx      context.Context
	cancel   context.CancelFunc
	cleanups []func()
	err      error
}

// Helper does nothing.
func (p *Program) Helper() {}

// Context returns a context that ends when Close begins.
func (p *Program) Context() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil {
		p.ctx, p.cancel = context.WithCancel(context.Background())
	}
	return p.ctx
}

// Cleanup makes Close call f. Close calls the function of the last Cleanup first.
func (p *Program) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanups = append(p.cleanups, f)
}

// Error makes Close return an error with this text.
func (p *Program) Error(args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = errors.Join(p.err, errors.New(fmt.Sprint(args...)))
}

// Errorf makes Close return an error with this text.
func (p *Program) Errorf(format string, args ...any) { p.Error(fmt.Sprintf(format, args...)) }

// Fatalf panics with this text. A server calls it only on the goroutine that has called one of its methods.
func (p *Program) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// Close ends everything that was made with the Program, such as servers and their clients. It returns the errors for
// which a test would have failed. A second Close returns them too.
func (p *Program) Close() error {
	p.Context()
	p.cancel()
	for {
		p.mu.Lock()
		last := len(p.cleanups) - 1
		if last < 0 {
			defer p.mu.Unlock()
			return p.err
		}
		f := p.cleanups[last]
		p.cleanups = slices.Delete(p.cleanups, last, last+1)
		p.mu.Unlock()
		f()
	}
}
