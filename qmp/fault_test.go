package qmp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
)

// A faultyServer plays a short session, in which what it sends is changed by a fault.
type faultyServer struct {
	net.Conn
	fault func(sent int, b []byte) (out []byte, end bool)
	sent  int
}

// session is what the server sends, each time before it reads the next command.
var session = []string{
	greeting,
	negotiated,
	`{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"}` + "\r\n" +
		`{"return": {"running": true}, "id": 1}` + "\r\n",
	`{"id": 2, "error": {"class": "DeviceNotFound", "desc": "no \"x\""}}` + "\r\n",
	`{"return": {}, "id": 3}` + "\r\n",
}

// play plays the session and then ends the connection.
func (s *faultyServer) play() {
	defer s.Close()
	b := make([]byte, 1<<10)
	for _, text := range session {
		out, end := s.fault(s.sent, []byte(text))
		s.sent += len(text)
		if _, err := s.Write(out); err != nil || end {
			return
		}
		if _, err := s.Read(b); err != nil {
			return
		}
	}
}

// outcomes is what a client makes of the session.
type outcomes struct {
	dial, status, del, quit error
	events                  []string
	end                     error
}

// playSession plays it with a fault, in memory, where time is known.
func playSession(t *testing.T, fault func(int, []byte) ([]byte, bool)) (o outcomes) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		begin := time.Now()
		o = playOn(t, server, client, fault)
		require.Less(t, time.Since(begin), 2*time.Second)
	})
	return o
}

// playOn plays it on a connection.
func playOn(t *testing.T, server, client net.Conn, fault func(int, []byte) ([]byte, bool)) (o outcomes) {
	s := &faultyServer{Conn: server, fault: fault}
	go s.play()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := qmp.NewClient(ctx, client, nil)
	if o.dial = err; err != nil {
		return o
	}
	events := c.Events()
	_, o.status = run(ctx, c, "query-status")
	_, o.del = run(ctx, c, "device_del")
	_, o.quit = run(ctx, c, "quit")
	for {
		e, err := events.Next(ctx)
		if o.end = err; err != nil {
			break
		}
		o.events = append(o.events, e.Name)
	}
	require.ErrorIs(t, o.end, c.Err())
	require.NoError(t, c.Close())
	require.NoError(t, ctx.Err())
	return o
}

// TestConnectionCutAtEachByte: at whatever byte the connection ends, each call returns the right
// error.
func TestConnectionCutAtEachByte(t *testing.T) { cutAtEachByte(t, playSession) }

func cutAtEachByte(t *testing.T, play func(*testing.T, func(int, []byte) ([]byte, bool)) outcomes) {
	total := 0
	var ends []int // of the messages
	for _, text := range session {
		total += len(text)
		ends = append(ends, total-len("\r\n"))
	}
	for cut := range total + 1 {
		o := play(t, func(sent int, b []byte) ([]byte, bool) {
			if sent+len(b) < cut {
				return b, false
			}
			return b[:cut-sent], true
		})
		if cut < ends[1] {
			require.Error(t, o.dial, cut)
			continue
		}
		require.NoError(t, o.dial, cut)
		switch {
		case cut >= ends[2]:
			require.NoError(t, o.status, cut)
		case !errors.Is(o.status, qmp.ErrNotSent):
			require.ErrorIs(t, o.status, qmp.ErrOutcomeUnknown, cut)
		}
		switch {
		case cut >= ends[3]:
			require.ErrorIs(t, o.del, qmp.ErrDeviceNotFound, cut)
		case !errors.Is(o.del, qmp.ErrNotSent):
			require.ErrorIs(t, o.del, qmp.ErrOutcomeUnknown, cut)
		}
		if !errors.Is(o.quit, qmp.ErrNotSent) {
			require.NoError(t, o.quit, cut)
		}
		if cut >= ends[2] {
			require.Equal(t, []string{"STOP"}, o.events)
		}
		// A socket whose other end goes away before it has read a request is reset.
		if !errors.Is(o.end, io.EOF) && !errors.Is(o.end, syscall.ECONNRESET) {
			require.ErrorIs(t, o.end, io.ErrUnexpectedEOF, cut)
		}
	}
}

