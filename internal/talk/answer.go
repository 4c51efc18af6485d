package talk

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// An Answerer is a server that answers as a recorded server did, for a program that was recorded or one like it.
//
// It answers a request with the recorded answer to the same command with the same arguments, secrets aside. If there are
// several, it takes them in order, so that a query shows the state at that time: a query gets an answer from before
// the next recorded command that changes something, and repeats the last answer if the program asks more often.
// Recorded events follow the answer that they followed, or come before the answer that they came before, at once.
type Answerer struct {
	program qmptest.Program
	server  *qmptest.Server

	mu        sync.Mutex
	exchanges []*exchange
	loose     bool
	unmatched []string
}

// An exchange is a request with its answer.
type exchange struct {
	request       *Entry
	key           string
	modifies      bool
	used          bool
	before, after []*Entry // events
}

// NewAnswerer makes a server of recorded entries. If loose is true, a request for which no answer is recorded gets an
// answer to the same command with other arguments.
func NewAnswerer(entries []*Entry, loose bool) *Answerer {
	a := &Answerer{loose: loose}
	o := qmptest.Options{Unchecked: true, Guest: true}
	commands := make(map[string]bool)
	var last *exchange // of the last answer
	byRequest := make(map[*Entry]*exchange)
	var waiting []*exchange
	for _, e := range entries {
		switch e.Kind {
		case Greeting:
			o.Guest, o.Version, o.Capabilities = false, e.Version, capabilities(e)
		case Request:
			if o.Guest = o.Guest && strings.HasPrefix(e.Command, "guest-"); isOfSession(e.Command) {
				continue
			}
			x := &exchange{request: e, key: key(e.Command, e.Arguments), modifies: modifies(e.Command)}
			a.exchanges = append(a.exchanges, x)
			byRequest[e] = x
			waiting = append(waiting, x)
			commands[e.Command] = true
		case Reply, Refusal:
			if x := byRequest[e.Request]; x != nil {
				last = x
				waiting = slices.DeleteFunc(waiting, func(w *exchange) bool { return w == x })
			}
		case Event:
			switch {
			case len(waiting) > 0:
				waiting[0].before = append(waiting[0].before, e)
			case last != nil:
				last.after = append(last.after, e)
			}
		}
	}
	a.server = qmptest.NewServer(&a.program, &o)
	for command := range commands {
		a.server.Handle(command, a.answer)
	}
	return a
}

// capabilities returns those of a greeting.
func capabilities(e *Entry) []string {
	var m struct {
		QMP struct{ Capabilities []string }
	}
	m.QMP.Capabilities = []string{}
	_ = json.Unmarshal(e.Text, &m)
	return m.QMP.Capabilities
}

// Serve serves the clients that connect to l, one after the other, until ctx ends or l fails. It closes l.
func (a *Answerer) Serve(ctx context.Context, l net.Listener) error {
	defer l.Close()
	defer context.AfterFunc(ctx, func() {
		_ = l.Close()
		a.server.Disconnect()
	})()
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		a.server.Serve(conn)
	}
}

// Close ends the server.
func (a *Answerer) Close() error { return a.program.Close() }

// Unmatched returns the requests for which no answer is recorded, without their secrets.
func (a *Answerer) Unmatched() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := slices.Clone(a.unmatched)
	for _, r := range a.server.Requests() {
		if !slices.ContainsFunc(a.exchanges, func(x *exchange) bool { return x.request.Command == r.Command }) {
			all = append(all, key(r.Command, r.Arguments))
		}
	}
	return all
}

// answer is the handler of all commands.
func (a *Answerer) answer(r *qmptest.Request) (any, error) {
	for _, f := range r.Files {
		_ = f.Close()
	}
	x := a.match(r)
	if x == nil {
		return nil, &qmp.Error{Class: qmp.ErrGeneric, Desc: "the recording has no answer to this request"}
	}
	a.send(x.before)
	switch reply := x.request.Reply; {
	case reply == nil: // as recorded
	case reply.Kind == Refusal:
		r.Refuse(reply.Class, reply.Desc)
	default:
		r.Reply(reply.Result)
	}
	a.send(x.after)
	return nil, qmptest.ErrNoReply
}

// send sends events.
func (a *Answerer) send(events []*Entry) {
	for _, e := range events {
		var data any
		if e.Data != nil {
			data = e.Data
		}
		a.server.EventAt(time.Now(), e.Event, data)
	}
}

// match finds the exchange for a request, nil if there is none.
func (a *Answerer) match(r *qmptest.Request) *exchange {
	a.mu.Lock()
	defer a.mu.Unlock()
	want := key(r.Command, r.Arguments)
	x := a.next(modifies(r.Command), func(x *exchange) bool { return x.key == want })
	if x == nil {
		a.unmatched = append(a.unmatched, want)
		if a.loose {
			x = a.next(modifies(r.Command), func(x *exchange) bool { return x.request.Command == r.Command })
		}
	}
	return x
}

// next returns the exchange that comes next of those that fit, and notes that it is used.
func (a *Answerer) next(modifies bool, fits func(*exchange) bool) *exchange {
	var last *exchange
	changed := false // a change that has not been made comes before
	for i, x := range a.exchanges {
		if fits(x) {
			switch {
			case !x.used && (modifies || !changed):
				x.used = true
				if modifies {
					for _, earlier := range a.exchanges[:i] {
						earlier.used = true
					}
				}
				return x
			case x.used || last == nil:
				last = x
			}
		}
		changed = changed || x.modifies && !x.used
	}
	if last == nil {
		return nil
	}
	repeated := *last // its events have come
	repeated.before, repeated.after = nil, nil
	return &repeated
}

// key returns a request in a form in which equal requests are equal, without secrets.
func key(command string, arguments []byte) string {
	v, err := decode(qmp.Redact(arguments))
	if object, ok := v.(map[string]any); err != nil || v == nil || ok && len(object) == 0 {
		return command
	}
	return command + " " + string(raw(v))
}
