package operate

import (
	"cmp"
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/qmpkit/qmpkit/block"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
)

// ErrRest means that a dry run has ended before its operation: the next step depends on what QEMU would have done.
// It is not a failure. The error of [Operation.DryRun] matches it and names the command or the job.
var ErrRest error = restError{}

type restError struct{ on, query string }

func (e restError) Error() string {
	text := "what follows depends on " + cmp.Or(e.on, "QEMU's answers")
	if e.query != "" {
		text += ": " + e.query + " shows its effect"
	}
	return text
}

// Is makes the packages that do the work end, because their connection has ended, and undo nothing.
func (restError) Is(target error) bool {
	return target == qmp.ErrNotSent || target == qmp.ErrClosed || target == ErrRest
}

// DryRun calls told with each command that the operation would send to change something, and with its arguments, from
// which qmp.Redact has removed secrets; those of a program for the guest stay. It sends only queries. It makes no files and
// writes to none. It takes for granted that commands and jobs succeed.
//
// DryRun returns nil if told has seen all commands, and an error that matches [ErrRest] if the rest depends on QEMU. Any
// other error is a reason why the operation would fail.
func (op *Operation) DryRun(ctx context.Context, env *Env, v Values, told func(command string, arguments []byte)) error {
	p := newPlan(told)
	defer p.end()
	dry := &Env{Out: env.Out, Notes: env.Notes, Show: env.Show, dry: true}
	if env.Conn != nil {
		dry.Conn = p.wrap(env.Conn)
	}
	if env.Agent != nil {
		dry.Agent = dryExecutor{p, env.Agent}
	}
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.over, cancel)() // some packages try again while their context lasts
	err := op.Run(run, dry, v)
	if p.ended() && ctx.Err() == nil {
		return restError{p.last, p.asked} // err is what the operation makes of the end
	}
	return err
}

// DryRun returns a connection that sends only queries. It calls told with each other command and its arguments, from
// which qmp.Redact has removed secrets, and answers as if the command had succeeded. If something asks for the effect of
// a command, the connection ends with [ErrRest]. [Operation.DryRun] uses it, and should be preferred: an operation can
// also change files.
func DryRun(conn qmp.Conn, told func(command string, arguments []byte)) qmp.Conn {
	return newPlan(told).wrap(conn)
}

// A plan is the state of a dry run, which the connections to QEMU and to the guest agent share.
type plan struct {
	told func(command string, arguments []byte)

	mu      sync.Mutex
	changed bool   // told was called
	last    string // what told was called for last: a command or a job
	asked   string // the query that the dry run cannot answer

	firstSet    int64 // the lowest number of a new set of descriptors; 0 before the first one
	sets        []plannedSet
	lessSets    bool        // a command would change a set that QEMU has
	objects     [][2]string // names and types
	lessObjects bool        // a command would remove an object that QEMU has
	nodes       []string
	lessNodes   bool // a command would remove a node that QEMU has
	exports     bool // a command would change the exports
	disks       bool // a command would change the answer of query-block

	jobs   map[string]*plannedJob
	order  []string       // the IDs of all jobs that were in jobs
	events []qmp.RawEvent // that the jobs would have caused
	unsure bool           // a command would change a job that QEMU has

	over context.Context // ends with the dry run
	end  context.CancelFunc
}

func newPlan(told func(command string, arguments []byte)) *plan {
	p := &plan{told: told}
	p.over, p.end = context.WithCancel(context.Background())
	return p
}

func (p *plan) ended() bool { return p.over.Err() != nil }

func (p *plan) wrap(conn qmp.Conn) qmp.Conn {
	return &dryConn{dryExecutor: dryExecutor{p, conn}, events: conn}
}

// A dryExecutor executes queries only.
type dryExecutor struct {
	*plan
	x qmp.Executor
}

// Execute answers a command, or ends the dry run.
func (d dryExecutor) Execute(ctx context.Context, call *qmp.Call) error {
	d.mu.Lock()
	if d.ended() {
		d.mu.Unlock()
		if call.Command == "guest-fsfreeze-thaw" { // it would be tried again
			return call.Decode([]byte(results[call.Command]))
		}
		return ErrRest
	}
	if isQuery(call.Command) {
		known := d.changed && d.knows(call)
		stale := d.changed && !isConstant(call.Command) && !known && (d.disks || call.Command != "query-block")
		if stale {
			d.asked = call.Command
		}
		d.mu.Unlock()
		switch {
		case stale:
			d.end()
			return ErrRest
		case known:
			return d.answer(ctx, call)
		}
		return d.x.Execute(ctx, call)
	}
	if call.Command == "add-fd" && d.sets == nil {
		d.mu.Unlock()
		d.countSets(ctx)
		d.mu.Lock()
	}
	defer d.mu.Unlock()
	arguments, err := call.AppendArgs(nil)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(qmp.ErrNotSent, err)
	}
	d.changed, d.last = true, call.Command
	if m := jobOf.FindSubmatch(arguments); m != nil && (m[1] != nil || strings.HasPrefix(call.Command, "job-")) {
		d.last = "job " + string(m[1]) + string(m[2])
	}
	plain := arguments
	if call.Command != "guest-exec" { // the person has typed its arguments, and wants to see what becomes of them
		arguments = qmp.Redact(arguments)
	}
	d.told(call.Command, arguments)
	d.planJobs(call.Command, plain)
	d.planParts(call.Command, plain)
	if result, ok := d.result(call.Command); ok {
		return call.Decode([]byte(result))
	}
	if call.Result != nil || readElsewhere[call.Command] {
		d.end()
		return ErrRest
	}
	return call.Decode([]byte("{}"))
}

