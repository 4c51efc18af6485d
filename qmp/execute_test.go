package qmp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

func TestRequestsAreCompact(t *testing.T) {
	c, p := connectPeer(t, nil)
	go func() {
		p.expect(`{"execute":"query-status","id":1}`)
		p.write(`{"return": {"status": "running"}, "id": 1}` + "\r\n")
		p.expect(`{"execute":"device_del","arguments":{"id":"a \"b\"","n":1},"id":2}`)
		p.write("{\n  \"return\": {\n  },\n  \"id\": 2\n}\n")
		p.expect(`{"execute":"odd\"name","id":3}`)
		p.write(`{"id": 3, "error": {"class": "CommandNotFound", "desc": "What?", "new": inf}}`)
	}()
	v, err := run(limit(t), c, "query-status")
	require.NoError(t, err)
	require.Equal(t, `{"status": "running"}`, v)
	_, err = qmp.Raw{Command: "device_del", Args: qmp.Args{"id": `a "b"`, "n": 1}}.Do(limit(t), c)
	require.NoError(t, err)
	_, err = run(limit(t), c, `odd"name`)
	require.ErrorContains(t, err, "an error that cannot be read")
	require.ErrorAs(t, err, new(*qmp.Error))
}

func TestIDsAreUsedInRotation(t *testing.T) {
	c, p := connectPeer(t, nil)
	go func() {
		for i := 1; i < 25; i++ {
			p.expect(fmt.Sprintf(`{"execute":"stop","id":%d}`, i%10))
			p.write(fmt.Sprintf(`{"return":{},"id":%d}`, i%10))
		}
	}()
	for range 24 {
		_, err := run(limit(t), c, "stop")
		require.NoError(t, err)
	}
}

func TestErrorClasses(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, nil)
	classes := []qmp.ErrorClass{
		qmp.ErrGeneric, qmp.ErrCommandNotFound, qmp.ErrDeviceNotActive, qmp.ErrDeviceNotFound,
		qmp.ErrKVMMissingCap, "Newer",
	}
	for _, class := range classes {
		s.Expect("device_del").Refuse(class, "Device 'x' is what it is")
		_, err := run(limit(t), c, "device_del")
		for _, other := range classes {
			require.Equal(t, class == other, errors.Is(err, other))
		}
		require.Equal(t, class == qmp.ErrCommandNotFound, errors.Is(err, errors.ErrUnsupported))
		require.NotErrorIs(t, err, qmp.ErrNotSent)
		require.NotErrorIs(t, err, qmp.ErrOutcomeUnknown)
		var refused *qmp.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, qmp.Error{Command: "device_del", Class: class, Desc: "Device 'x' is what it is"}, *refused)
		text := "qmp: device_del: Device 'x' is what it is"
		if class != qmp.ErrGeneric {
			text += " (" + string(class) + ")"
		}
		require.EqualError(t, err, text)
	}
	for text, e := range map[string]*qmp.Error{
		"qmp: object-del: the server sent only the class GenericError": {Command: "object-del", Class: qmp.ErrGeneric},
		"qmp: the server sent only the class DeviceNotFound":           {Class: qmp.ErrDeviceNotFound},
		"qmp: a: the server sent only the class New":                   {Command: "a", Class: "New"},
		"qmp: b: the server sent only the class GenericError":          {Command: "b"},
		"qmp: c: no": {Command: "c", Desc: "no"},
	} {
		require.EqualError(t, e, text)
	}
	require.EqualError(t, qmp.ErrDeviceNotFound, "qmp: DeviceNotFound")
}

func TestWrongResultFailsOneCall(t *testing.T) {
	c, p := connectPeer(t, nil)
	go func() {
		for i, value := range []string{`inf`, `[nan]`, `{"a":1,}`, ``, `tru`, "\"\xff\"", `1 2`} {
			p.expect(fmt.Sprintf(`{"execute":"query-blockstats","id":%d}`, i+1))
			p.write(fmt.Sprintf(`{"return": %s, "id": %d}`, value, i+1))
		}
		p.expect(`{"execute":"query-status","id":8}`)
		p.write(`{"return": 1, "id": 8}`)
	}()
	for range 7 {
		_, err := run(limit(t), c, "query-blockstats")
		var wrong *qmp.DecodeError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, "query-blockstats", wrong.Command)
	}
	v, err := run(limit(t), c, "query-status")
	require.NoError(t, err)
	require.Equal(t, "1", v)
}

