package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qmpkit/qmpkit/internal/address"
	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/internal/talk"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// dialLimit is how long a server may take to greet and to send its schema: 20 ms, unless another client holds its
// monitor or it is stopped.
const dialLimit = 10 * time.Second

// leastDialLimit is what a smaller -timeout leaves for that: it is meant for answers and events.
const leastDialLimit = 2 * time.Second

// A kind is a kind of server.
type kind string

const (
	kindQEMU    kind = "QEMU"
	kindStorage kind = "qemu-storage-daemon"
	kindGuest   kind = "guest agent"
)

// A session is a connection to one server.
type session struct {
	name, address string

	kind    kind
	version string
	lang    *language

	opened    func(*session) // called after each dial
	untracked bool           // commands that libvirt does not notice are permitted
	recorder  *talk.Recorder // nil if nothing is recorded

	static  map[string][]value // what stays the same while the server runs
	typed   map[string][]value // what was there when typedAt events had come; a new line begins without it
	typedAt int64
	changes atomic.Int64   // events that have come
	mute    atomic.Bool    // a query for a completion has no answer yet
	conn    qmp.Executor   // client, or an address.Guest; nil before the first dial that succeeds
	client  address.Server // nil for a guest agent
	ended   <-chan struct{}
	env     *operate.Env // of the operations, for client; nil before the first

	events qmp.EventStream // of a script since its last command; nil for others
	unseen atomic.Bool     // an operation runs: the events of jobs do not appear

	limit   time.Duration // of a dial
	dialing atomic.Bool
	failed  error // of the last dial
	tried   time.Time
}

// newSession returns a session without a connection.
func newSession(name, address string) *session {
	s := &session{name: name, address: address, kind: kindQEMU, opened: func(*session) {}, limit: dialLimit}
	if strings.HasPrefix(address, "agent:") {
		s.kind = kindGuest
	}
	ended := make(chan struct{})
	close(ended)
	s.ended = ended
	s.lang = newLanguage(&introspect.Schema{}, facts.QEMU(), s)
	return s
}

// state describes the session: "QEMU 11.1.3".
func (s *session) state() string {
	text := strings.TrimRight(string(s.kind)+" "+s.version, " ")
	select {
	case <-s.ended:
		if s.conn == nil {
			return text + ", not connected"
		}
		return text + ", the connection has ended"
	default:
		return text
	}
}

// splitName cuts "NAME=ADDRESS". If there is no name, it makes one from the address.
func splitName(text string) (name, addr string) {
	if name, addr, ok := strings.Cut(text, "="); ok && name != "" && !strings.ContainsAny(name, "/:@.") {
		return name, addr
	}
	return nameOf(text), text
}

// nameOf makes a short name from an address: "vm1" of /run/vm1/qmp.sock.
func nameOf(addr string) string {
	if strings.HasPrefix(addr, "pid:") || strings.HasPrefix(addr, "tcp:") || strings.HasPrefix(addr, "vsock:") {
		return addr
	}
	guest := strings.HasPrefix(addr, "agent:")
	if machine, ok := address.MachineName(strings.TrimPrefix(addr, "agent:")); ok {
		if guest {
			machine += "-agent"
		}
		return machine
	}
	addr = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(addr, "agent:"), "unix:"), "@")
	if full, err := filepath.Abs(addr); err == nil {
		addr = full
	}
	parts := strings.Split(filepath.ToSlash(addr), "/")
	name := parts[len(parts)-1]
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		name = name[:i]
	}
	switch name {
	case "qmp", "monitor", "mon", "qga", "agent":
		if len(parts) > 1 && parts[len(parts)-2] != "" {
			name = parts[len(parts)-2]
		}
	}
	if guest {
		name += "-agent"
	}
	return name
}

// dial connects to the server and learns its language.
func (s *session) dial(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	s.dialing.Store(true)
	defer s.dialing.Store(false)
	s.failed = nil
	if err := s.connected(limited); err != nil {
		s.failed = &dialError{err, context.Cause(ctx)}
	}
	s.tried = time.Now()
	return s.failed
}

// A dialError is the error of a dial. The command of the user was not sent.
type dialError struct{ err, cause error } // cause is why the context of the dial has ended, if it has

func (e *dialError) Error() string { return e.err.Error() }

func (e *dialError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.err}
	}
	return []error{e.err, e.cause}
}

