package guestagent

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
)

// A Process is a program that the agent has started. Any number of goroutines can call its methods.
//
// The agent reports the end of a program once. A Process keeps the report, but two Processes for one PID, also of two
// programs, take it from each other.
type Process struct {
	agent    *Agent
	pid      int64
	command  Command
	indirect bool // another program has started it

	polling wait.Mutex // held while a goroutine asks for the status
	late    atomic.Pointer[guest.GuestExecStatusResult]
	ended   atomic.Bool
	status  Result // to be read when ended
	broken  error  // why the output cannot be read
}

// Process returns a process that the agent has started, by its number: also one of another client, or from before a
// restart of the caller. It does not ask the agent. Numbers do not survive the agent.
func (a *Agent) Process(pid int64) *Process { return &Process{agent: a, pid: pid} }

// PID returns the number of the process in the guest.
func (p *Process) PID() int64 { return p.pid }

// Wait waits until the process has ended. If ctx ends, only the wait ends. Further calls return the same Result.
//
// The errors are those of [Agent.Run], and:
//   - [ErrNoProcess]: the agent does not know the process.
//
// Source: guest-exec-status.
func (p *Process) Wait(ctx context.Context) (Result, error) {
	if err := p.wait(ctx); err != nil {
		return Result{}, fail("wait for process", p.name(), err)
	}
	r, err := p.outcome(ctx)
	return r, fail("wait for process", p.name(), err)
}

// Kill kills the process and its session, with signal 9. It does not wait for the end: call [Process.Wait]. Killing a
// process that has ended is not an error. A process that was not started in its own session (see [Agent.Run]) is
// killed alone.
//
// The error matches [ErrNoProcess] if the agent does not know the process.
//
// Source: guest-exec of a shell, or of kill; guest-exec-status.
func (p *Process) Kill(ctx context.Context) error { return fail("kill process", p.name(), p.kill(ctx)) }

func (p *Process) name() string { return strconv.FormatInt(p.pid, 10) }

func (p *Process) known() bool { return p.ended.Load() }

// wait waits until the status is known. While file systems are frozen, it goes on.
func (p *Process) wait(ctx context.Context) error {
	for delay := firstPoll; ; delay = min(2*delay, lastPoll) {
		err := p.poll(ctx)
		switch {
		case p.known():
			return nil
		case err == nil, ctx.Value(frozenBy{p.agent}) == nil && errors.Is(err, ErrFrozen):
		case p.agent.canRedial(ctx, err):
		default:
			return err
		}
		if err := pause(ctx, delay); err != nil {
			return err
		}
	}
}

// poll asks for the status once.
func (p *Process) poll(ctx context.Context) error {
	if err := p.polling.Lock(ctx); err != nil {
		return err
	}
	defer p.polling.Unlock()
	if p.known() {
		return nil
	}
	status, err := guest.GuestExecStatus{PID: p.pid}.Do(ctx, p.agent, qmp.OnLateReply(func(result qmp.RawJSON) {
		var late guest.GuestExecStatusResult
		if qmp.Unmarshal(result, &late) == nil && late.Exited {
			p.late.Store(&late)
		}
	}))
	if late := p.late.Load(); late != nil {
		status, err = *late, nil
	}
	switch {
	case errors.Is(err, qmp.ErrGeneric): // its only reason
		return fmt.Errorf("%w: %w", ErrNoProcess, err)
	case err != nil:
		return err
	case status.Exited:
		p.end(status)
	}
	return nil
}

// end keeps the status of a process that has ended.
func (p *Process) end(s guest.GuestExecStatusResult) {
	var outErr, errErr error
	p.status.Stdout, outErr = base64.StdEncoding.DecodeString(qmp.Value(s.OutData))
	p.status.Stderr, errErr = base64.StdEncoding.DecodeString(qmp.Value(s.ErrData))
	p.broken = errors.Join(outErr, errErr)
	p.status.ExitCode, p.status.Signal = int(qmp.Value(s.Exitcode)), int(qmp.Value(s.Signal))
	if p.status.Signal != 0 {
		p.status.ExitCode = -1
	}
	p.ended.Store(true)
}

// outputLimit is the size of a stream that the agent has cut. QEMU 5.2 and 10.0 report truncation wrongly.
const outputLimit = 16 << 20

// The statuses of a shell or setsid that cannot execute a program.
const (
	cannotExecute = 126
	doesNotFind   = 127
)

// outcome returns how the process ended.
func (p *Process) outcome(ctx context.Context) (Result, error) {
	if !p.known() {
		return Result{}, nil
	}
	r, err := p.status, p.broken
	if len(r.Stdout) >= outputLimit || len(r.Stderr) >= outputLimit {
		err = errors.Join(err, ErrTruncated)
	}
	if r.ExitCode == 0 {
		return r, err
	}
	exit := &ExitError{Path: p.command.Path, ExitCode: r.ExitCode, Signal: r.Signal, Stderr: r.Stderr}
	if p.indirect && (r.ExitCode == cannotExecute || r.ExitCode == doesNotFind) && p.agent.lacks(ctx, p.command) {
		return r, fmt.Errorf("%w: %w", ErrNotFound, exit)
	}
	if err != nil {
		return r, fmt.Errorf("%w; %w", exit, err)
	}
	return r, exit
}

// kill kills the session of the process, or the process if it has no session.
func (p *Process) kill(ctx context.Context) error {
	for {
		err := p.agent.whenThawed(ctx, func() error { return p.tryKill(ctx) })
		if !p.agent.canRedial(ctx, err) || pause(ctx, readyPause) != nil {
			return err
		}
	}
}

func (p *Process) tryKill(ctx context.Context) error {
	if p.pid <= 1 { // kill would take them for other things than one process
		return fmt.Errorf("%w: %d is not the number of a program", ErrNoProcess, p.pid)
	}
	if err := p.poll(ctx); err != nil || p.known() { // another process could have the number
		return err
	}
	var failed error
	for _, target := range []string{"-" + p.name(), p.name()} {
		if failed = p.agent.signal(ctx, target); failed == nil {
			return nil
		}
		if _, ok := errors.AsType[*ExitError](failed); !ok {
			return failed
		}
	}
	if err := p.poll(ctx); err != nil || p.known() {
		return err
	}
	return failed
}

// signal sends signal 9 to a process or a group, by the kill of the shell. The program kill is the second choice.
//
// The arguments must have exactly this form, which POSIX has. The kill of procps 4.0.2 (Debian 12) takes
// "kill -KILL -1234" for "kill -KILL -1", which kills all processes of the guest. It takes "-74" for a signal, also
// behind "--", and then fails.
func (a *Agent) signal(ctx context.Context, target string) error {
	pid, err := a.exec(ctx, guest.GuestExec{Path: "sh", Arg: []string{"-c", `kill -s KILL -- "$1"`, "sh", target}})
	if errors.Is(err, qmp.ErrGeneric) { // there is no shell
		pid, err = a.exec(ctx, guest.GuestExec{Path: "kill", Arg: []string{"-s", "KILL", "--", target}})
	}
	if err != nil {
		return err
	}
	killer := a.Process(pid)
	killer.command.Path = "kill"
	if err := killer.wait(ctx); err != nil {
		return err
	}
	_, err = killer.outcome(ctx)
	return err
}
