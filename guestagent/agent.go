package guestagent

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
)

// An Agent is the guest agent of a machine. It executes the commands of generated/guest, and its methods do what takes
// several commands. Any number of goroutines can call its methods.
type Agent struct {
	opts     Options
	life     context.Context // ends with Close
	end      context.CancelFunc
	dialing  wait.Mutex // held while a goroutine connects again
	mu       sync.Mutex // guards what follows
	conn     qmp.Executor
	closed   bool
	late     sync.WaitGroup // goroutines that undo what late replies report
	noSetsid atomic.Bool    // the guest has no setsid
	version  wait.Answer[qmp.Version]
}

// Options configures an [Agent]. nil and the zero value mean the defaults.
type Options struct {
	// Redial connects again when the connection has ended. nil means that the Agent does not connect again. The Agent
	// sends a command over the new connection if the old one had not sent it. Redial must return an Executor that
	// reports its end, as a [*qmp.GuestClient] does.
	Redial func(ctx context.Context) (qmp.Executor, error)

	// VM is the connection to the machine's monitor; may be nil. With it, a command ends with an error that matches
	// [ErrAgentGone] when the guest shuts down, and the error also matches [ErrVMEnded] if QEMU has ended. If only this
	// connection ends, the Agent goes on without it. The caller still owns VM.
	VM qmp.Conn

	// Port is the ID of the agent's virtserialport device, which needs VM. With it, a command also ends when the agent
	// ends in the guest, and [Agent.WaitReady] reports whether a program has opened the port.
	Port string
}

// New returns an Agent that sends its commands over conn, usually a [*qmp.GuestClient]. conn belongs to the Agent:
// [Agent.Close] closes it. If conn is nil, the Agent calls Redial for the first command.
func New(conn qmp.Executor, opts *Options) *Agent {
	a := &Agent{conn: conn}
	a.life, a.end = context.WithCancel(context.Background())
	if opts != nil {
		a.opts = *opts
	}
	return a
}

// Dial connects to the socket of a guest agent's channel, and waits until the agent answers. The address has the form
// that [qmp.Dial] takes. If opts has no Redial, the Agent dials the same address again when the connection has ended.
//
// The errors are those of [Agent.WaitReady].
func Dial(ctx context.Context, address string, opts *Options) (*Agent, error) {
	a := New(nil, opts)
	if a.opts.Redial == nil {
		a.opts.Redial = func(ctx context.Context) (qmp.Executor, error) {
			g, err := qmp.DialGuest(ctx, address, nil)
			if err != nil {
				return nil, err // not a nil *qmp.GuestClient
			}
			return g, nil
		}
	}
	if err := a.WaitReady(ctx); err != nil {
		_ = a.Close()
		return nil, err
	}
	return a, nil
}

// Close closes the connection, and waits until the Agent's goroutines have ended. It leaves everything in the guest as
// it is. The methods fail after Close, with an error that matches [qmp.ErrClosed].
func (a *Agent) Close() error {
	a.mu.Lock()
	conn := a.conn
	a.closed, a.conn = true, nil
	a.mu.Unlock()
	a.end()
	err := closeConn(conn)
	a.late.Wait()
	return err
}

func closeConn(conn qmp.Executor) error {
	if c, ok := conn.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Execute executes a command, so that an Agent is a [qmp.Executor]:
//
//	info, err := guest.GuestGetOSInfo{}.Do(ctx, agent)
//
// It returns the errors of [qmp.GuestClient.Execute]. The error also matches:
//   - [ErrUnavailable], [ErrDisabled] or [ErrFrozen]: the agent does not execute the command.
//   - [ErrAgentGone]: the agent or its channel has ended. A command without a reply, such as guest-suspend-ram, succeeds
//     instead.
//
// To tell the first three apart, Execute asks the agent for its commands and whether file systems are frozen.
func (a *Agent) Execute(ctx context.Context, call *qmp.Call) error {
	if ctx.Value(frozenBy{a}) != nil && !worksFrozen[call.Command] {
		return notSent(call.Command, ErrFrozen)
	}
	watched, stop := a.watch(ctx, true)
	defer stop()
	err := a.because(ctx, watched, a.execute(watched, call))
	if call.NoReply && errors.Is(err, ErrAgentGone) && errors.Is(err, qmp.ErrOutcomeUnknown) {
		return nil
	}
	return err
}

// execute is Execute without a watch of the machine.
func (a *Agent) execute(ctx context.Context, call *qmp.Call) error {
	for first := true; ; first = false {
		conn, err := a.connection(ctx)
		if err != nil {
			return notSent(call.Command, err)
		}
		err = conn.Execute(ctx, call)
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			_ = closeConn(conn) // its client has not read the end yet
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, qmp.ErrCommandNotFound):
			return explain(ctx, conn, call.Command, err)
		case ctx.Err() != nil || ended(conn) == nil || a.isClosed():
			return err
		case a.opts.Redial == nil || !errors.Is(err, qmp.ErrNotSent), !first && pause(ctx, readyPause) != nil:
			return &kindError{ErrAgentGone, err}
		}
	}
}

