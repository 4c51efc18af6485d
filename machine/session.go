package machine

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Session is a client that is connected to a display of the machine.
type Session struct {
	Protocol string // "vnc" or "spice"
	Host     string // of the client; for a UNIX socket empty, or "localhost" of SPICE

	// Of VNC.
	Display   string // the ID of the display
	Port      string // of the client
	WebSocket bool
	User      string // the name of SASL or of the client's certificate; empty without both

	// Of SPICE.
	Connection int64 // QEMU's number
	Channels   int
	TLS        bool // one of the channels is encrypted
}

// sessionEvents are the events after which sessions are different.
var sessionEvents = []string{
	qemu.EventVNCConnected, qemu.EventVNCInitialized, qemu.EventVNCDisconnected,
	qemu.EventSPICEConnected, qemu.EventSPICEInitialized, qemu.EventSPICEDisconnected,
}

// sessionInterval is the time between two looks without events.
const sessionInterval = 10 * time.Second

// Sessions follows the clients of the machine's VNC and SPICE displays. It yields the list of all sessions at the beginning,
// and again after each change, sorted. A client that comes and goes quickly may not be in any list. The loop ends with ctx, or
// with the connection: it then yields the error.
//
// If QEMU was built with neither VNC nor SPICE, the error matches [errors.ErrUnsupported].
//
// Source: query-vnc-servers, query-spice, the events VNC_… and SPICE_….
func Sessions(ctx context.Context, conn qmp.Conn) iter.Seq2[[]Session, error] {
	return func(yield func([]Session, error) bool) {
		events := conn.Events(sessionEvents...) // before the first look
		defer events.Close()
		var last []Session
		for first := true; ; first = false {
			now, err := listSessions(ctx, conn)
			if err != nil {
				yield(nil, failed("list display sessions", err))
				return
			}
			if first || !slices.Equal(now, last) {
				if !yield(slices.Clone(now), nil) {
					return
				}
				last = now
			}
			if err := nextOf(ctx, events); err != nil {
				yield(nil, failed("follow display sessions", err))
				return
			}
		}
	}
}

// nextOf waits until events have come and takes them, or until it is time for a look.
func nextOf(ctx context.Context, events qmp.EventStream) error {
	short, cancel := context.WithTimeout(ctx, sessionInterval)
	defer cancel()
	_, err := events.Next(short)
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil && short.Err() == nil && !errors.Is(err, qmp.ErrEventsLost):
		return err
	}
	for _, err := range qmp.Queued(events) {
		if err != nil && !errors.Is(err, qmp.ErrEventsLost) {
			return err
		}
	}
	return nil
}

// listSessions asks for the sessions.
func listSessions(ctx context.Context, x qmp.Executor) ([]Session, error) {
	servers, vncErr := qemu.QueryVNCServers{}.Do(ctx, x)
	if vncErr != nil && !errors.Is(vncErr, qmp.ErrCommandNotFound) {
		return nil, vncErr
	}
	spice, spiceErr := qemu.QuerySPICE{}.Do(ctx, x)
	if spiceErr != nil && (vncErr != nil || !errors.Is(spiceErr, qmp.ErrCommandNotFound)) {
		return nil, spiceErr
	}
	var all []Session
	for _, server := range servers {
		for _, client := range server.Clients {
			all = append(all, Session{
				Protocol: "vnc", Display: server.ID, Host: client.Host, Port: client.Service, WebSocket: client.Websocket,
				User: cmp.Or(qmp.Value(client.SASLUsername), qmp.Value(client.X509Dname)),
			})
		}
	}
	for _, channel := range spice.Channels {
		i := slices.IndexFunc(all, func(s Session) bool { return s.Protocol == "spice" && s.Connection == channel.ConnectionID })
		if i < 0 {
			i = len(all)
			all = append(all, Session{Protocol: "spice", Host: channel.Host, Connection: channel.ConnectionID})
		}
		all[i].Channels++
		all[i].TLS = all[i].TLS || channel.TLS
	}
	slices.SortFunc(all, func(a, b Session) int {
		return cmp.Or(
			cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Display, b.Display), cmp.Compare(a.Host, b.Host),
			cmp.Compare(len(a.Port), len(b.Port)), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Connection, b.Connection),
		)
	})
	return all, nil
}
