package guestagent

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
)

// A Command is a program to run in the guest.
type Command struct {
	// Path is the program. A name without a slash is searched in the PATH of Env, or of the agent. It must not begin with
	// a hyphen.
	Path string

	// Args are the arguments, without the name of the program.
	Args []string

	// Env is the environment, as "NAME=value". It replaces the agent's. nil means the agent's own environment.
	Env []string

	// Stdin is the standard input; nil means an empty one. It is read to its end before the program starts, and can have
	// 40 MiB at most.
	Stdin io.Reader

	// Output says what becomes of the output.
	Output Output
}

// An Output says what becomes of the output of a program. The agent keeps up to 16 MiB of each stream, and returns it
// when the program has ended and all its children have closed the streams. Use Discard for a program that leaves a
// daemon, or redirect the output of the daemon.
type Output int

// The values of Output.
const (
	Default  Output = iota // Separate for Run, Discard for Start
	Separate               // Result.Stdout and Result.Stderr
	Merged                 // both in Result.Stdout, in the order in which the program has written them
	Discard                // nothing is kept
)

// A Result is what a program has written, and how it ended.
type Result struct {
	Stdout   []byte
	Stderr   []byte
	ExitCode int // 0 to 255, or -1 after a signal
	Signal   int // 0 without a signal
}

// Run runs a program in the guest, and waits for its end. If ctx ends first, Run kills the program and its children,
// and returns what they have written.
//
// Run returns an error that matches:
//   - [*ExitError]: the program ended with a status other than 0, or by a signal.
//   - [ErrTruncated]: the program has written more than the agent keeps.
//   - [ErrNotFound]: the guest does not have the program.
//   - the error of ctx: ctx ended. Run has killed the program, unless the error matches the next one.
//   - [*StillRunningError]: the program may still run.
//   - [*qmp.Error]: the agent refused guest-exec.
//   - the errors of [Agent.Execute].
//
// The Result is valid with the first two, and has what came if ctx ended.
//
// The children of a program are killed with it because Run starts the program in its own session, by setsid. If the
// guest has no setsid, only the program is killed. A child that starts another session survives.
//
// Source: guest-exec, guest-exec-status.
func (a *Agent) Run(ctx context.Context, cmd Command) (Result, error) {
	p, err := a.start(ctx, cmd, Separate)
	if err != nil {
		return Result{}, fail("run", cmd.Path, err)
	}
	if err = p.wait(ctx); err != nil && !p.known() {
		err = p.abort(ctx, err)
	}
	r, outcome := p.outcome(ctx)
	if err == nil {
		err = outcome
	}
	return r, fail("run", cmd.Path, err)
}

// Start starts a program in the guest, which runs until it ends. It does not end with ctx.
//
// The agent does not keep its output, unless cmd.Output says so. The errors are those of [Agent.Run]. If ctx ends
// before the agent has answered, the program is killed if the answer still comes.
//
// Source: guest-exec.
func (a *Agent) Start(ctx context.Context, cmd Command) (*Process, error) {
	p, err := a.start(ctx, cmd, Discard)
	return p, fail("start", cmd.Path, err)
}

// maxStdin is less than QEMU's limit for a message allows: base64 makes 53 MiB of it.
const maxStdin = 40 << 20

var errStdin = errors.New("standard input is longer than 40 MiB: copy it into a file of the guest")

// errPath is for a program that setsid or a shell takes for an option.
var errPath = errors.New("Command.Path is empty or begins with a hyphen")

// mergingShell runs a program with one output, on agents that cannot merge.
const mergingShell = `exec "$0" "$@" 2>&1`

