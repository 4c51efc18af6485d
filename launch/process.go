package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Process is a QEMU that [Start] has started or [Attach] has found. Several goroutines can call its methods.
type Process struct {
	process   *os.Process
	pid       int
	owned     []ownedPath // removed at the end
	stderr    *tail
	connected chan struct{} // closed when client is set, or never will be
	client    *qmp.Client
	watched   chan struct{} // closed when the connection has ended and its events were read
	ended     chan struct{} // closed when the process has ended
	done      chan struct{} // closed when exit is set
	exit      Exit

	mu     sync.Mutex
	cause  qemu.ShutdownCause // of the last SHUTDOWN event
	ending bool               // no STOP has followed that: QEMU ends by itself
	stage  Stage              // that Shutdown has reached
	turned chan struct{}      // has one when ending has changed

	stopping wait.Mutex // held by the Shutdown that acts
}

func newProcess(stderr io.Writer) *Process {
	return &Process{
		stderr: newTail(stderr), connected: make(chan struct{}), watched: make(chan struct{}),
		ended: make(chan struct{}), done: make(chan struct{}), turned: make(chan struct{}, 1),
	}
}

// Client returns the client of QEMU's monitor. Its connection ends with QEMU. The program can close it earlier:
// QEMU goes on, and [Process.Shutdown] begins with SIGTERM.
func (p *Process) Client() *qmp.Client { return p.client }

// Pid returns the ID of the process. When Done is closed, another process can have it.
func (p *Process) Pid() int { return p.pid }

// Done returns a channel that is closed when QEMU has ended and everything that Start made is cleaned up.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stderr returns the standard error of QEMU so far. If that is long, it returns the first and the last 32 KiB, with a
// line between them that says how much is missing. For a process of [Attach], it is empty.
func (p *Process) Stderr() string { return p.stderr.String() }

// Exit reports how QEMU has ended. ok is false if QEMU runs.
func (p *Process) Exit() (exit Exit, ok bool) {
	select {
	case <-p.done:
		return p.exit, true
	default:
		return Exit{}, false
	}
}

// Wait waits until QEMU has ended, and reports how. It does not end QEMU: if ctx ends first, Wait returns its error.
func (p *Process) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-p.done:
		return p.exit, nil
	case <-ctx.Done():
		return Exit{}, fmt.Errorf("launch: wait for process %d: %w", p.Pid(), wait.Err(ctx))
	}
}

// Kill ends QEMU at once (SIGKILL) and waits for its end. If QEMU has ended, Kill does nothing and returns nil.
//
// An error means that the process could not be killed, or that the kernel has not ended it after 10 seconds: it may
// hang in a device of the host.
func (p *Process) Kill() error {
	if err := p.kill(); err != nil {
		return fmt.Errorf("launch: kill process %d: %w", p.Pid(), err)
	}
	limit := time.NewTimer(killLimit)
	defer limit.Stop()
	select {
	case <-p.done:
		return nil
	case <-limit.C:
		return fmt.Errorf("launch: kill process %d: it has not ended after %v", p.Pid(), killLimit)
	}
}

const killLimit = 10 * time.Second

func (p *Process) kill() error { return p.signal(os.Kill) }

// signal sends a signal. A process that has ended needs none.
func (p *Process) signal(s os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hasEnded() {
		return nil
	}
	err := p.process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// setClient sets the client, and follows its events.
func (p *Process) setClient(client *qmp.Client) {
	p.client = client
	var (
		shutdown qemu.ShutdownEvent
		stop     qemu.StopEvent
	)
	events := client.Events(shutdown.EventName(), stop.EventName())
	go func() {
		defer close(p.watched)
		for {
			event, err := events.Next(context.Background())
			switch {
			case errors.Is(err, qmp.ErrEventsLost):
				continue // the last event is not lost
			case err != nil:
				return
			case event.Name == stop.EventName(): // -no-shutdown
				p.turn(false)
			case qmp.DecodeEventData(event.Data, &shutdown) == nil:
				p.mu.Lock()
				p.cause = shutdown.Reason
				p.mu.Unlock()
				p.turn(true)
			}
		}
	}()
	close(p.connected)
}

// turn sets whether QEMU ends by itself.
func (p *Process) turn(ending bool) {
	p.mu.Lock()
	p.ending = ending
	p.mu.Unlock()
	select {
	case p.turned <- struct{}{}:
	default:
	}
}

// endsItself reports whether QEMU has said that it ends.
func (p *Process) endsItself() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ending
}

// finish sets how a process has ended, and cleans up.
func (p *Process) finish(exit Exit) {
	<-p.connected
	if p.client != nil {
		limit := time.NewTimer(time.Second)
		select {
		case <-p.watched: // the events before the end are read
		case <-limit.C: // another process has QEMU's end of the connection
		}
		limit.Stop()
		_ = p.client.Close() // returns nil
		<-p.watched
	}
	removeAll(p.owned)
	p.mu.Lock()
	exit.Stage = p.stage
	exit.setReason(p.cause)
	p.mu.Unlock()
	p.exit = exit
	close(p.done)
}
