package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Stage is a step of [Process.Shutdown].
type Stage string

const (
	StagePowerButton Stage = "power button" // the guest was asked to power off
	StageQuit        Stage = "quit"         // QEMU was told to quit
	StageTerminate   Stage = "SIGTERM"      // the process was asked to end
	StageKill        Stage = "SIGKILL"      // the kernel was told to end the process
)

// ShutdownOptions has the time that each step of [Process.Shutdown] may take. 0 means the default; a negative time leaves
// the step out.
type ShutdownOptions struct {
	PowerButton time.Duration // 60 seconds, or less if the deadline of ctx needs it
	Quit        time.Duration // 10 seconds
	Terminate   time.Duration // 5 seconds
}

// Tests shorten these.
var (
	pressEvery = 5 * time.Second // the power button
	lookEvery  = time.Second     // for the state of the machine
	wakeAfter  = 5 * time.Second // a QEMU that ends by itself
)

// answerLimit is the time after which a monitor counts as dead.
const answerLimit = 10 * time.Second

// shares of the time until the deadline of ctx, at most.
const (
	buttonShare    = 0.7
	quitShare      = 0.6 // of the rest
	terminateShare = 0.8 // of the rest
)

// Shutdown ends QEMU, in up to four steps. It goes on to the next step if QEMU has not ended in the time of a step:
//  1. It presses the power button, every 5 seconds, and waits until the guest has powered off and QEMU has ended. A guest
//     that has not booted yet loses a press. Shutdown leaves this step out if the machine does not run.
//  2. It sends quit. A guest that still runs loses what it has not written.
//  3. It sends SIGTERM, which works if the monitor does not answer or the program has closed the client.
//  4. It sends SIGKILL, which also ends a QEMU that hangs.
//
// With -no-shutdown, QEMU stays after the guest has powered off. Shutdown then sends quit at once, and the Stage of the
// Exit is StagePowerButton.
//
// If ctx has a deadline, the steps share the time. When ctx ends, for whatever reason, Shutdown kills QEMU: it always
// returns with QEMU ended, unless the error is that of [Process.Kill]. If QEMU has ended before, Shutdown does nothing.
// If several goroutines call Shutdown, one acts and all wait.
//
// Source: query-status, system_powerdown, quit, SHUTDOWN.
func (p *Process) Shutdown(ctx context.Context, opts *ShutdownOptions) (Exit, error) {
	locked, err := p.stopping.LockUnless(ctx, p.done)
	if err != nil { // ctx ended
		return p.end()
	}
	if !locked {
		return p.exit, nil
	}
	defer p.stopping.Unlock()
	if opts == nil {
		opts = &ShutdownOptions{}
	}
	for _, step := range []struct {
		limit, usual time.Duration
		share        float64
		do           func(context.Context) error
	}{
		{opts.PowerButton, time.Minute, buttonShare, p.powerOff},
		{opts.Quit, 10 * time.Second, quitShare, p.quit},
		{opts.Terminate, 5 * time.Second, terminateShare, p.terminate},
	} {
		limit := cmp.Or(step.limit, step.usual)
		if deadline, ok := ctx.Deadline(); ok {
			limit = min(limit, time.Duration(step.share*float64(time.Until(deadline))))
		}
		if limit <= 0 || p.hasEnded() || ctx.Err() != nil {
			continue
		}
		stepCtx, cancel := context.WithTimeout(ctx, limit)
		p.settle(stepCtx, step.do(stepCtx)) // if that has failed, the next step follows
		cancel()
	}
	return p.end()
}

// end kills QEMU if it has not ended.
func (p *Process) end() (Exit, error) {
	if !p.hasEnded() {
		p.reach(StageKill)
	}
	if err := p.Kill(); err != nil {
		return Exit{}, err
	}
	return p.exit, nil
}