func TestNotSent(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, nil)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := run(ctx, c, "stop")
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, qmp.ErrOutcomeUnknown)
	require.EqualError(t, err, "qmp: stop: not sent: context canceled")

	for _, raw := range []qmp.Raw{
		{Command: "x", Args: qmp.Args{"a": "\xff"}},
		{Command: "x\xff"},
		{Command: "x", Args: qmp.Args{"a": qmp.RawJSON("{")}},
	} {
		_, err = raw.Do(limit(t), c)
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.ErrorAs(t, err, new(*qmp.EncodeError))
	}
	_, err = qmp.Raw{Command: "x", Args: qmp.Args{"a": strings.Repeat("x", 64<<20)}}.Do(limit(t), c)
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorContains(t, err, "longer than 64 MiB")

	require.NoError(t, c.Close())
	_, err = run(limit(t), c, "stop")
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorIs(t, err, qmp.ErrClosed)
	require.EqualError(t, err, "qmp: stop: not sent: the client is closed")
	require.Empty(t, s.Requests())
}

func TestOutcomeUnknown(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, nil)
	s.Handle("device_add", func(r *qmptest.Request) (any, error) { r.Disconnect(); return nil, nil })
	_, err := run(limit(t), c, "device_add")
	require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
	require.ErrorIs(t, err, io.EOF)
	require.NotErrorIs(t, err, qmp.ErrNotSent)
	require.EqualError(t, err, "qmp: device_add: sent, outcome unknown: the server closed the connection: EOF")
	require.ErrorIs(t, c.Err(), io.EOF)
	_, err = run(limit(t), c, "stop")
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorIs(t, err, io.EOF)
}

func TestCloseEndsCallsInFlight(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, nil)
	came := make(chan bool)
	s.Handle("quit", func(*qmptest.Request) (any, error) { close(came); return nil, qmptest.ErrNoReply })
	result := make(chan error)
	go func() {
		_, err := run(limit(t), c, "quit")
		result <- err
	}()
	<-came
	require.NoError(t, c.Close())
	err := <-result
	require.ErrorIs(t, err, qmp.ErrOutcomeUnknown, "the server did not end the connection")
	require.ErrorIs(t, err, qmp.ErrClosed)
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestQuit(t *testing.T) {
	for name, end := range map[string]string{
		"reply":       `{"return": {}, "id": 1}` + "\r\n",
		"event":       `{"event": "SHUTDOWN", "data": {"guest": false, "reason": "host-qmp-quit"}}` + "\r\n",
		"EOF":         "",
		"cut reply":   `{"return": {}, "i`,
		"cut event":   `{"event": "SHUT`,
		"other reply": `{"return": {}, "id": 9}`,
	} {
		t.Run(name, func(t *testing.T) {
			c, p := connectPeer(t, nil)
			go func() {
				p.expect(`{"execute":"quit","id":1}`)
				p.write(end)
				_ = p.Close()
			}()
			_, err := run(limit(t), c, "quit")
			require.NoError(t, err)
			<-c.Done()
			require.Error(t, c.Err())
		})
	}
	t.Run("refused", func(t *testing.T) {
		s := qmptest.NewServer(t, unchecked)
		s.Expect("quit").Refuse(qmp.ErrGeneric, "no")
		_, err := run(limit(t), connect(t, s, nil), "quit")
		require.ErrorIs(t, err, qmp.ErrGeneric)
	})
	t.Run("garbage", func(t *testing.T) {
		c, p := connectPeer(t, nil)
		go func() {
			p.expect(`{"execute":"quit","id":1}`)
			p.write("bye")
		}()
		_, err := run(limit(t), c, "quit")
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
		require.ErrorAs(t, err, new(*qmp.ProtocolError))
	})
}

