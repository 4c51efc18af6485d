package qmplibvirt

import (
	"context"
	"errors"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/qmpkit/qmpkit/internal/fdconn"
	"github.com/qmpkit/qmpkit/internal/libvirt"
	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// A Domain is one run of a machine. It is a [qmp.Conn]: it executes commands of QEMU's monitor and receives QEMU's
// events. When the machine stops, the Domain ends: commands that are sent later return an error that matches
// [qmp.ErrNotSent] and [ErrStopped], and streams end with a [*StoppedError]. The next run of the machine is another
// Domain. A command that crosses a restart of the machine can reach the next run, because libvirt knows a machine only by
// its UUID.
//
// A Domain costs about a kilobyte, and needs no Close: it lasts as long as the run, or the Conn.
type Domain struct {
	*machine
	untracked bool // the caller accepts that libvirt does not know of changes
}

// A Guest executes commands of the guest agent; see [Domain.Guest].
type Guest struct{ machine *machine }

// A key identifies a run of a machine.
type key struct {
	uuid libvirt.UUID
	id   int32
}

// A machine is what all Domains of a run share.
type machine struct {
	conn   *Conn
	domain libvirt.Domain
	key    key
	hub    qmp.EventHub

	monitor, agent channel

	done chan struct{}

	// Guarded by Conn.mu.
	err      error  // why it has ended
	callback *int32 // of the registration of its events
}

// A channel is the monitor of a machine, or its guest agent. libvirt gives it one command at a time. So do we, since the
// others would each take one of the calls that a Conn has in flight.
type channel struct {
	turn   wait.Mutex
	server qmp.Server
}

// Domain returns the present run of a machine, by its name or its UUID. It subscribes to the machine's events. All calls
// for one run return the same machine. It returns an error that matches:
//   - [os.ErrNotExist]: the daemon knows no such machine.
//   - [ErrStopped]: the machine does not run.
//   - [*Error]: libvirt refused, for example because the connection is read-only ([os.ErrPermission]).
func (c *Conn) Domain(ctx context.Context, nameOrUUID string) (*Domain, error) {
	m, err := c.find(ctx, nameOrUUID)
	if err != nil {
		return nil, because("qmplibvirt: machine "+strconv.Quote(nameOrUUID), err)
	}
	return &Domain{machine: m}, nil
}

func (c *Conn) find(ctx context.Context, nameOrUUID string) (*machine, error) {
	found, err := c.lookUp(ctx, nameOrUUID)
	if err != nil {
		return nil, err
	}
	unlock, err := c.opening.Lock(ctx, wait.Key{Name: string(found.UUID[:])})
	if err != nil {
		return nil, err
	}
	defer unlock()
	m := &machine{conn: c, domain: found, key: key{found.UUID, found.ID}, done: make(chan struct{})}
	m.hub.EventQueue = c.options.EventQueue
	c.mu.Lock()
	same, err := c.machines[m.key], c.err
	if same == nil && err == nil {
		c.machines[m.key] = m
	}
	c.mu.Unlock()
	if same != nil || err != nil {
		return same, err
	}
	if err := m.subscribe(ctx); err != nil {
		m.end(err)
		return nil, err
	}
	return m, nil
}

// lookUp finds a machine that runs.
func (c *Conn) lookUp(ctx context.Context, nameOrUUID string) (libvirt.Domain, error) {
	var found libvirt.DomainBody
	err := error(&Error{Code: codeNoDomain})
	if uuid, ok := libvirt.ParseUUID(nameOrUUID); ok {
		err = c.ask(ctx, libvirt.DomainLookupByUUID, &libvirt.UUIDBody{UUID: uuid}, &found)
	}
	if errors.Is(err, os.ErrNotExist) { // a name can also look like a UUID
		err = c.ask(ctx, libvirt.DomainLookupByName, &libvirt.StringBody{Value: nameOrUUID}, &found)
	}
	if err == nil && found.Domain.ID < 0 {
		err = errNotRunning
	}
	return found.Domain, err
}

var errNotRunning = &wrappedError{"the machine does not run", ErrStopped}

// subscribe registers for the events of a machine that is among those of the Conn. After that it makes sure that the
// machine still runs: it may have stopped before it was among them.
func (m *machine) subscribe(ctx context.Context) error {
	args := libvirt.RegisterMonitorArgs{Domain: &m.domain}
	registered := func(a answer, _ bool) *pending {
		var id libvirt.IntBody
		if a.err == nil && libvirt.Decode(a.body, &id) == nil {
			m.registered(id.Value)
		}
		return nil
	}
	if err := m.conn.askWith(ctx, libvirt.RegisterMonitorEvents, &args, &libvirt.IntBody{}, registered); err != nil {
		return err
	}
	var now libvirt.DomainBody
	if err := m.conn.ask(ctx, libvirt.DomainLookupByUUID, &libvirt.UUIDBody{UUID: m.key.uuid}, &now); err != nil {
		return err
	}
	if now.Domain.ID != m.key.id {
		return errNotRunning
	}
	return m.Err()
}

// registered notes the registration of the machine's events, unless the machine has ended.
func (m *machine) registered(id int32) {
	m.conn.mu.Lock()
	ended := m.err != nil
	m.callback = &id
	m.conn.mu.Unlock()
	if ended {
		m.conn.post(libvirt.DeregisterMonitorEvents, &libvirt.IntBody{Value: id}, nil)
	}
}

// end ends the run. A registration of its events would stay in the daemon.
func (m *machine) end(err error) {
	c := m.conn
	c.mu.Lock()
	if m.err != nil {
		c.mu.Unlock()
		return
	}
	m.err = err
	if c.machines[m.key] == m {
		delete(c.machines, m.key)
	}
	callback := m.callback
	c.mu.Unlock()
	if callback != nil {
		c.post(libvirt.DeregisterMonitorEvents, &libvirt.IntBody{Value: *callback}, nil)
	}
	m.hub.End(err)
	close(m.done)
}

// Name returns the name of the machine.
func (m *machine) Name() string { return m.domain.Name }

// UUID returns the UUID of the machine.
func (m *machine) UUID() string { return m.domain.UUID.String() }

// ID returns libvirt's number of this run.
func (m *machine) ID() int { return int(m.domain.ID) }

// Done returns a channel that is closed when the machine has stopped, or the connection has ended.
func (m *machine) Done() <-chan struct{} { return m.done }

// Err returns why the run has ended: a [*StoppedError], or why the connection has ended. It returns nil if the machine
// runs.
func (m *machine) Err() error {
	m.conn.mu.Lock()
	defer m.conn.mu.Unlock()
	return m.err
}

// Server returns the QEMU behind the machine; see [qmp.ServerOf].
func (m *machine) Server() *qmp.Server { return &m.monitor.server }

// Events subscribes to the events with the given names, or to all events if there are no names. Every event that libvirt
// sends after Events has returned is in the stream. Events keep their order among themselves. An event can come shortly
// after the reply to a command that QEMU sent after it.
func (m *machine) Events(names ...string) qmp.EventStream { return m.hub.Events(names...) }

// EventsFunc is like [Domain.Events], but returns only the events for which match returns true; see
// [qmp.EventHub.EventsFunc].
func (m *machine) EventsFunc(match func(qmp.RawEvent) bool, names ...string) qmp.EventStream {
	return m.hub.EventsFunc(match, names...)
}

// AllowUntracked returns the same machine for commands that libvirt does not notice; see [ErrUntracked] and the package
// comment. After such a command, never save the machine and never migrate it with libvirt, except if everything was undone.
func (d *Domain) AllowUntracked() *Domain { return &Domain{d.machine, true} }

// Guest returns the guest agent of the machine, through the channel that libvirt shares. Package guestagent works with it.
func (d *Domain) Guest() *Guest { return &Guest{d.machine} }

var (
	errOOB      = &wrappedError{"libvirt does not execute commands out of band", errors.ErrUnsupported}
	errNoFiles  = &wrappedError{"files need a UNIX socket of libvirt", errors.ErrUnsupported}
	errOldFiles = &wrappedError{"the daemon takes no files; libvirt 8.2 and later do", errors.ErrUnsupported}
	errOneFile  = &wrappedError{"libvirt takes one file, for getfd or add-fd", errors.ErrUnsupported}
	errAgentFDs = &wrappedError{"the guest agent takes no files", errors.ErrUnsupported}
	errTooLong  = errors.New("the command is longer than 4 MiB, libvirt's limit")
)

// Execute sends a command to QEMU through libvirt and waits for its reply. It returns nil if the command succeeded, and
// otherwise an error that matches:
//   - [qmp.ErrNotSent]: QEMU did not get the command. Nothing has happened. The error also matches [ErrUntracked],
//     [ErrStopped], [errors.ErrUnsupported] (out of band, files that libvirt does not take) or libvirt's [*Error] (the
//     machine is busy for 30 seconds, for example).
//   - [*qmp.Error]: QEMU refused the command or failed to execute it.
//   - [qmp.ErrOutcomeUnknown]: the command was sent, and no reply came: ctx ended, the connection ended, or libvirt
//     reported another [*Error].
//   - [*qmp.DecodeError]: the command succeeded, but its result cannot be decoded.
//
// A machine gets one command at a time, and the daemon [Options.InFlight] calls. Other commands wait, until their
// contexts end. libvirt cannot cancel a command: if ctx ends first, the machine gets its next command when the daemon has
// answered this one. quit also succeeds if the machine stops before the reply, up to 30 seconds after libvirt has lost it.
func (d *Domain) Execute(ctx context.Context, call *qmp.Call) error {
	if err := d.check(call); err != nil {
		return qmp.NotSent(call.Command, err)
	}
	request, err := call.AppendRequest(nil)
	if err == nil && len(request) > libvirt.MaxString {
		err = errTooLong
	}
	if err != nil {
		return qmp.NotSent(call.Command, err)
	}
	procedure := libvirt.MonitorCommand
	if len(call.Files) > 0 {
		procedure = libvirt.MonitorCommandWithFiles
	}
	args := libvirt.CommandArgs{Domain: d.domain, Command: string(request)}
	return d.execute(ctx, call, &d.monitor, procedure, &args)
}

// check refuses what must not, or cannot, be sent.
func (d *Domain) check(call *qmp.Call) error {
	switch {
	case !d.untracked && untracked[call.Command]:
		return ErrUntracked
	case call.OOB:
		return errOOB
	case len(call.Files) == 0:
		return nil
	case !d.conn.files:
		return errNoFiles
	case len(call.Files) > 1, call.Command != "getfd" && call.Command != "add-fd":
		return errOneFile
	}
	return nil
}

// Server returns the guest agent of the machine; see [qmp.ServerOf].
func (g *Guest) Server() *qmp.Server { return &g.machine.agent.server }

// Execute sends a command to the guest agent through libvirt and waits for its reply. Its errors are those of
// [Domain.Execute], with one difference: libvirt does not pass on the class of the agent's error. If the agent refused a
// command, libvirt 11.3 gives a [*qmp.Error] of the class GenericError. libvirt 9.0 has no number for it: it gives an
// [*Error] with the code 1, which matches [qmp.ErrOutcomeUnknown]. Both have the agent's text.
//
// libvirt waits until the deadline of ctx. Give ctx one: without it, an agent that hangs keeps a call of the connection
// ([Options.InFlight]), even if ctx is cancelled. A command without a reply, such as guest-shutdown, succeeds
// when the deadline passes before an error has come. If the agent ends before it, the outcome is unknown. Commands for
// the agent do not hold up commands for QEMU.
func (g *Guest) Execute(ctx context.Context, call *qmp.Call) error {
	var err error
	switch {
	case call.OOB:
		err = errOOB
	case len(call.Files) > 0:
		err = errAgentFDs
	}
	var request []byte
	if err == nil {
		request, err = call.AppendRequest(nil)
	}
	if err == nil && len(request) > libvirt.MaxString {
		err = errTooLong
	}
	if err != nil {
		return qmp.NotSent(call.Command, err)
	}
	m := g.machine
	args := libvirt.AgentArgs{Domain: m.domain, Command: string(request), Timeout: agentTimeout(ctx)}
	return m.execute(ctx, call, &m.agent, libvirt.AgentCommand, &args)
}

// agentTimeout returns for how many seconds libvirt waits for an agent: as long as the caller does.
func agentTimeout(ctx context.Context) int32 {
	deadline, ok := ctx.Deadline()
	if !ok {
		return -2
	}
	left := time.Until(deadline)
	return int32(min(max(1, (left+time.Second-1)/time.Second), math.MaxInt32))
}

// execute sends a command to a channel of the machine.
func (m *machine) execute(ctx context.Context, call *qmp.Call, to *channel, procedure libvirt.Procedure, args libvirt.Message) error {
	p, err := m.prepare(ctx, call, to, procedure, args)
	if err != nil {
		return qmp.NotSent(call.Command, err)
	}
	body, sent, err := m.conn.call(ctx, p)
	if err == nil {
		reply, err := readReply(procedure, body)
		if err != nil {
			return qmp.OutcomeUnknown(call.Command, err)
		}
		return call.DecodeReply(reply)
	}
	refused, answered := errors.AsType[*Error](err)
	switch {
	case answered && refused.Code == codeRPC && procedure == libvirt.MonitorCommandWithFiles:
		return qmp.NotSent(call.Command, &wrappedError{errOldFiles.text + ": " + err.Error(), errors.Join(errOldFiles, err)})
	case !sent, answered && refused.notSent():
		return qmp.NotSent(call.Command, err)
	case answered && refused.Code == codeAgentRefused && procedure == libvirt.AgentCommand:
		return &qmp.Error{Command: call.Command, Class: qmp.ErrGeneric, Desc: refused.Message}
	case answered && refused.monitorLost() && call.EndsServer() && m.stops(ctx):
		return nil
	case !answered && call.NoReply && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil
	}
	return qmp.OutcomeUnknown(call.Command, err)
}

// stopLimit is the time in which a machine stops after its monitor was lost. libvirt needs 12
// seconds for a machine that hangs.
const stopLimit = 30 * time.Second

// stops waits until the machine has stopped, and reports whether it has. libvirt reports the lost monitor first. It may
// also report it for another reason, and the machine then runs on.
func (m *machine) stops(ctx context.Context) bool {
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-m.done:
		return errors.Is(m.Err(), ErrStopped)
	case <-limit.C:
	case <-ctx.Done():
	}
	return false
}