// connection returns the connection. If it has ended, connection connects again.
func (a *Agent) connection(ctx context.Context) (qmp.Executor, error) {
	a.mu.Lock()
	conn, closed := a.conn, a.closed
	a.mu.Unlock()
	switch {
	case closed:
		return nil, qmp.ErrClosed
	case conn != nil && (ended(conn) == nil || a.opts.Redial == nil):
		return conn, nil
	case a.opts.Redial == nil:
		return nil, errors.New("the Agent has no connection")
	}
	if err := a.dialing.Lock(ctx); err != nil {
		return nil, err
	}
	defer a.dialing.Unlock()
	a.mu.Lock()
	now := a.conn
	a.mu.Unlock()
	if now != nil && now != conn { // another goroutine has connected
		return now, nil
	}
	dialing, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.life, cancel)()
	fresh, err := a.opts.Redial(dialing)
	if err != nil {
		if a.isClosed() {
			err = qmp.ErrClosed
		}
		return nil, err
	}
	a.mu.Lock()
	if closed = a.closed; !closed {
		a.conn = fresh
	}
	a.mu.Unlock()
	if closed {
		_ = closeConn(fresh)
		return nil, qmp.ErrClosed
	}
	_ = closeConn(conn) // has ended
	return fresh, nil
}

// canRedial reports whether a command can be repeated that failed with err, because the agent or the connection ended.
func (a *Agent) canRedial(ctx context.Context, err error) bool {
	return a.opts.Redial != nil && ctx.Err() == nil && errors.Is(err, ErrAgentGone) && !errors.Is(err, ErrVMEnded)
}

func (a *Agent) isClosed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed
}

// ended returns why a connection has ended, or nil.
func ended(conn qmp.Executor) error {
	for conn != nil {
		if c, ok := conn.(interface{ Err() error }); ok {
			return c.Err()
		}
		outer, ok := conn.(interface{ Unwrap() qmp.Executor })
		if !ok {
			return nil
		}
		conn = outer.Unwrap()
	}
	return nil
}

// explain finds out why an agent answers CommandNotFound. The class and the text are the same for a command that
// does not exist, is disabled, or does not work while file systems are frozen.
func explain(ctx context.Context, conn qmp.Executor, command string, refusal error) error {
	if !worksFrozen[command] {
		status, err := guest.GuestFsfreezeStatus{}.Do(ctx, conn)
		if err == nil && status == guest.GuestFsfreezeStatusResultFrozen {
			return &kindError{ErrFrozen, refusal}
		}
	}
	info, err := guest.GuestInfo{}.Do(ctx, conn)
	if err != nil {
		return refusal
	}
	for _, c := range info.SupportedCommands {
		switch {
		case c.Name != command:
		case c.Enabled && worksFrozen[command]:
			return refusal
		case c.Enabled:
			return &kindError{ErrFrozen, refusal} // they were thawed after the refusal
		default:
			return &kindError{ErrDisabled, refusal}
		}
	}
	return &kindError{ErrUnavailable, refusal}
}

const (
	undoLimit   = 10 * time.Second // to free things in the guest after ctx has ended
	undoAttempt = 4 * time.Second  // for one attempt: a restarted agent never answers
	firstPoll   = 10 * time.Millisecond
	lastPoll    = time.Second
	readyPause  = 200 * time.Millisecond // between attempts to reach an agent, also by new connections
)

// whenLate calls undo on another goroutine, for a late reply.
func (a *Agent) whenLate(undo func(ctx context.Context)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.late.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), undoLimit)
		defer cancel()
		undo(ctx)
	})
}

// whenThawed calls do. While file systems are frozen and do fails for this reason, it calls do again, until ctx ends.
func (a *Agent) whenThawed(ctx context.Context, do func() error) error {
	for delay := firstPoll; ; delay = min(2*delay, lastPoll) {
		err := do()
		if !errors.Is(err, ErrFrozen) || ctx.Value(frozenBy{a}) != nil || pause(ctx, delay) != nil {
			return err
		}
	}
}

// pause waits for a while, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return wait.Err(ctx)
	}
}