func TestCommandsWithoutReply(t *testing.T) {
	shutdown := func(ctx context.Context, c *qmp.Client) error {
		return c.Execute(ctx, &qmp.Call{Command: "guest-shutdown", NoReply: true})
	}
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, unchecked)
		s.Handle("guest-shutdown", func(*qmptest.Request) (any, error) { return nil, qmptest.ErrNoReply })
		c := connect(t, s, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		require.NoError(t, shutdown(ctx, c), "no error has come")
		require.Equal(t, time.Minute, time.Since(begin))

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		require.ErrorIs(t, shutdown(ctx, c), qmp.ErrOutcomeUnknown, "nobody has listened for long enough")

		time.AfterFunc(time.Second, s.Disconnect)
		require.NoError(t, shutdown(t.Context(), c))
		require.ErrorIs(t, shutdown(t.Context(), c), qmp.ErrNotSent)
	})
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, nil)
	s.Expect("guest-shutdown").Refuse(qmp.ErrGeneric, "frozen")
	require.ErrorIs(t, shutdown(limit(t), c), qmp.ErrGeneric)
	s.Expect("guest-shutdown")
	require.NoError(t, shutdown(limit(t), c))
}

func TestErrorsWithoutID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := connectPeer(t, nil)
		p.write(`{"error": {"class": "GenericError", "desc": "of nobody"}}`)
		synctest.Wait()
		go func() {
			p.expect(`{"execute":"a","id":1}`)
			p.write(`{"return": 0}` + `{"return": 0, "id": null}` + `{"return": 0, "id": 5}`)
			p.write(`{"error": {"class": "GenericError", "desc": "JSON parse error"}}`)
			p.expect(`{"execute":"b","id":2}`)
			p.write(`{"return": "a", "id": 1}` + `{"return": "b", "id": 2}`)
		}()
		_, err := run(t.Context(), c, "a")
		require.ErrorContains(t, err, "JSON parse error", "the error is for the command in flight")
		v, err := run(t.Context(), c, "b")
		require.NoError(t, err)
		require.Equal(t, `"b"`, v)
	})
}

func TestErrorWithoutIDIsForTheOldestCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := connectPeer(t, nil)
		results := make(chan string, 3)
		for i, command := range []string{"a", "b", "c"} {
			go func() {
				_, err := run(t.Context(), c, command)
				results <- command + ": " + fmt.Sprint(err)
			}()
			p.expect(fmt.Sprintf(`{"execute":%q,"id":%d}`, command, i+1))
			synctest.Wait()
		}
		p.write(`{"error": {"class": "GenericError", "desc": "first"}}`)
		require.Equal(t, "a: qmp: a: first", <-results)
		p.write(`{"return": {}, "id": 2}{"error": {"class": "GenericError", "desc": "last"}}`)
		require.ElementsMatch(t, []string{"b: <nil>", "c: qmp: c: last"}, []string{<-results, <-results})
	})
}

func TestCancellationKeepsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, unchecked)
		c := connect(t, s, nil)
		var slow []*qmptest.Request
		s.Handle("slow", func(r *qmptest.Request) (any, error) {
			slow = append(slow, r)
			return nil, qmptest.ErrNoReply
		})
		s.Handle("echo", func(r *qmptest.Request) (any, error) { return r.ID, nil })
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := run(ctx, c, "slow")
			cancel()
			require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotErrorIs(t, err, qmp.ErrNotSent)
		}
		// 1, 2 and 3 are in use.
		for _, want := range []string{"4", "5", "6", "7", "8", "9", "0", "4", "5"} {
			v, err := run(t.Context(), c, "echo")
			require.NoError(t, err)
			require.Equal(t, want, v)
		}
		slow[1].Reply("late")
		slow[1].Reply("late, and again")
		for _, want := range []string{"6", "7", "8", "9", "0", "4", "5", "2", "6"} {
			v, err := run(t.Context(), c, "echo")
			require.NoError(t, err)
			require.Equal(t, want, v)
		}
		slow[0].Refuse(qmp.ErrGeneric, "late")
		slow[2].Disconnect()
		<-c.Done()
	})
}

