package qmptest_test

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// greeted is the greeting of a server with the default options.
var greeted = func() string {
	text, err := os.ReadFile("schemas/VERSION")
	if err != nil {
		panic(err)
	}
	v := strings.Split(strings.TrimSpace(string(text)), ".")
	return `{"QMP":{"version":{"qemu":{"micro":` + v[2] + `,"minor":` + v[1] + `,"major":` + v[0] + `},"package":""},"capabilities":["oob"]}}` + "\r\n"
}()

// chunks returns what a pipe brings, as it was written, until it ends or nothing more comes.
func chunks(t *testing.T, conn net.Conn) (all []string) {
	t.Helper()
	for {
		_ = conn.SetReadDeadline(time.Now().Add(time.Second)) // fails once the server has left
		b := make([]byte, 4096)
		n, err := conn.Read(b)
		if err != nil {
			return all
		}
		all = append(all, string(b[:n]))
	}
}

func TestFaultsOfTheStream(t *testing.T) {
	for name, test := range map[string]struct {
		faults []qmptest.Fault
		want   []string
	}{
		"none":     {nil, []string{greeted, "hello", "world"}},
		"split":    {[]qmptest.Fault{qmptest.Split(60)}, []string{greeted[:60], greeted[60:], "hello", "world"}},
		"split at": {[]qmptest.Fault{qmptest.SplitAt(0, 1, len(greeted)+2, 5000)}, []string{greeted[:1], greeted[1:], "he", "llo", "world"}},
		"before":   {[]qmptest.Fault{qmptest.Insert(0, []byte("#"))}, []string{"#" + greeted, "hello", "world"}},
		"inside": {[]qmptest.Fault{qmptest.Insert(len(greeted)+1, []byte("#")), qmptest.Insert(len(greeted)+6, []byte("!"))},
			[]string{greeted, "h#ello", "!world"}},
		"cut at once":   {[]qmptest.Fault{qmptest.Cut(0)}, nil},
		"cut":           {[]qmptest.Fault{qmptest.Cut(3)}, []string{greeted[:3]}},
		"cut behind":    {[]qmptest.Fault{qmptest.Cut(len(greeted))}, []string{greeted}},
		"cut later":     {[]qmptest.Fault{qmptest.Cut(len(greeted) + 7)}, []string{greeted, "hello", "wo"}},
		"lag":           {[]qmptest.Fault{qmptest.Lag(10 * time.Millisecond)}, []string{greeted, "hello", "world"}},
		"in this order": {[]qmptest.Fault{qmptest.Insert(1, []byte("#")), qmptest.SplitAt(1, 2)}, []string{greeted[:1], "#", greeted[1:], "hello", "world"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := qmptest.NewServer(t, &qmptest.Options{Faults: test.faults})
				conn := s.Pipe()
				written := make(chan struct{})
				go func() {
					defer close(written)
					time.Sleep(100 * time.Millisecond) // of the bubble: the greeting is there
					s.Write([]byte("hello"))
					s.Write([]byte("world"))
				}()
				require.Equal(t, test.want, chunks(t, conn))
				<-written
			})
		})
	}
}

// TestEndOfFileAtEveryByte: if the connection is cut at any byte, the client fails and does not
// hang.
func TestEndOfFileAtEveryByte(t *testing.T) {
	for _, pieces := range []int{1, 1000} {
		failures := 0
		for n := 0; ; n++ {
			s := qmptest.NewServer(t, &qmptest.Options{Faults: []qmptest.Fault{qmptest.Cut(n), qmptest.Split(pieces)}})
			s.Handle("query-name", qmptest.Return(map[string]string{"name": "vm"}))
			conn, err := net.Dial("unix", s.Addr())
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			c, err := qmp.NewClient(ctx, conn, nil)
			if err == nil {
				_, err = qmp.Raw{Command: "query-name"}.Do(ctx, c)
				_ = c.Close()
			}
			require.NoError(t, ctx.Err(), "byte %d", n)
			cancel()
			if err == nil {
				break
			}
			failures++
		}
		// A client may take an answer whose last bytes, CR and LF, have not come.
		want := len(greeted) + len(`{"return":{},"id":0}`+"\r\n") + len(`{"return":{"name":"vm"},"id":1}`)
		require.Equal(t, want, failures)
	}
}