func (s *session) connected(ctx context.Context) error {
	if guest, ok := strings.CutPrefix(s.address, "agent:"); ok {
		return s.dialGuest(ctx, guest)
	}
	addr, ok := address.Of(s.address)
	if _, err := os.Stat(s.address); !ok && errors.Is(err, fs.ErrNotExist) && strings.Contains(s.address, "/") {
		return fmt.Errorf("%s: there is no socket", s.address)
	}
	if !ok {
		return usagef("%s: not the address of a server: want a socket that exists, unix:PATH, tcp:HOST:PORT, vsock:CID:PORT, pid:PID, libvirt:NAME or agent:ADDRESS", s.address)
	}
	c, err := s.connect(ctx, addr)
	if err != nil {
		advice := address.Advice("qmpsh", addr, err)
		if err = address.Plain(err); advice != "" {
			err = fmt.Errorf("%w; %s", err, advice)
		}
		return err
	}
	view, err := qmpschema.Query(ctx, c)
	if err != nil {
		c.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w; the server is stopped or very busy: try again", err)
		}
		return err
	}
	s.kind = kindQEMU
	table := facts.QEMU()
	if has, _ := view.Has("device_add"); !has {
		s.kind, table = kindStorage, facts.Storage()
	}
	s.version = c.Version().String()
	s.static = map[string][]value{}
	s.mute.Store(false)
	s.conn, s.client, s.ended = c, c, c.Done()
	s.lang = newLanguage(view, table, s)
	s.opened(s)
	return nil
}

// dialGuest connects to a guest agent. An agent has no introspection, so its language is that of the newest known
// one.
func (s *session) dialGuest(ctx context.Context, name string) error {
	addr, ok := address.Of(name)
	if !ok {
		return usagef("%s: not the address of a socket", s.address)
	}
	c, err := address.DialGuest(ctx, addr, s.options())
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w; does the agent run in the guest?", err)
		}
		return err
	}
	view, err := guestSchema()
	if err != nil {
		c.Close()
		return err
	}
	s.kind, s.version = kindGuest, ""
	if answer, err := (qmp.Raw{Command: "guest-info"}).Do(ctx, c); err == nil {
		s.version = stringMember(answer, "version")
	}
	s.static = map[string][]value{}
	s.mute.Store(false)
	s.conn, s.client, s.ended = c, nil, c.Done()
	s.lang = newLanguage(view, facts.Guest(), s)
	return nil
}

// connect dials the server, and records the conversation if the shell does.
func (s *session) connect(ctx context.Context, addr string) (address.Server, error) {
	if s.recorder == nil {
		c, err := address.Dial(ctx, addr, s.options())
		if m, ok := c.(*address.Machine); ok && s.untracked {
			c = m.AllowUntracked()
		}
		return c, err
	}
	conn, err := address.Connect(ctx, addr)
	if err != nil {
		return nil, err
	}
	if conn, err = s.recorder.Conn(conn); err != nil {
		return nil, err
	}
	c, err := qmp.NewClient(ctx, conn, s.options())
	if err != nil {
		return nil, err
	}
	return c, nil
}

// guestSchema returns the schema of the newest known agent.
var guestSchema = sync.OnceValues(func() (*introspect.Schema, error) {
	s, err := qapi.LoadFS(schema.FS, schema.NewestGuest, nil)
	if err != nil {
		return nil, err
	}
	return s.Introspect(qapi.IntrospectOptions{}), nil
})

func (s *session) options() *qmp.Options { return &qmp.Options{EventQueue: 1 << 14, OOB: true} }

// dialPause is how long a session waits after a dial that failed: commands for other sessions are not disturbed.
const dialPause = 5 * time.Second

