package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
)

var agentTimeout = Arg{Name: "timeout", Kind: "duration", Default: "30s", Help: "how long to wait for the agent"}

// agentOperation returns an operation whose run gets the guest agent.
func agentOperation(name, help string, args []Arg, run func(context.Context, *Env, *guestagent.Agent, Values) error) Operation {
	args = append([]Arg{agentTimeout}, args...) // first: the last one may take all words
	return Operation{Name: "agent " + name, Help: help, Args: args, Run: limited(func(ctx context.Context, env *Env, v Values) error {
		return env.withAgent(func(a *guestagent.Agent) error { return run(ctx, env, a, v) })
	})}
}

// thawLimit is how long the guest may take to thaw after a freeze that was interrupted.
const thawLimit = 30 * time.Second

var agentOperations = []Operation{
	agentOperation("ping", "Ask whether the guest agent answers", nil, func(ctx context.Context, env *Env, a *guestagent.Agent, _ Values) error {
		begin := time.Now()
		if err := (guest.GuestPing{}).Do(ctx, a); err != nil {
			return err
		}
		after := time.Since(begin)
		return env.result(map[string]float64{"seconds": after.Seconds()}, fmt.Sprintf("the guest agent answers after %v", after.Round(time.Millisecond/10)))
	}),
	agentOperation("run", "Run a program in the guest, and show its output; options come before the program", []Arg{
		{Name: "stdin", Kind: "bool", Default: "off", Help: "the program reads this command's input, up to its end"},
		{Name: "program", Kind: "text", Required: true, Positional: true, Rest: true, Help: "the program and its arguments"},
	}, agentRun),
	agentOperation("read", "Read a file of the guest", []Arg{
		{Name: "path", Kind: "text", Required: true, Positional: true, Help: "the file in the guest"},
		{Name: "to", Kind: "file", Positional: true, Help: "a file of this machine; by default the content is shown"},
	}, agentRead),
	agentOperation("write", "Write a file of the guest", []Arg{
		{Name: "path", Kind: "text", Required: true, Positional: true, Help: "the file in the guest"},
		{Name: "from", Kind: "file", Positional: true, Help: "a file of this machine; by default the input of this command"},
	}, agentWrite),
	agentOperation("freeze", "Freeze the file systems of the guest until agent thaw", nil, func(ctx context.Context, env *Env, a *guestagent.Agent, _ Values) error {
		n, err := guest.GuestFsfreezeFreeze{}.Do(ctx, a)
		if err != nil && qmp.MayHaveExecuted(err) {
			undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), thawLimit)
			defer cancel()
			why := cmp.Or(context.Cause(ctx), err)
			if thawErr := a.Thaw(undo); thawErr != nil {
				return reworded(errors.Join(err, thawErr), "freeze: %v; %v; try agent thaw", why, thawErr)
			}
			return reworded(err, "freeze: %v; the file systems are thawed again", why)
		}
		if n == 0 {
			return env.done(err, "no file systems are frozen: the guest has none on a disk")
		}
		return env.done(err, "%s; programs in the guest that write wait until agent thaw", count(n, "file system is frozen", "file systems are frozen"))
	}),
	agentOperation("thaw", "Thaw the file systems of the guest", nil, func(ctx context.Context, env *Env, a *guestagent.Agent, _ Values) error {
		return env.done(a.Thaw(ctx), "no file system is frozen")
	}),
	agentOperation("status", "Show whether file systems of the guest are frozen", nil, func(ctx context.Context, env *Env, a *guestagent.Agent, _ Values) error {
		status, err := guest.GuestFsfreezeStatus{}.Do(ctx, a)
		if err != nil {
			return err
		}
		return env.result(status, string(status))
	}),
	agentOperation("interfaces", "List the network interfaces of the guest", nil, func(ctx context.Context, env *Env, a *guestagent.Agent, _ Values) error {
		all, err := a.Interfaces(ctx)
		if err != nil {
			return err
		}
		values, lines := []map[string]any{}, []string{}
		for _, i := range all {
			values = append(values, map[string]any{"name": i.Name, "mac": i.MAC.String(), "addresses": list0(i.Addresses)})
			lines = append(lines, fmt.Sprintf("%s: %v %v", i.Name, i.MAC, i.Addresses))
		}
		return env.result(values, lines...)
	}),
	agentOperation("set-time", "Set the clock of the guest to that of this machine", nil, func(ctx context.Context, env *Env, a *guestagent.Agent, _ Values) error {
		return env.done(a.SetTime(ctx, time.Now()), "the guest has the time of this machine")
	}),
	agentOperation("shutdown", "Make the guest shut down, and wait for it", nil, func(ctx context.Context, env *Env, a *guestagent.Agent, _ Values) error {
		return env.done(shutDown(ctx, env, guestagent.PowerDown), "the guest has shut down")
	}),
	agentOperation("reboot", "Make the guest boot again", nil, func(ctx context.Context, env *Env, a *guestagent.Agent, _ Values) error {
		return env.done(shutDown(ctx, env, guestagent.Reboot), "the guest boots again")
	}),
}

