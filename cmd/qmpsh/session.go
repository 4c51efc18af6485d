package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

	opened   func(*session) // called after each dial
	recorder *talk.Recorder // nil if nothing is recorded

	static map[string][]value // what stays the same while the server runs
	conn   qmp.Executor       // a *qmp.Client or a *qmp.GuestClient
	client *qmp.Client        // nil for a guest agent
	ended  <-chan struct{}
	env    *operate.Env // of the operations, for client; nil before the first
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
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	if guest, ok := strings.CutPrefix(s.address, "agent:"); ok {
		return s.dialGuest(ctx, guest)
	}
	addr, ok := address.Of(s.address)
	if !ok {
		return usagef("%s: not the address of a server: want a socket that exists, unix:PATH, tcp:HOST:PORT, vsock:CID:PORT, pid:PID or agent:ADDRESS", s.address)
	}
	c, err := s.connect(ctx, addr)
	if err != nil {
		if advice := address.Advice("qmpsh", addr, err); advice != "" {
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
	s.conn, s.client, s.ended = c, nil, c.Done()
	s.lang = newLanguage(view, facts.Guest(), s)
	return nil
}

// connect dials the server, and records the conversation if the shell does.
func (s *session) connect(ctx context.Context, addr string) (*qmp.Client, error) {
	if s.recorder == nil {
		return address.Dial(ctx, addr, s.options())
	}
	conn, err := address.Connect(ctx, addr)
	if err != nil {
		return nil, err
	}
	if conn, err = s.recorder.Conn(conn); err != nil {
		return nil, err
	}
	return qmp.NewClient(ctx, conn, s.options())
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

// executor returns the connection. It connects again if the connection has ended.
func (s *session) executor(ctx context.Context) (qmp.Executor, error) {
	select {
	case <-s.ended:
		if err := s.dial(ctx); err != nil {
			return nil, fmt.Errorf("%s: the connection has ended: %w", s.name, err)
		}
	default:
	}
	return s.conn, nil
}

func (s *session) close() {
	if c, ok := s.conn.(interface{ Close() error }); ok {
		c.Close()
	}
}

// open connects to the servers of "NAME=ADDRESS,…". The first one becomes the session in use.
func (sh *shell) open(ctx context.Context, text string) error {
	for i, part := range strings.Split(text, ",") {
		name, addr := splitName(part)
		if slices.ContainsFunc(sh.sessions, func(s *session) bool { return s.name == name }) {
			return usagef("%s: there is a session with this name; write NAME=ADDRESS", name)
		}
		s := &session{name: name, address: addr, opened: sh.opened, recorder: sh.recorder}
		if err := s.dial(ctx); err != nil {
			return err
		}
		sh.sessions = append(sh.sessions, s)
		if i == 0 {
			sh.current = s
		}
	}
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