// TestQueuedCommandIsTakenBack: the server does not read, so the command is still queued when its
// context ends.
func TestQueuedCommandIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := connectPeer(t, nil)
		type result struct {
			command string
			err     error
		}
		results := make(chan result, 3)
		contexts := map[string]context.CancelFunc{}
		for _, command := range []string{"a", "b", "c"} {
			ctx, cancel := context.WithCancel(t.Context())
			contexts[command] = cancel
			go func() {
				_, err := run(ctx, c, command)
				results <- result{command, err}
			}()
			synctest.Wait()
		}
		contexts["b"]()
		r := <-results
		require.Equal(t, "b", r.command)
		require.ErrorIs(t, r.err, qmp.ErrNotSent)
		require.ErrorIs(t, r.err, context.Canceled)

		contexts["a"]() // is just being written
		r = <-results
		require.Equal(t, "a", r.command)
		require.ErrorIs(t, r.err, qmp.ErrOutcomeUnknown)

		p.expect(`{"execute":"a","id":1}{"execute":"c","id":3}`)
		p.write(`{"return": {}, "id": 1}{"return": {}, "id": 3}`)
		r = <-results
		require.Equal(t, "c", r.command)
		require.NoError(t, r.err)
		contexts["c"]()
	})
}

// TestCutRequestWasNotSent: the connection ends inside a request, which the server cannot have
// executed then.
func TestCutRequestWasNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := connectPeer(t, nil)
		go func() {
			p.expect(`{"execute":"device_add`)
			_ = p.Close()
		}()
		_, err := run(t.Context(), c, "device_add")
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.NotErrorIs(t, err, qmp.ErrOutcomeUnknown)
		<-c.Done()
	})
}

// TestManyGoroutines lets many goroutines use one client, some of which give up early, and
// checks that each gets its own reply.
func TestManyGoroutines(t *testing.T) {
	goroutines, calls := 200, 50
	if testing.Short() {
		goroutines = 20
	}
	for _, kind := range []string{"pipe", "socket"} {
		t.Run(kind, func(t *testing.T) {
			s := qmptest.NewServer(t, unchecked)
			c := connect(t, s, nil)
			if kind == "socket" { // which the server reads byte by byte
				c, calls = s.Dial(), 10
			}
			s.Handle("echo", func(r *qmptest.Request) (any, error) { return r.Arguments, nil })
			var group sync.WaitGroup
			for g := range goroutines {
				group.Go(func() {
					random := rand.New(rand.NewPCG(1, uint64(g)))
					for i := range calls {
						ctx, cancel := limit(t), func() {}
						if random.IntN(10) == 0 {
							ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(1000))*time.Microsecond)
						}
						want := qmp.Args{"g": g, "i": i, "pad": strings.Repeat("x", random.IntN(200))}
						got, err := qmp.Raw{Command: "echo", Args: want}.Do(ctx, c)
						cancel()
						if err != nil {
							if !errors.Is(err, context.DeadlineExceeded) {
								t.Error(err)
								return
							}
							continue
						}
						if string(got) != want.String() {
							t.Errorf("got %s, want %s", got, want)
							return
						}
					}
				})
			}
			group.Wait()
			require.NoError(t, c.Err())
			_, err := qmp.Raw{Command: "echo", Args: qmp.Args{"a": 1}}.Do(limit(t), c)
			require.NoError(t, err)
		})
	}
}

func TestReplyFasterThanTheWriter(t *testing.T) {
	// The server answers before the client's write has returned.
	synctest.Test(t, func(t *testing.T) {
		c, p := connectPeer(t, nil)
		go func() {
			p.expect(`{"execute":"a","id":1`)
			p.write(`{"return": 5, "id": 1}`)
			time.Sleep(time.Second)
			p.expect(`}`)
		}()
		v, err := run(t.Context(), c, "a")
		require.NoError(t, err)
		require.Equal(t, "5", v)
		time.Sleep(time.Minute)
	})
}

func TestDecodingStopsWithTheCall(t *testing.T) {
	// A large reply is decoded on the caller's goroutine, from memory that is its own.
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, nil)
	large := json.RawMessage(`"` + strings.Repeat("0123456789", 100_000) + `"`)
	s.Handle("large", func(*qmptest.Request) (any, error) { return large, nil })
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				v, err := run(limit(t), c, "large")
				if err != nil || v != string(large) {
					t.Errorf("%d bytes, %v", len(v), err)
				}
			}
		})
	}
	group.Wait()
}
