package qmp

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// A GuestClient is a connection to a guest agent, qemu-ga: an [Executor] for the commands of
// generated/guest. Any number of goroutines can call its methods at once.
//
// The channel stays open when the agent or its client restarts, and the other end does not notice.
// So the client synchronises with the agent before the first command, and again after each command
// without a reply. It sends a delimiter and guest-sync-delimited every few seconds until the agent
// answers, and drops the text before the delimiter of the reply, except for late replies that [OnLateReply]
// asks for. The agent executes one command at a time; others wait for it.
//
// While the guest's file systems are frozen, the agent executes only guest-ping, guest-info,
// guest-sync, guest-sync-delimited, guest-fsfreeze-status and guest-fsfreeze-thaw.
type GuestClient struct {
	client *Client
	mu     wait.Mutex // held while a command is executed
	synced bool
}

// delimiter is a byte that no JSON has. When the agent reads it, it drops the command that it has
// read in part. It sends one before its reply to guest-sync-delimited.
const delimiter = 0xff

var errAgentFiles = wrap("a guest agent takes no files", errors.ErrUnsupported)

var errNoAgent = errors.New("the guest agent does not answer (it is not running in the guest, or another client holds its channel)")

// DialGuest connects to the socket of a guest agent's channel, and synchronises with the agent. The address
// has the form that [Dial] takes. The socket exists before the guest has booted: DialGuest asks every few
// seconds until the agent answers or ctx ends.
func DialGuest(ctx context.Context, address string, opts *Options) (*GuestClient, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, wrap("qmp", err)
	}
	g, err := NewGuestClient(ctx, conn, opts)
	if err != nil {
		return nil, wrap("qmp: dial "+address, err)
	}
	return g, nil
}

// NewGuestClient makes a client of a connection to a guest agent and synchronises with the agent. It gives
// up when ctx ends. The connection belongs to the client, which closes it if NewGuestClient fails.
func NewGuestClient(ctx context.Context, conn net.Conn, opts *Options) (*GuestClient, error) {
	c := newClient(conn, opts)
	c.in.delimited = true
	c.calls.outOfOrder = true // an error without an id is the agent's answer to a delimiter
	c.start()
	g := &GuestClient{client: c}
	if err := g.sync(ctx); err != nil {
		_ = c.Close()
		if arrived := c.in.whatArrived(err); arrived != "" {
			return nil, wrap("qmp: no guest agent has answered"+arrived, err)
		}
		return nil, wrap("qmp", err)
	}
	return g, nil
}

// Execute executes a command like [Client.Execute], with the same errors. If a command has no reply
// (guest-shutdown, guest-suspend-disk and others), give ctx a deadline: the command succeeds if no error has
// come by then.
func (g *GuestClient) Execute(ctx context.Context, call *Call) error {
	if len(call.Files) > 0 {
		return &unansweredError{call.Command, ErrNotSent, errAgentFiles}
	}
	if err := g.mu.Lock(ctx); err != nil {
		return &unansweredError{call.Command, ErrNotSent, wrap("another command is being executed", err)}
	}
	defer g.mu.Unlock()
	if !g.synced {
		if err := g.sync(ctx); err != nil {
			return &unansweredError{call.Command, ErrNotSent, err}
		}
	}
	err := g.client.Execute(ctx, call)
	if call.NoReply || errors.Is(err, ErrOutcomeUnknown) {
		g.synced = false // a reply may come late
	}
	return err
}

// syncInterval is the time after which a synchronisation that is not answered is sent again: firmware
// or a boot loader, which read the channel before the agent does, have swallowed it.
const syncInterval = 3 * time.Second

// mostRefusals is the number of errors after which the agent, and not a leftover, refuses to synchronise.
const mostRefusals = 3

// sync synchronises with the agent. The reply to an earlier synchronisation can still come first: it
// has another number. So can an error for another client, with the same id.
func (g *GuestClient) sync(ctx context.Context) error {
	for refusals := 0; ; {
		g.client.calls.forgetAbandoned(false)
		want, got := int64(rand.Uint64()>>1), int64(-1)
		err := g.client.Execute(ctx, &Call{
			Command: "guest-sync-delimited",
			Args:    syncID(want),
			Result:  func(d *wire.Decoder) { got = d.Int64() },
			delimit: true,
		})
		switch {
		case err != nil && ctx.Err() != nil:
			return wrap(errNoAgent.Error(), wait.Err(ctx))
		case err != nil:
			_, refused := errors.AsType[*Error](err)
			if refusals++; !refused || refusals == mostRefusals {
				return err
			}
		case got == want:
			g.client.calls.forgetAbandoned(true)
			g.synced = true
			return nil
		}
	}
}

// A repetition sends the same request every few seconds until the agent answers it. The agent answers
// each copy that it reads. The first answer counts, and the client drops the others: they come before
// the reply to any later command, which has another id.
type repetition struct {
	text  []byte // of the request
	timer *time.Timer
}

// repeat begins to repeat p, and returns a function that ends it.
func (c *Client) repeat(call *Call, p *pending) (stop func()) {
	f := &c.calls
	f.mu.Lock()
	defer f.mu.Unlock()
	p.repeated.timer = time.AfterFunc(syncInterval, func() {
		if f.sendAgain(p) {
			if c.options.Trace != nil {
				c.guard(callTrace, func() { c.traceSent(call, p) })
			}
			c.flush()
		}
	})
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		p.repeated.timer.Stop()
	}
}

// sendAgain queues a copy of p, and reports whether it did. It queues none if p has ended, or while
// the last copy still waits to be written.
func (f *inflight) sendAgain(p *pending) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.stage == finished || p.abandoned || f.sendErr != nil {
		return false
	}
	p.repeated.timer.Reset(syncInterval)
	if f.writing || len(f.queue) > 0 {
		return false
	}
	again := newPending(p.command)
	again.copied = true
	again.request.b = append(again.request.b, p.repeated.text...)
	f.queue = append(f.queue, again)
	return true
}

// syncID are the arguments of guest-sync-delimited.
type syncID int64

func (id syncID) EncodeMembers(e *wire.Encoder) { e.Name("id").Int(int64(id)) }

// forgetAbandoned forgets abandoned commands: all, or those whose replies nobody wants. When the agent has
// synchronised, no more replies come for them.
func (f *inflight) forgetAbandoned(all bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.byID {
		if p != nil && p.abandoned && p.stage == sent && (all || p.late == nil) {
			p.stage = finished
			f.forget(p)
		}
	}
}

// Done returns a channel that is closed when the connection has ended, for whatever reason. The
// connection stays open when the agent ends.
func (g *GuestClient) Done() <-chan struct{} { return g.client.Done() }

// Err returns why the connection has ended, like [Client.Err].
func (g *GuestClient) Err() error { return g.client.Err() }

// Stats returns the client's counters like [Client.Stats]. They include the commands that synchronise.
func (g *GuestClient) Stats() Stats { return g.client.Stats() }

// Close ends the connection like [Client.Close].
func (g *GuestClient) Close() error { return g.client.Close() }
