package qmp_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/qmpkit/qmpkit/qmp"
)

// FuzzServer lets a server send anything at all while commands are in flight: each ends, one
// way or another, and so does the subscription.
func FuzzServer(f *testing.F) {
	f.Add([]byte(`{"return": {}, "id": 1}{"return": {}, "id": 1}{"error": {}}{"event": "A", "data": {"device": 1}}`))
	f.Add([]byte(`{"event": "DEVICE_DELETED", "timestamp": {"seconds": 1}}{"error": {"class": "X"}, "id": 2}{"QMP": 1}`))
	f.Add([]byte(`{"return": inf, "id": 3}{"return": [}`))
	f.Fuzz(func(t *testing.T, output []byte) {
		server, client := net.Pipe()
		p := &peer{server, t}
		var group sync.WaitGroup
		group.Go(func() {
			p.negotiate()
			p.expect(`{"execute":"quit","id":1}{"execute":"quit","id":2}{"execute":"quit","id":3}`)
			p.write(string(output))
			_ = p.Close()
		})
		c, err := qmp.NewClient(t.Context(), client, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		gone, all := qmp.Subscribe[deviceDeleted](c), c.Events()
		for range 3 {
			group.Go(func() {
				var refused *qmp.Error
				var unreadable *qmp.DecodeError
				_, err := run(t.Context(), c, "quit")
				switch {
				case err == nil, errors.As(err, &refused), errors.As(err, &unreadable):
				case errors.Is(err, qmp.ErrNotSent), errors.Is(err, qmp.ErrOutcomeUnknown):
				default:
					t.Errorf("the error matches no ending of a command: %v", err)
				}
			})
		}
		for _, err := range gone.All(t.Context()) {
			_ = err
		}
		for err = nil; err == nil || errors.Is(err, qmp.ErrEventsLost); {
			_, err = all.Next(t.Context())
		}
		var broken *qmp.ProtocolError
		if !errors.Is(err, io.EOF) && !errors.As(err, &broken) && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the connection ended by %v", err)
		}
		group.Wait()
	})
}