// executor returns the connection. It connects again if the connection has ended.
func (s *session) executor(ctx context.Context) (qmp.Executor, error) {
	select {
	case <-s.ended:
		err := s.failed
		if err == nil || time.Since(s.tried) > dialPause {
			err = s.dial(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("%s is not connected: %w", s.name, err)
		}
	default:
	}
	return s.conn, nil
}

// answers returns an error if the server does not answer a command that changes nothing within the limit.
func (s *session) answers(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	x, err := s.executor(ctx)
	if err != nil {
		return err
	}
	command := "query-version"
	if s.kind == kindGuest {
		command = "guest-ping"
	}
	_, err = qmp.Raw{Command: command}.Do(ctx, x)
	if _, refused := errors.AsType[*qmp.Error](err); err == nil || refused {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: the server has not answered within %v; it is stopped or very busy", qmp.ErrNotSent, limit)
	}
	return fmt.Errorf("%w: %w", qmp.ErrNotSent, context.Cause(ctx))
}

func (s *session) close() {
	if c, ok := s.conn.(interface{ Close() error }); ok {
		c.Close()
	}
}

// open connects to the servers of "NAME=ADDRESS,…". The first one becomes the session in use. If some of several servers
// do not answer, open reports that, and their sessions connect later.
func (sh *shell) open(ctx context.Context, text string) error {
	all := sh.sessions
	for _, part := range strings.Split(text, ",") {
		name, addr := splitName(part)
		if slices.ContainsFunc(all, func(s *session) bool { return s.name == name }) {
			return usagef("%s: there is a session with this name; write NAME=ADDRESS", name)
		}
		s := newSession(name, addr)
		s.opened, s.recorder, s.untracked = sh.opened, sh.recorder, sh.defaults.untracked
		if t := sh.defaults.timeout; t > 0 {
			s.limit = min(s.limit, max(t, leastDialLimit))
		}
		all = append(all, s)
	}
	added := all[len(sh.sessions):]
	for _, s := range added {
		if err := askPassword(ctx, s.address); err != nil {
			return err
		}
	}
	var dials sync.WaitGroup
	for _, s := range added {
		dials.Go(func() { _ = s.dial(ctx) })
	}
	stop := sh.remind(func() string {
		return noGreeting(names(slices.DeleteFunc(slices.Clone(added), func(s *session) bool { return !s.dialing.Load() })))
	})
	dials.Wait()
	stop()
	for i, s := range added {
		_, usage := errors.AsType[*usageError](s.failed)
		if s.failed != nil && (usage || ctx.Err() != nil || !slices.ContainsFunc(added, func(s *session) bool { return s.failed == nil })) {
			for _, other := range added {
				other.close()
			}
			return added[i].failed
		}
	}
	for _, s := range added {
		if s.failed != nil && len(added) > 1 {
			sh.reportOf(s.name, s.failed)
		}
	}
	sh.sessions, sh.current = all, added[0]
	return nil
}

// session returns the session with a name.
func (sh *shell) session(name string) (*session, error) {
	var names []string
	for _, s := range sh.sessions {
		if s.name == name {
			return s, nil
		}
		names = append(names, s.name)
	}
	return nil, usagef("%s: no such session; there are: %s", name, strings.Join(names, ", "))
}

func (sh *shell) on(ctx context.Context, in input) error {
	if len(in.words) < 2 {
		return usagef("on: want a session or all, and a command")
	}
	sessions := sh.sessions
	if name := in.args()[0]; name != "all" {
		s, err := sh.session(name)
		if err != nil {
			return err
		}
		sessions = []*session{s}
	}
	before, defaults := sh.current, sh.defaults
	defer func() { sh.current, sh.defaults = before, defaults }()
	sh.defaults = in.switches
	if len(sessions) == 1 {
		sh.current = sessions[0]
		return sh.line(ctx, in.tail(1))
	}
	mute := muteOf(ctx, sessions, cmp.Or(in.timeout, answerLimit))
	var failed *failure
	for i, s := range sessions {
		if !in.json {
			fmt.Fprintf(sh.out, "%s:\n", s.name)
		}
		sh.current = s
		err := mute[i]
		if err == nil {
			err = sh.line(ctx, in.tail(1))
		}
		if errors.Is(err, errExit) {
			return err
		}
		if err != nil {
			sh.reportOf(s.name, err)
			failed = cmp.Or(failed, &failure{statusOf(err)})
		}
		if ctx.Err() != nil {
			return &failure{statusOf(context.Cause(ctx))}
		}
	}
	if failed != nil {
		return failed
	}
	return nil
}

// answerLimit is how long a session may take before "on all" goes on without it.
const answerLimit = 5 * time.Second

// muteOf asks all sessions at once whether they answer, and returns their errors.
func muteOf(ctx context.Context, sessions []*session, limit time.Duration) []error {
	errs := make([]error, len(sessions))
	var asked sync.WaitGroup
	for i, s := range sessions {
		asked.Go(func() { errs[i] = s.answers(ctx, limit) })
	}
	asked.Wait()
	return errs
}

func (sh *shell) use(_ context.Context, in input) error {
	if len(in.words) != 1 {
		return usagef("use: want the name of a session")
	}
	s, err := sh.session(in.args()[0])
	if err == nil {
		sh.current = s
	}
	return err
}

func (sh *shell) openMore(ctx context.Context, in input) error {
	if len(in.words) != 1 {
		return usagef("open: want an address")
	}
	before := sh.current
	err := sh.open(ctx, in.args()[0])
	sh.current = before
	if err == nil {
		sh.current = sh.sessions[len(sh.sessions)-1]
	}
	return err
}

// closeOne ends a session. The last one stays, because the shell needs one.
func (sh *shell) closeOne(_ context.Context, in input) error {
	if len(in.words) != 1 {
		return usagef("close: want the name of a session")
	}
	s, err := sh.session(in.args()[0])
	if err != nil {
		return err
	}
	if len(sh.sessions) == 1 {
		return usagef("close: %s is the only session; to leave the shell, type exit", s.name)
	}
	s.close()
	sh.sessions = slices.DeleteFunc(slices.Clone(sh.sessions), func(other *session) bool { return other == s })
	if sh.current == s {
		sh.current = sh.sessions[0]
	}
	return nil
}

func (sh *shell) list(context.Context, input) error {
	for _, s := range sh.sessions {
		mark := " "
		if s == sh.current {
			mark = "*"
		}
		fmt.Fprintln(sh.out, sh.escape(fmt.Sprintf("%s %-12s %s (%s)", mark, s.name, s.address, s.state())))
	}
	return nil
}
