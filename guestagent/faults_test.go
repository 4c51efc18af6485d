package guestagent_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
)

// A fakeGuest is an agent that keeps track of what it has open, runs and has frozen. It survives connections.
type fakeGuest struct {
	mu      sync.Mutex
	open    map[int64]bool
	running map[int64]bool // false: has ended, and nobody has asked
	session map[int64]bool
	next    int64
	frozen  bool
	count   int64 // file systems
	calls   []string
	version string
	answers map[string]func(args []byte) (any, error) // by command, in place of the usual ones

	// The fault comes at the command with this number, from 0 on.
	at    int
	fault fault
}

type fault int

const (
	none       fault = iota
	notSent          // the connection ends before the command is sent
	notDone          // the connection ends before the agent executes the command
	replyLost        // the connection ends before the reply comes
	mute             // the reply never comes
	late             // the reply comes when the caller has given up
	restarts         // the agent restarts instead of answering
	refuses          // the agent refuses
	faultCount       // how many there are
)

func newFakeGuest() *fakeGuest {
	return &fakeGuest{open: map[int64]bool{}, running: map[int64]bool{}, session: map[int64]bool{}, next: 1000, count: 2, at: -1, version: "10.0.2"}
}

// A fakeConn is a connection to it.
type fakeConn struct {
	guest *fakeGuest
	mu    sync.Mutex
	err   error
	over  context.Context
	close func()
}

// ended returns a channel that is closed when the connection has ended.
func (c *fakeConn) ended() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over == nil {
		c.over, c.close = context.WithCancel(context.Background())
	}
	if c.err != nil {
		c.close()
	}
	return c.over.Done()
}

func (c *fakeConn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *fakeConn) end() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = io.EOF
	if c.close != nil {
		c.close()
	}
	return c.err
}

func (c *fakeConn) Close() error { _ = c.end(); return nil }

func (c *fakeConn) Execute(ctx context.Context, call *qmp.Call) error {
	if err := c.Err(); err != nil {
		return fmt.Errorf("%w: %w", qmp.ErrNotSent, err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w: %w", qmp.ErrNotSent, ctx.Err(), context.Cause(ctx))
	}
	args, err := call.AppendArgs(nil)
	if err != nil {
		return err
	}
	g := c.guest
	g.mu.Lock()
	f := none
	if len(g.calls) == g.at {
		f = g.fault
	}
	g.calls = append(g.calls, call.Command+string(args))
	if f == notSent {
		g.mu.Unlock()
		return fmt.Errorf("%w: %w", qmp.ErrNotSent, c.end())
	}
	var result any
	if f == restarts {
		clear(g.open)
		clear(g.running)
	}
	if f == refuses {
		err = &qmp.Error{Command: call.Command, Class: qmp.ErrGeneric, Desc: "refused"}
	}
	if f != notDone && f != restarts && f != refuses {
		result, err = g.do(call.Command, args)
	}
	g.mu.Unlock()
	switch f {
	case notDone, replyLost:
		return fmt.Errorf("%w: %w", qmp.ErrOutcomeUnknown, c.end())
	case mute, late, restarts:
		select {
		case <-ctx.Done():
		case <-c.ended():
			if call.NoReply {
				return nil
			}
			return fmt.Errorf("%w: %w", qmp.ErrOutcomeUnknown, io.EOF)
		}
		if f == late && call.Late != nil && err == nil {
			text, _ := json.Marshal(result)
			time.AfterFunc(time.Millisecond, func() { call.Late(text) })
		}
		return fmt.Errorf("%w: %w: %w", qmp.ErrOutcomeUnknown, ctx.Err(), context.Cause(ctx))
	}
	if err != nil {
		return err
	}
	if result == nil {
		result = struct{}{}
	}
	text, err := json.Marshal(result)
	if err != nil {
		return err
	}
	return call.Decode(text)
}

// do executes a command. The caller holds mu.
func (g *fakeGuest) do(command string, text []byte) (any, error) {
	refuse := func(class qmp.ErrorClass) (any, error) {
		return nil, &qmp.Error{Command: command, Class: class, Desc: "refused"}
	}
	works := []string{"guest-ping", "guest-info", "guest-fsfreeze-status", "guest-fsfreeze-thaw"}
	if answer := g.answers[command]; answer != nil {
		return answer(text)
	}
	if g.frozen && !slices.Contains(works, command) {
		return refuse(qmp.ErrCommandNotFound)
	}
	var args struct {
		Path   string
		Arg    []string
		Handle int64
		PID    int64
		Count  int64
		Data   string `json:"buf-b64"`
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &args); err != nil {
			return nil, err
		}
	}
	switch command {
	case "guest-info":
		return map[string]any{"version": g.version, "supported_commands": []any{}}, nil
	case "guest-file-open":
		g.next++
		g.open[g.next] = true
		return g.next, nil
	case "guest-file-read", "guest-file-write", "guest-file-seek", "guest-file-flush", "guest-file-close":
		if !g.open[args.Handle] {
			return refuse(qmp.ErrGeneric)
		}
		data, _ := base64.StdEncoding.DecodeString(args.Data)
		switch command {
		case "guest-file-read":
			return map[string]any{"count": 4, "buf-b64": "dGV4dA==", "eof": true}, nil
		case "guest-file-write":
			return map[string]any{"count": len(data), "eof": false}, nil
		case "guest-file-seek":
			return map[string]any{"position": 0, "eof": false}, nil
		case "guest-file-close":
			delete(g.open, args.Handle)
		}
		return nil, nil
	case "guest-exec":
		g.next++
		pid := g.next
		g.session[pid] = args.Path == "setsid"
		g.running[pid] = slices.Contains(args.Arg, "forever")
		if len(args.Arg) == 4 && strings.Contains(args.Arg[1], "kill") {
			target, _ := strconv.ParseInt(args.Arg[3], 10, 64)
			if args.Arg[1] != `kill -s KILL -- "$1"` || target == -1 || target == 0 || target == 1 {
				return refuse("a dangerous kill")
			}
			if target < 0 && g.session[-target] || target > 0 {
				g.running[max(target, -target)] = false
			}
		}
		return map[string]any{"pid": pid}, nil
	case "guest-exec-status":
		runs, ok := g.running[args.PID]
		if !ok {
			return refuse(qmp.ErrGeneric)
		}
		if runs {
			return map[string]any{"exited": false}, nil
		}
		delete(g.running, args.PID)
		return map[string]any{"exited": true, "exitcode": 0, "out-data": "b3V0"}, nil
	case "guest-fsfreeze-freeze":
		g.frozen = g.count > 0
		return g.count, nil
	case "guest-fsfreeze-status":
		if g.frozen {
			return "frozen", nil
		}
		return "thawed", nil
	case "guest-fsfreeze-thaw":
		if !g.frozen {
			return 0, nil
		}
		g.frozen = false
		return g.count, nil
	case "guest-network-get-interfaces":
		return []any{map[string]any{"name": "lo"}}, nil
	}
	return nil, nil
}