// prepare makes a call, after it has waited for the channel and for the daemon.
func (m *machine) prepare(ctx context.Context, call *qmp.Call, to *channel, procedure libvirt.Procedure, args libvirt.Message) (
	p *pending, err error) {
	if ctx.Err() != nil {
		return nil, wait.Err(ctx)
	}
	switch locked, err := to.turn.LockUnless(ctx, m.done); {
	case err != nil:
		return nil, because("another command of this machine is in flight", err)
	case !locked:
		return nil, m.Err()
	}
	if err := m.Err(); err != nil {
		to.turn.Unlock()
		return nil, err
	}
	if err := m.conn.enter(ctx, m.done, m.Err); err != nil {
		to.turn.Unlock()
		return nil, err
	}
	release := func() { m.conn.leave(); to.turn.Unlock() }
	files, err := fdconn.Duplicate(call.Files)
	if err == nil {
		p, err = m.conn.newCall(procedure, args, files)
	}
	if err != nil {
		closeFiles(files)
		release()
		return nil, err
	}
	p.release = release
	command, late := call.Command, call.Late // the call belongs to the caller
	p.answered = func(a answer, abandoned bool) *pending { return m.answered(procedure, command, late, a, abandoned) }
	return p, nil
}

// answered is called with the answer to a command. It gives a late result to the caller's function. It returns a call
// that makes QEMU close the descriptor of a command that QEMU refused: the next getfd would get the wrong file. A name
// that begins with a digit is refused after the descriptor was taken.
func (m *machine) answered(procedure libvirt.Procedure, command string, late func(qmp.RawJSON), a answer, abandoned bool) *pending {
	drains := procedure == libvirt.MonitorCommandWithFiles
	if a.err != nil || !drains && !(abandoned && late != nil) {
		return nil
	}
	var result qmp.RawJSON
	call := qmp.Call{Command: command, Result: func(d *wire.Decoder) { result = d.Raw() }}
	reply, err := readReply(procedure, a.body)
	if err == nil {
		err = call.DecodeReply(reply)
	}
	if _, refused := err.(*qmp.Error); refused && drains {
		drain, _ := m.conn.newCall(libvirt.MonitorCommand, &libvirt.CommandArgs{Domain: m.domain,
			Command: `{"execute":"getfd","arguments":{"fdname":"0"}}`}, nil) // it is not too long
		return drain
	}
	if err == nil && abandoned && late != nil {
		m.conn.calling = "the function of OnLateReply"
		late(result)
		m.conn.calling = ""
	}
	return nil
}

// readReply returns the reply of QEMU or the guest agent in the body of libvirt's.
func readReply(procedure libvirt.Procedure, body []byte) ([]byte, error) {
	if procedure == libvirt.AgentCommand {
		var result libvirt.OptStringBody
		if err := libvirt.Decode(body, &result); err != nil {
			return nil, broken(procedure.String(), err)
		}
		if result.Value == nil {
			return nil, nil
		}
		return []byte(*result.Value), nil
	}
	var result libvirt.StringBody
	if err := libvirt.Decode(body, &result); err != nil {
		return nil, broken(procedure.String(), err)
	}
	return []byte(result.Value), nil
}