func TestSetFaults(t *testing.T) {
	s := qmptest.NewServer(t, &qmptest.Options{Faults: []qmptest.Fault{qmptest.Cut(5)}})
	_, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
	require.Error(t, err)
	s.SetFaults()
	c, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

// TestEndWhileLagging does not wait for the time to be over.
func TestEndWhileLagging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeTest(t)
		s := qmptest.NewServer(fake, &qmptest.Options{Faults: []qmptest.Fault{qmptest.Lag(time.Hour)}})
		s.Pipe()
		synctest.Wait()
		begin := time.Now()
		require.Empty(t, fake.end())
		require.Zero(t, time.Since(begin))
	})
}

// session begins a session by hand in a bubble.
func session(t *testing.T, s *qmptest.Server) net.Conn {
	t.Helper()
	conn := s.Pipe()
	require.Equal(t, strings.TrimSpace(greeted), readLine(t, conn))
	require.Equal(t, `{"return":{}}`, exchange(t, conn, `{"execute":"qmp_capabilities"}`))
	return conn
}

func write(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_, err := conn.Write([]byte(text))
	require.NoError(t, err)
}

func TestMergeAndReverse(t *testing.T) {
	const one, two, three = `{"return":1,"id":1}` + "\r\n", `{"return":2,"id":2}` + "\r\n", `{"return":3,"id":3}` + "\r\n"
	for name, test := range map[string]struct {
		gather func(*qmptest.Server)
		want   []string
	}{
		"as ever": {func(*qmptest.Server) {}, []string{one, two, three}},
		"merged":  {func(s *qmptest.Server) { s.Merge(2) }, []string{one + two, three}},
		"all":     {func(s *qmptest.Server) { s.Merge(3) }, []string{one + two + three}},
		"one":     {func(s *qmptest.Server) { s.Merge(1) }, []string{one, two, three}},
		"reverse": {func(s *qmptest.Server) { s.Reverse(3) }, []string{three, two, one}},
		"too few": {func(s *qmptest.Server) { s.Merge(4) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := qmptest.NewServer(t, nil)
				test.gather(s) // nobody is there: nothing happens
				s.Handle("id", func(r *qmptest.Request) (any, error) { return r.ID, nil })
				conn := session(t, s)
				test.gather(s)
				write(t, conn, `{"execute":"id","id":1}{"execute":"id","id":2}{"execute":"id","id":3}`)
				require.Equal(t, test.want, chunks(t, conn))
				if test.want == nil {
					go s.Merge(0)
					require.Equal(t, []string{one + two + three}, chunks(t, conn))
				}
			})
		})
	}
}

// TestEventWithReply comes in one piece.
func TestEventWithReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, nil)
		s.Expect("stop").Handle(func(*qmptest.Request) (any, error) {
			s.Merge(2)
			s.EventAt(time.Time{}, "STOP", nil)
			return nil, nil
		})
		conn := session(t, s)
		write(t, conn, `{"execute":"stop"}`)
		require.Equal(t, []string{
			`{"timestamp":{"seconds":-1,"microseconds":-1},"event":"STOP"}` + "\r\n" + `{"return":{}}` + "\r\n",
		}, chunks(t, conn))
	})
}

func TestGreetings(t *testing.T) {
	s := qmptest.NewServer(t, &qmptest.Options{
		NoGreeting: true,
		Faults:     []qmptest.Fault{qmptest.Insert(0, []byte(`{"event":"RESUME","timestamp":{"seconds":1,"microseconds":2}}`+"\r\n"))},
	})
	s.Greet() // nobody is there
	conn := s.Pipe()
	go func() {
		s.Greet()
		s.Greet()
	}()
	c, err := qmp.NewClient(t.Context(), conn, nil)
	require.NoError(t, err)
	require.NotZero(t, c.Version())
	require.NoError(t, c.Close())
}