// left returns what is still open, runs or is frozen.
func (g *fakeGuest) left() (left []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for handle := range g.open {
		left = append(left, fmt.Sprint("handle ", handle))
	}
	for pid, runs := range g.running {
		if runs {
			left = append(left, fmt.Sprint("process ", pid))
		}
	}
	if g.frozen {
		left = append(left, "frozen")
	}
	return left
}

// agent returns an Agent that can connect again, or cannot.
func (g *fakeGuest) agent(t *testing.T, redials bool) *guestagent.Agent {
	opts := &guestagent.Options{}
	if redials {
		opts.Redial = func(context.Context) (qmp.Executor, error) { return &fakeConn{guest: g}, nil }
	}
	a := guestagent.New(&fakeConn{guest: g}, opts)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

// operations are the operations of a package, and what they must leave behind if a fault comes at their first command.
var operations = map[string]func(ctx context.Context, a *guestagent.Agent) error{
	"ping": func(ctx context.Context, a *guestagent.Agent) error { return guest.GuestPing{}.Do(ctx, a) },
	"read": func(ctx context.Context, a *guestagent.Agent) error {
		data, err := a.ReadFile(ctx, "/file")
		if err == nil && string(data) != "text" {
			return errors.New("wrong data")
		}
		return err
	},
	"write": func(ctx context.Context, a *guestagent.Agent) error {
		return a.WriteFile(ctx, "/file", []byte("text"), 0o666)
	},
	"write with mode": func(ctx context.Context, a *guestagent.Agent) error {
		return a.WriteFile(ctx, "/file", []byte("text"), 0o600)
	},
	"copy to": func(ctx context.Context, a *guestagent.Agent) error {
		n, err := a.CopyTo(ctx, "/file", bytes.NewReader(make([]byte, 100_000)), nil)
		if err == nil && n != 100_000 {
			return errors.New("wrong length")
		}
		return err
	},
	"copy from": func(ctx context.Context, a *guestagent.Agent) error {
		_, err := a.CopyFrom(ctx, "/file", io.Discard, &guestagent.CopyOptions{Progress: func(int64, int64) {}})
		return err
	},
	"run": func(ctx context.Context, a *guestagent.Agent) error {
		r, err := a.Run(ctx, guestagent.Command{Path: "program"})
		if err == nil && string(r.Stdout) != "out" {
			return errors.New("wrong output")
		}
		return err
	},
	"run merged": func(ctx context.Context, a *guestagent.Agent) error {
		_, err := a.Run(ctx, guestagent.Command{Path: "program", Output: guestagent.Merged})
		return err
	},
	"run for ever": func(ctx context.Context, a *guestagent.Agent) error {
		ctx, cancel := context.WithTimeoutCause(ctx, time.Second, errStopped)
		defer cancel()
		_, err := a.Run(ctx, guestagent.Command{Path: "program", Args: []string{"forever"}})
		if errors.Is(err, errStopped) && !errors.As(err, new(*guestagent.StillRunningError)) && !errors.Is(err, qmp.ErrOutcomeUnknown) {
			return nil
		}
		return err
	},
	"start and kill": func(ctx context.Context, a *guestagent.Agent) error {
		p, err := a.Start(ctx, guestagent.Command{Path: "program", Args: []string{"forever"}})
		if err != nil {
			return err
		}
		for range 3 { // as a caller repeats it
			longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
			err = p.Kill(longer)
			cancel()
			if err == nil || errors.Is(err, guestagent.ErrNoProcess) {
				break
			}
		}
		return err
	},
	"frozen": func(ctx context.Context, a *guestagent.Agent) error {
		return a.WhileFrozen(ctx, nil, func(ctx context.Context) error {
			return guest.GuestPing{}.Do(ctx, a)
		})
	},
	"freezer": func(ctx context.Context, a *guestagent.Agent) error {
		z := a.Freezer(nil)
		err := z.Freeze(ctx)
		longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return errors.Join(err, z.Thaw(longer))
	},
	"interfaces": func(ctx context.Context, a *guestagent.Agent) error { _, err := a.Interfaces(ctx); return err },
	"ready":      func(ctx context.Context, a *guestagent.Agent) error { return a.WaitReady(ctx) },
}

var errStopped = errors.New("stopped")

// TestFaultAtEveryCommand has each fault at each command of each operation, with and without a new connection.
func TestFaultAtEveryCommand(t *testing.T) {
	for name, operation := range operations {
		for _, redials := range []bool{true, false} {
			for f := notSent; f < faultCount; f++ {
				t.Run(fmt.Sprintf("%s/redials=%v/fault=%d", name, redials, f), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						for at, more := 0, true; more; at++ {
							more = faultAt(t, operation, redials, f, at)
						}
					})
				})
			}
		}
	}
}

