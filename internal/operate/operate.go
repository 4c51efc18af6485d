// Package operate has the operations of the shell: commands such as "add disk" and "migrate to", which take several
// commands of QMP. The packages hotplug, block, job, migration, guestagent, machine and qom do the work; this package
// reads the arguments, calls them, and reports the progress and the result.
//
//	op, values, err := operate.Parse([]string{"add", "disk", "data1", "/srv/data1.img"})
//	…
//	err = op.Run(ctx, env, values)
//
// # Words
//
// The words of an operation are its name and its arguments: key=value, or values in the order of [Operation.Args].
// Any argument can be given as key=value. A word is key=value if it begins with a name of small letters, digits and
// hyphens, and "="; so write file=a=b for a file that is called a=b. "prop.NAME=VALUE" sets a property of a device: the
// value is JSON, or a string.
//
// # Without changing anything
//
// [Operation.DryRun] asks QEMU, and changes nothing: it calls a function with each command that would change something,
// and goes on as if the command had succeeded. It ends with [ErrRest] when the next step depends on what QEMU would
// have done.
package operate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
)

// An Operation is a command of the shell.
type Operation struct {
	Name string // one or two words: "add disk"
	Help string // a sentence, without a stop
	Args []Arg

	// Run executes the operation. If ctx ends, the operation undoes its steps and returns. A server that answers no
	// more then holds it up for a few seconds, and the error lists what may be left.
	Run func(ctx context.Context, env *Env, v Values) error
}

// Usage returns the operation with its arguments, in one line: "resize disk DISK SIZE".
func (op *Operation) Usage() string {
	words := []string{op.Name}
	var turn []string // the arguments that come in turn
	for _, a := range op.Args {
		word := strings.ToUpper(a.Name)
		if a.Positional && a.Repeated {
			turn = append(turn, word)
			continue
		}
		if len(turn) > 0 {
			words, turn = append(words, inTurn(turn)), nil
		}
		if !a.Positional {
			word = a.key() + "=" + strings.ToUpper(a.short())
		}
		if a.Repeated || a.Rest {
			word += "…"
		}
		if !a.Required {
			word = "[" + word + "]"
		}
		words = append(words, word)
	}
	if len(turn) > 0 {
		words = append(words, inTurn(turn))
	}
	return strings.Join(words, " ")
}

// form returns the operation with the arguments that need no name: "resize disk ID SIZE".
func (op *Operation) form() string {
	short := Operation{Name: op.Name, Args: slices.DeleteFunc(slices.Clone(op.Args), func(a Arg) bool { return !a.Positional && !a.Required })}
	return short.Usage()
}

// inTurn writes arguments that come in turn, any number of times: "(DISK FILE)…".
func inTurn(words []string) string {
	if len(words) == 1 {
		return words[0] + "…"
	}
	return "(" + strings.Join(words, " ") + ")…"
}

// NeedsMachine reports whether the operation needs [Env.Conn]; if not, [Env.Agent] suffices.
func (op *Operation) NeedsMachine() bool {
	return !strings.HasPrefix(op.Name, "agent ") || op.Name == "agent reboot"
}

// An Env is what the operations of a session use. Use one Env for all operations on a server: package hotplug
// remembers which slots the guest still ejects. Several goroutines can run operations with an Env.
type Env struct {
	Conn  qmp.Conn     // to QEMU; may be nil if the operation does not need it
	Agent qmp.Executor // to the guest agent; may be nil. Operations do not close it.

	Out   io.Writer // gets the results as text, and the data that "agent read" and others write
	Notes io.Writer // gets what an operation has done, and the parts that are left; nil means Out

	// Show gets the result of an operation that lists or measures something, as a value for encoding/json. nil means that
	// Out gets it as text.
	Show func(value any) error

	Stdin io.Reader // for "console", "agent run" and "agent write"; may be nil. "console" can leave a Read behind.

	// Progress is called about once a second with bytes; may be nil. total is 0 if it is unknown. Calls do not overlap.
	Progress func(text string, current, total int64)

	vms lazy
	dry bool
}

// A Group is a set of operations about one subject, for help.
type Group struct {
	Title      string
	Operations []Operation
}

// Groups returns all operations, in the order in which a newcomer wants to read about them.
func Groups() []Group {
	return []Group{
		{"Devices", deviceOperations},
		{"Storage", diskOperations},
		{"Jobs", jobOperations},
		{"Migration", migrationOperations},
		{"The guest, by its agent", agentOperations},
		{"The machine", machineOperations},
	}
}

// All returns the operations, sorted by name.
func All() (ops []Operation) {
	for _, g := range Groups() {
		ops = append(ops, g.Operations...)
	}
	for i, op := range ops {
		ops[i].Run = func(ctx context.Context, env *Env, v Values) error {
			ctx = context.WithValue(ctx, patienceKey{}, &patience{ctx: ctx})
			v, unknown, err := env.nameDisks(ctx, &op, v)
			if err != nil {
				return err
			}
			err = op.Run(ctx, env, v)
			if len(unknown.words) > 0 && (errors.Is(err, block.ErrNoDisk) || errors.Is(err, qmp.ErrDeviceNotFound)) {
				return unknown.explain(err)
			}
			if err != nil {
				err = env.reason(ctx, &op, v, err)
			}
			return err
		}
	}
	slices.SortFunc(ops, func(a, b Operation) int { return strings.Compare(a.Name, b.Name) })
	return ops
}