// TestGarbageAtEachByte: one byte is wrong. All calls return. If the byte was inside a value, the
// connection may survive.
func TestGarbageAtEachByte(t *testing.T) {
	garbageAtEachByte(t, []byte{0xff, 0, '"', '\\', '{', '}', ']', ',', '7'}, playSession)
}

func garbageAtEachByte(t *testing.T, bytes []byte, play func(*testing.T, func(int, []byte) ([]byte, bool)) outcomes) {
	total := 0
	for _, text := range session {
		total += len(text)
	}
	for _, garbage := range bytes {
		for place := range total {
			play(t, func(sent int, b []byte) ([]byte, bool) {
				if i := place - sent; i >= 0 && i < len(b) {
					b[i] = garbage
					return b, true // the client may wait for more of this message
				}
				return b, false
			})
		}
	}
}

// TestGarbageFailsCommandsInFlight: the error shows the garbage.
func TestGarbageFailsCommandsInFlight(t *testing.T) {
	c, p := connectPeer(t, nil)
	go func() {
		p.expect(`{"execute":"stop","id":1}`)
		p.write("\r\nKilled\n")
	}()
	events := c.Events()
	_, err := run(limit(t), c, "stop")
	require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
	var broken *qmp.ProtocolError
	require.ErrorAs(t, err, &broken)
	require.Equal(t, "Killed\n", broken.Excerpt[len(broken.Excerpt)-7:])
	require.EqualValues(t, len(greeting)+len(negotiated)+2, broken.Offset)
	<-c.Done()
	require.Equal(t, broken, c.Err())
	_, err = events.Next(limit(t))
	require.Equal(t, broken, err)
	_, err = p.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the connection is closed")
}

func TestMessageThatIsTooLong(t *testing.T) {
	c, p := connectPeer(t, &qmp.Options{MaxMessage: 1000})
	go func() {
		p.expect(`{"execute":"query-qmp-schema","id":1}`)
		p.write(`{"return": "`)
		for range 1000 {
			p.write("1234567890")
		}
	}()
	_, err := run(limit(t), c, "query-qmp-schema")
	require.ErrorContains(t, err, "longer than Options.MaxMessage")
}

// TestServerThatDoesNotRead: callers return when their contexts end, and Close ends the others.
func TestServerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := connectPeer(t, nil)
		var group sync.WaitGroup
		var mu sync.Mutex
		counts := map[error]int{}
		for i := range 100 {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				if i < 50 {
					ctx, cancel = context.WithTimeout(t.Context(), time.Hour)
				}
				defer cancel()
				_, err := run(ctx, c, "stop")
				mu.Lock()
				defer mu.Unlock()
				for _, ending := range []error{qmp.ErrNotSent, qmp.ErrOutcomeUnknown, qmp.ErrClosed, context.DeadlineExceeded} {
					if errors.Is(err, ending) {
						counts[ending]++
					}
				}
			})
			if i == 0 {
				synctest.Wait() // it is being written, and the others wait: else they could be written with it
			}
		}
		time.Sleep(2 * time.Minute)
		require.NoError(t, c.Close())
		group.Wait()
		require.Equal(t, 50, counts[context.DeadlineExceeded])
		require.Equal(t, 50, counts[qmp.ErrClosed])
		require.Equal(t, 100, counts[qmp.ErrNotSent]+counts[qmp.ErrOutcomeUnknown])
		require.LessOrEqual(t, counts[qmp.ErrOutcomeUnknown], 1, "only the one being written may have been sent")
	})
}

// TestServerThatNeverAnswers: ids get longer, and nothing else happens.
func TestServerThatNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := connectPeer(t, nil)
		for i := range 120 {
			id := i + 1
			switch {
			case id == 10:
				id = 0 // which qmp_capabilities had
			case id > 10:
				id--
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			go p.expect(fmt.Sprintf(`{"execute":"stop","id":%d}`, id))
			_, err := run(ctx, c, "stop")
			require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
			cancel()
		}
	})
}

func TestCloseManyTimes(t *testing.T) {
	c, _ := connectPeer(t, nil)
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	<-c.Done()
	require.ErrorIs(t, c.Err(), qmp.ErrClosed)
}