// faultAt has a fault at one command. It returns false if the operation has fewer commands.
func faultAt(t *testing.T, operation func(context.Context, *guestagent.Agent) error, redials bool, f fault, at int) (came bool) {
	g := newFakeGuest()
	g.at, g.fault = at, f
	a := g.agent(t, redials)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := operation(ctx, a)
	time.Sleep(time.Minute) // for late replies
	g.mu.Lock()
	calls := slices.Clone(g.calls)
	g.mu.Unlock()
	t.Logf("fault %d at command %d: %v\n%s", f, at, err, strings.Join(calls, "\n"))
	if at >= len(calls) {
		require.NoError(t, err)
		require.Empty(t, g.left())
		return false
	}
	faulty, _, _ := strings.Cut(calls[at], "{")
	left := g.left()
	switch {
	case f == notSent && redials:
		require.NoError(t, err)
		require.Empty(t, left)
	case redials && (f == notDone || f == replyLost || f == mute || f == late):
		// Only what was made by a command whose reply is lost with its connection can stay.
		lost := f == replyLost || f == mute
		switch {
		case lost && (faulty == "guest-file-open" || faulty == "guest-exec"):
			if len(left) > 0 {
				require.Error(t, err)
				require.Len(t, left, 1)
			}
		case faulty == "guest-file-close" && f != replyLost: // sent once
			require.Error(t, err)
		default:
			require.Empty(t, left)
		}
	case f == restarts:
		require.NotContains(t, left, "frozen")
	}
	if slices.Contains(left, "frozen") { // the caller knows
		require.ErrorAs(t, err, new(*guestagent.ThawError))
	}
	if f <= replyLost && !redials {
		if err != nil && !errors.Is(err, errStopped) {
			require.ErrorIs(t, err, guestagent.ErrAgentGone)
		}
	}
	if f == mute || f == late {
		if err != nil && ctx.Err() != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
	}
	return true
}

// TestNoDangerousKill: the guest never gets a kill that can mean all processes.
func TestNoDangerousKill(t *testing.T) {
	g := newFakeGuest()
	a := g.agent(t, false)
	for _, pid := range []int64{-5, -1, 0, 1} {
		g.running[pid] = true
		require.ErrorIs(t, a.Process(pid).Kill(t.Context()), guestagent.ErrNoProcess)
	}
	require.Empty(t, g.calls)
	g.running[12345], g.session[12345] = true, true
	require.NoError(t, a.Process(12345).Kill(t.Context()))
	require.Contains(t, g.calls, `guest-exec{"path":"sh","arg":["-c","kill -s KILL -- \"$1\"","sh","-12345"]}`)
}