// say writes a line about what the operation has done. A dry run has done nothing.
func (env *Env) say(format string, args ...any) {
	if !env.dry {
		env.note(format, args...)
	}
}

// note writes a line of Notes.
func (env *Env) note(format string, args ...any) {
	w := env.Notes
	if w == nil {
		w = env.Out
	}
	fmt.Fprintf(w, format+"\n", args...)
}

// result shows a result: the value, or the lines of text.
func (env *Env) result(value any, lines ...string) error {
	if env.Show != nil {
		return env.Show(value)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(env.Out, line); err != nil {
			return err
		}
	}
	return nil
}

// kept lists the parts that an operation has left in QEMU. err is the operation's; it has reasons, too.
func (env *Env) kept(kept []hotplug.Kept, err error) {
	if env.dry {
		return
	}
	for _, k := range kept {
		if k.Err != nil && err != nil && strings.Contains(err.Error(), k.Err.Error()) {
			env.note("still in QEMU: %s %q", k.What, k.Name)
			continue
		}
		env.note("still in QEMU: %v", k)
	}
}

func (env *Env) progress(text string, current, total int64) {
	if env.Progress != nil {
		env.Progress(text, current, total)
	}
}

// job returns a callback for the progress of a job.
func (env *Env) job(text string) func(job.Progress) {
	return func(p job.Progress) { env.progress(text, p.Current, p.Total) }
}

// devices returns the VM of package hotplug.
func (env *Env) devices() *hotplug.VM {
	env.conn()
	return env.vms.devices
}

// disks returns the VM of package block.
func (env *Env) disks() *block.VM {
	env.conn()
	return env.vms.disks
}

// conn returns the connection to QEMU that operations use.
func (env *Env) conn() qmp.Conn {
	env.vms.Do(func() { env.vms.make(patientConn{patient{env.Conn}, env.Conn}) })
	return env.vms.conn
}

// withAgent calls f with the guest agent.
func (env *Env) withAgent(f func(*guestagent.Agent) error) error {
	if env.Agent == nil {
		return errNoAgent
	}
	agent := guestagent.New(patient{env.Agent}, nil)
	defer agent.Close()
	return f(agent)
}

// undoLimit is how long an operation whose context has ended waits for any answer.
const undoLimit = 5 * time.Second

var errMute = errors.New("the server does not answer")

// A patience is the patience of an operation with a server.
type patience struct {
	ctx context.Context // of the operation

	mu    sync.Mutex
	since time.Time // the end of ctx, or the last answer after that; zero before
}

// left returns how long the operation waits. It starts with the end of the context, and after each answer.
func (p *patience) left(answered bool) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() || answered {
		p.since = time.Now()
	}
	return undoLimit - time.Since(p.since)
}

type patienceKey struct{}

// A patient is an Executor for operations. When the context of an operation has ended, the operation undoes its steps, and
// each step has a limit that suits a busy server. If the server hangs, all the steps together wait for undoLimit only.
// File systems are thawed without this limit. An Agent does not close a patient.
type patient struct{ qmp.Executor }

func (x patient) Unwrap() qmp.Executor { return x.Executor }

func (x patient) Execute(ctx context.Context, call *qmp.Call) error {
	p, ok := ctx.Value(patienceKey{}).(*patience)
	switch {
	case !ok, call.Command == "guest-fsfreeze-thaw":
		return x.Executor.Execute(ctx, call)
	case p.ctx.Err() != nil && p.left(false) <= 0:
		return fmt.Errorf("%w: %w", qmp.ErrNotSent, errMute)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.ctx, func() {
		select {
		case <-time.After(p.left(false)):
			cancel(errMute)
		case <-ctx.Done():
		}
	})()
	err := x.Executor.Execute(ctx, call)
	if _, refused := errors.AsType[*qmp.Error](err); p.ctx.Err() != nil && (err == nil || refused) {
		p.left(true)
	}
	return err
}

// A patientConn is a patient with the events of its connection.
type patientConn struct {
	patient
	qmp.EventSource
}

// timeout is the argument of operations that wait for the guest.
func timeout(limit string) Arg {
	return Arg{Name: "timeout", Kind: "duration", Default: limit, Help: "how long to wait for the guest"}
}

// A timeError is the end of the time of the argument timeout.
type timeError time.Duration

func (e timeError) Error() string {
	limit := time.Duration(e).String()
	if strings.HasSuffix(limit, "m0s") {
		limit = strings.TrimSuffix(limit, "0s")
	}
	return "the time is over: timeout=" + limit
}

func (timeError) Is(target error) bool { return target == context.DeadlineExceeded }

// limited runs an operation that has the argument timeout.
func limited(run func(context.Context, *Env, Values) error) func(context.Context, *Env, Values) error {
	return func(ctx context.Context, env *Env, v Values) error {
		limit := v.duration("timeout")
		ctx, cancel := context.WithTimeoutCause(ctx, limit, timeError(limit))
		defer cancel()
		return run(ctx, env, v)
	}
}

// every calls f now and after each interval, until it returns true or an error, or ctx ends.
func every(ctx context.Context, interval time.Duration, f func() (bool, error)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if done, err := f(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