func (a *Agent) start(ctx context.Context, cmd Command, output Output) (*Process, error) {
	if cmd.Path == "" || cmd.Path[0] == '-' {
		return nil, notSent("guest-exec", errPath)
	}
	if cmd.Output != Default {
		output = cmd.Output
	}
	request := guest.GuestExec{Path: cmd.Path, Arg: cmd.Args, Env: cmd.Env}
	if cmd.Stdin != nil {
		in, err := io.ReadAll(io.LimitReader(cmd.Stdin, maxStdin+1))
		if err == nil && len(in) > maxStdin {
			err = errStdin
		}
		if err != nil {
			return nil, err
		}
		request.InputData = new(base64.StdEncoding.EncodeToString(in))
	}
	p := &Process{agent: a, command: cmd}
	switch output {
	case Separate:
		request.CaptureOutput = &guest.GuestExecCaptureOutput{Flag: new(true)}
	case Merged:
		merges, err := a.merges(ctx)
		if err != nil {
			return nil, err
		}
		if merges {
			request.CaptureOutput = &guest.GuestExecCaptureOutput{Mode: new(guest.GuestExecCaptureOutputModeMerged)}
		} else {
			request.CaptureOutput = &guest.GuestExecCaptureOutput{Flag: new(true)}
			request.Path, request.Arg = "sh", append([]string{"-c", mergingShell, cmd.Path}, cmd.Args...)
			p.indirect = true
		}
	}
	if !a.noSetsid.Load() {
		inSession := request
		inSession.Path, inSession.Arg = "setsid", append([]string{request.Path}, request.Arg...)
		pid, err := a.exec(ctx, inSession)
		if !errors.Is(err, qmp.ErrGeneric) {
			p.pid, p.indirect = pid, true
			return p, err
		}
		// The guest has no setsid, or does not take the request.
	}
	pid, err := a.exec(ctx, request)
	if err != nil {
		return nil, err
	}
	a.noSetsid.Store(true)
	p.pid = pid
	return p, nil
}

// exec executes guest-exec. If the reply comes too late, it kills the program.
func (a *Agent) exec(ctx context.Context, request guest.GuestExec) (pid int64, err error) {
	r, err := request.Do(ctx, a, qmp.OnLateReply(func(result qmp.RawJSON) {
		var late guest.GuestExecResult
		if qmp.Unmarshal(result, &late) == nil {
			a.whenLate(func(ctx context.Context) { _ = a.Process(late.PID).kill(ctx) }) // nobody waits for the error
		}
	}))
	return r.PID, err
}

// merges reports whether the agent can merge the output: from version 8.1 on. Agents do not report their schemas.
func (a *Agent) merges(ctx context.Context) (bool, error) {
	v, err := a.version.Get(ctx, func() (qmp.Version, error) {
		info, err := guest.GuestInfo{}.Do(ctx, a)
		return parseVersion(info.Version), err
	})
	return v.Compare(qmp.Version{Major: 8, Minor: 1}) >= 0, err
}

// parseVersion reads "10.0.2". What it cannot read is 0.
func parseVersion(text string) (v qmp.Version) {
	for i, part := range strings.SplitN(text, ".", 3) {
		n, _ := strconv.Atoi(strings.TrimRight(part, "-+~abcdefghijklmnopqrstuvwxyz"))
		*[]*int{&v.Major, &v.Minor, &v.Micro}[i] = n
	}
	return v
}

// abort kills the program of Run, which cannot wait any longer because of err.
func (p *Process) abort(ctx context.Context, err error) error {
	if errors.Is(err, ErrNoProcess) { // the agent was restarted
		return &StillRunningError{PID: p.pid, Err: err}
	}
	if ctx.Err() != nil {
		err = wait.Err(ctx) // how far the question for the status came does not matter any more
	}
	ctx, cancel := wait.Detach(ctx, undoLimit)
	defer cancel()
	killed := false // its number can belong to another process then
	attempt := func() (again bool, err error) {
		short, cancel := context.WithTimeout(ctx, undoAttempt)
		defer cancel()
		if !killed {
			err = p.kill(short)
			killed = err == nil
		}
		if killed {
			if err = p.wait(short); err != nil && short.Err() != nil {
				err = fmt.Errorf("%w: %w", errEscaped, err)
			}
		}
		return err != nil && short.Err() != nil && ctx.Err() == nil, err
	}
	again, killErr := attempt()
	for again {
		again, killErr = attempt()
	}
	if killErr != nil {
		return fmt.Errorf("%w: %w", err, &StillRunningError{PID: p.pid, Err: killErr})
	}
	return fmt.Errorf("program was killed: %w", err)
}

// errEscaped is why a program has not ended that was killed.
var errEscaped = errors.New("it was killed, and a child in another session may hold its output open")

// lookFor is a shell's test for a program.
const lookFor = `case $1 in */*) [ -f "$1" ] && [ -x "$1" ] ;; *) command -v "$1" >/dev/null ;; esac`

// lacks reports whether the guest certainly lacks a program.
func (a *Agent) lacks(ctx context.Context, cmd Command) bool {
	pid, err := a.exec(ctx, guest.GuestExec{Path: "sh", Arg: []string{"-c", lookFor, "sh", cmd.Path}, Env: cmd.Env})
	if err != nil {
		return false
	}
	look := a.Process(pid)
	return look.wait(ctx) == nil && look.status.ExitCode != 0
}