// shutDown uses the connection to QEMU, which reports the end of the guest, if there is one.
func shutDown(ctx context.Context, env *Env, mode guestagent.ShutdownMode) error {
	opts := &guestagent.Options{}
	if env.Conn != nil {
		opts.VM = env.conn()
	}
	agent := guestagent.New(patient{env.Agent}, opts)
	defer agent.Close()
	return agent.Shutdown(ctx, mode)
}

func agentRun(ctx context.Context, env *Env, a *guestagent.Agent, v Values) error {
	words := v["program"]
	cmd := guestagent.Command{Path: words[0], Args: words[1:]}
	if v.bool("stdin") {
		cmd.Stdin = env.Stdin
	}
	result, err := a.Run(ctx, cmd)
	_, writeErr := env.Out.Write(result.Stdout)
	if exit, ok := errors.AsType[*guestagent.ExitError](err); ok && len(result.Stderr) > 0 {
		exit.Stderr = nil // it is shown in full
	}
	if _, e := env.Out.Write(result.Stderr); writeErr == nil {
		writeErr = e
	}
	return errors.Join(err, writeErr)
}

func agentRead(ctx context.Context, env *Env, a *guestagent.Agent, v Values) error {
	opts := &guestagent.CopyOptions{Progress: func(done, total int64) { env.progress("read "+v.text("path"), done, max(total, 0)) }}
	if !v.has("to") || v.text("to") == "-" {
		_, err := a.CopyFrom(ctx, v.text("path"), env.Out, opts)
		return err
	}
	var n int64
	err := env.create(v.text("to"), func(w io.Writer) (err error) {
		n, err = a.CopyFrom(ctx, v.text("path"), w, opts)
		return err
	})
	return env.done(err, "copied %s to %s", bytes(n), v.text("to"))
}

func agentWrite(ctx context.Context, env *Env, a *guestagent.Agent, v Values) error {
	opts := &guestagent.CopyOptions{}
	from := env.Stdin
	if v.has("from") {
		f, err := os.Open(v.text("from"))
		if err != nil {
			return mistake("from: %w", err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			opts.Size = info.Size()
		}
		from = f
	}
	if from == nil {
		return mistake("from is missing: the file of this machine to copy")
	}
	opts.Progress = func(done, total int64) { env.progress("write "+v.text("path"), done, max(total, 0)) }
	n, err := a.CopyTo(ctx, v.text("path"), from, opts)
	return env.done(err, "copied %s to %s in the guest", bytes(n), v.text("path"))
}

// count returns a number with a word: "1 file", "2 files".
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// create makes a file of this machine and calls f to write it. If f fails, it removes the file. It does not replace a
// file. "-" is the output of the operation. A dry run gets a file without a name.
func (env *Env) create(path string, f func(io.Writer) error) (err error) {
	if env.dry {
		if _, err := os.Lstat(path); err == nil {
			return mistake("%w", &os.PathError{Op: "create", Path: path, Err: os.ErrExist})
		}
		w, err := env.image()(path, os.O_RDWR|os.O_CREATE)
		if err != nil {
			return err
		}
		defer w.Close()
		return f(w)
	}
	if path == "-" {
		return f(env.Out)
	}
	w, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return mistake("%w", err)
	}
	defer func() {
		if closeErr := w.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	return f(w)
}