func (p *Process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// stages has the order of the steps.
var stages = []Stage{"", StagePowerButton, StageQuit, StageTerminate, StageKill}

// reach notes a stage, unless another goroutine has reached a later one.
func (p *Process) reach(s Stage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Index(stages, s) > slices.Index(stages, p.stage) {
		p.stage = s
	}
}

// settle waits for the end of a QEMU that has closed its monitor, which the error of a command tells: it ends soon after
// that.
func (p *Process) settle(ctx context.Context, err error) {
	unanswered := errors.Is(err, qmp.ErrNotSent) || errors.Is(err, qmp.ErrOutcomeUnknown)
	if !unanswered || errors.Is(err, qmp.ErrClosed) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	_, _ = p.Wait(ctx) // the caller looks
}

// PowerOff asks the guest to power off, as [Process.Shutdown] does first, and waits until QEMU has ended. It does not end QEMU
// in another way. If the guest has not powered off when ctx ends, the error matches that of ctx, and the machine runs on;
// the guest can still follow a press later. A machine that does not run is an error at once.
//
// Source: query-status, system_powerdown, SHUTDOWN; with -no-shutdown also quit.
func (p *Process) PowerOff(ctx context.Context) (Exit, error) {
	err := p.powerOff(ctx)
	p.settle(ctx, err)
	if exit, ended := p.Exit(); ended {
		return exit, nil
	}
	return Exit{}, fmt.Errorf("launch: power off process %d: %w", p.Pid(), cmp.Or(wait.Err(ctx), err))
}

// powerOff presses the power button until QEMU has ended, or ctx ends. It returns earlier if the button is useless.
func (p *Process) powerOff(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var pressed time.Time
	for {
		if p.endsItself() {
			if err := p.awaitEnd(ctx); err != nil || p.hasEnded() {
				return err
			}
		}
		answer, cancel := context.WithTimeout(ctx, answerLimit)
		status, err := qemu.QueryStatus{}.Do(answer, p.client)
		if err == nil && (status.Running || status.Status == qemu.RunStateSuspended) && time.Since(pressed) >= pressEvery {
			p.reach(StagePowerButton)
			pressed = time.Now()
			err = qemu.SystemPowerdown{}.Do(answer, p.client)
		}
		cancel()
		switch {
		case p.endsItself():
			continue
		case err != nil:
			return err
		case status.Status == qemu.RunStateShutdown && !pressed.IsZero(): // with -no-shutdown
			return p.waitUnless(ctx, qemu.Quit{}.Do(ctx, p.client))
		case !status.Running && status.Status != qemu.RunStateSuspended:
			return fmt.Errorf("the machine does not run: its state is %s", status.Status)
		}
		select {
		case <-p.done:
			return nil
		case <-p.turned:
		case <-look.C:
		case <-ctx.Done():
			return wait.Err(ctx)
		}
	}
}

// awaitEnd waits for the end of a QEMU that has said that it ends, or until it turns out to stay. At first it sends no
// command: QEMU 10.0 can wait for ever if a command comes while it ends. Another client may have sent a command. Then
// SIGTERM wakes QEMU. It changes nothing for a QEMU that only takes long to end.
func (p *Process) awaitEnd(ctx context.Context) error {
	wake := time.NewTimer(wakeAfter)
	defer wake.Stop()
	for {
		select {
		case <-p.done:
			return nil
		case <-p.turned:
			if !p.endsItself() {
				return nil
			}
		case <-wake.C:
			answer, cancel := context.WithTimeout(ctx, wakeAfter)
			_, err := qemu.QueryStatus{}.Do(answer, p.client)
			silent := answer.Err() != nil
			cancel()
			switch {
			case err == nil: // a machine that was stopped and stays does not say so
				p.turn(false)
			case silent:
				if err := p.signal(terminateSignal); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return wait.Err(ctx)
		}
	}
}

func (p *Process) quit(ctx context.Context) error {
	p.reach(StageQuit)
	return p.waitUnless(ctx, qemu.Quit{}.Do(ctx, p.client))
}

func (p *Process) terminate(ctx context.Context) error {
	p.reach(StageTerminate)
	return p.waitUnless(ctx, p.signal(terminateSignal))
}

// waitUnless waits for the end of QEMU, unless what was to end it has failed.
func (p *Process) waitUnless(ctx context.Context, err error) error {
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}