// jobOf finds the name of the first job that a command starts, or that it is about.
var jobOf = regexp.MustCompile(`"job-id": ?"([^"]*)"|^{"id": ?"([^"]*)"}$`)

// results are the results of commands that a dry run can make up.
var results = map[string]string{
	"guest-fsfreeze-freeze": "1", "guest-fsfreeze-thaw": "1",
	"chardev-add": `{}`,
}

// readElsewhere has the commands whose effect an operation reads from a file, or sees at the end of a connection.
var readElsewhere = map[string]bool{"screendump": true, "dump-guest-memory": true, "guest-shutdown": true}

// queries are the commands that change nothing and whose names do not begin with "query-".
var queries = map[string]bool{
	"qom-get": true, "qom-list": true, "qom-list-get": true, "qom-list-types": true, "qom-list-properties": true,
	"device-list-properties": true, "x-debug-query-block-graph": true,
	"guest-ping": true, "guest-info": true, "guest-fsfreeze-status": true, "guest-network-get-interfaces": true,
	"guest-get-time": true, "guest-get-osinfo": true, "guest-get-fsinfo": true, "guest-get-host-name": true,
}

func isQuery(command string) bool { return strings.HasPrefix(command, "query-") || queries[command] }

// constants are the queries whose answers no operation changes.
var constants = map[string]bool{
	"query-qmp-schema": true, "query-commands": true, "query-version": true, "query-target": true, "query-kvm": true,
	"query-machines": true, "query-command-line-options": true, "query-name": true, "query-uuid": true,
	"qom-list-types": true, "qom-list-properties": true, "device-list-properties": true, "guest-info": true, "guest-ping": true,
}

func isConstant(command string) bool { return constants[command] }

// A dryConn is a dryExecutor with the events of its connection. It has a Server of its own, so that nothing of a dry run
// is kept.
type dryConn struct {
	dryExecutor
	server qmp.Server
	events qmp.EventSource
}

func (c *dryConn) Server() *qmp.Server { return &c.server }

// Events returns the events of the server, until something waits for one that a command would have caused.
func (c *dryConn) Events(names ...string) qmp.EventStream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &dryEvents{c.plan, c.events.Events(names...), names, len(c.plan.events)}
}

type dryEvents struct {
	plan   *plan
	stream qmp.EventStream
	names  []string
	next   int // the index of the next event of the plan
}

func (e *dryEvents) Next(ctx context.Context) (qmp.RawEvent, error) {
	for event, err := range qmp.Queued(e.stream) {
		return event, err
	}
	if event, ok := e.nextPlanned(); ok {
		return event, nil
	}
	if err := ctx.Err(); err != nil {
		return qmp.RawEvent{}, err
	}
	e.plan.mu.Lock()
	if e.plan.changed {
		e.plan.end()
	}
	e.plan.mu.Unlock()

	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.plan.over, cancel)()
	event, err := e.stream.Next(waiting)
	if err != nil && e.plan.ended() && ctx.Err() == nil {
		err = ErrRest
	}
	return event, err
}

func (e *dryEvents) Close() error { return e.stream.Close() }

// image returns a function that opens the file for a new image, for hotplug.File. It is nil unless this is a dry run,
// which must not make the file.
func (env *Env) image() func(path string, flags int) (*os.File, error) {
	if !env.dry {
		return nil
	}
	made := false // an operation opens a new image again, without O_CREATE
	return func(path string, flags int) (*os.File, error) {
		f, err := os.OpenFile(path, flags&^os.O_CREATE, 0)
		made = made || flags&os.O_CREATE != 0
		if !made || !errors.Is(err, os.ErrNotExist) {
			return f, err
		}
		if f, err = os.CreateTemp("", "qmpsh-*"); err == nil {
			err = os.Remove(f.Name())
		}
		return f, err
	}
}

// A lazy has the connection and the VMs of an Env, which it makes when they are needed.
type lazy struct {
	sync.Once
	conn    qmp.Conn
	devices *hotplug.VM
	disks   *block.VM
}

func (l *lazy) make(conn qmp.Conn) {
	l.conn, l.devices, l.disks = conn, hotplug.New(conn, nil), block.New(conn)
}
