package qmptest_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

func TestReplyWrappers(t *testing.T) {
	for name, test := range map[string]struct {
		handler qmptest.Handler
		want    []string
	}{
		"return":        {qmptest.Return(1), []string{`{"return":1,"id":7}`}},
		"refuse":        {qmptest.Refuse("X", "y"), []string{`{"id":7,"error":{"class":"X","desc":"y"}}`}},
		"no reply":      {qmptest.NoReply, nil},
		"hang":          {qmptest.Hang, nil},
		"twice":         {qmptest.Twice(qmptest.Return(nil)), []string{`{"return":{},"id":7}`, `{"return":{},"id":7}`}},
		"without id":    {qmptest.WithoutID(qmptest.Refuse("X", "y")), []string{`{"error":{"class":"X","desc":"y"}}`}},
		"twice without": {qmptest.Twice(qmptest.WithoutID(qmptest.Return(1))), []string{`{"return":1}`}},
		"without twice": {qmptest.WithoutID(qmptest.Twice(qmptest.Return(1))), []string{`{"return":1}`, `{"return":1}`}},
	} {
		for _, style := range []string{"script", "handler"} {
			t.Run(name+" "+style, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := qmptest.NewServer(t, nil)
					if style == "script" {
						s.Expect("x").Handle(test.handler)
					} else {
						s.Handle("x", test.handler)
					}
					conn := session(t, s)
					write(t, conn, `{"execute":"x","id":7}`)
					var got []string
					for _, text := range chunks(t, conn) {
						got = append(got, strings.TrimSuffix(text, "\r\n"))
					}
					require.Equal(t, test.want, got)
				})
			})
		}
	}
}

// TestHangingServer: the server does not read, so on a pipe the client cannot write.
func TestHangingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, nil)
		s.Handle("stop", qmptest.Hang)
		conn := session(t, s)
		write(t, conn, `{"execute":"stop"}`)
		require.NoError(t, conn.SetWriteDeadline(time.Now().Add(time.Hour)))
		n, err := conn.Write([]byte(`{"execute":"stop"}`))
		require.Zero(t, n)
		require.Error(t, err)
		s.Disconnect()
		_, err = conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	})
}

// TestDisconnect: the server does not send the handler's answer, and does not execute later
// commands.
func TestDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, nil)
		s.Expect("quit").Handle(func(r *qmptest.Request) (any, error) {
			r.Disconnect()
			require.Error(t, r.Context().Err())
			return nil, nil
		})
		s.Handle("stop", qmptest.Return(nil))
		conn := session(t, s)
		write(t, conn, `{"execute":"quit"}{"execute":"stop"}`)
		_, err := conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		synctest.Wait()
		require.Len(t, s.Requests(), 1)
	})
}

// TestDelay: the delay takes no time in a bubble, and ends with the connection.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, nil)
		s.Handle("stop", qmptest.Delay(time.Hour, qmptest.Return(nil)))
		c, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
		require.NoError(t, err)
		defer c.Close()
		begin := time.Now()
		_, err = qmp.Raw{Command: "stop"}.Do(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, time.Hour, time.Since(begin))

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = qmp.Raw{Command: "stop"}.Do(ctx, c)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		s.Disconnect()
		synctest.Wait()
		require.Equal(t, time.Hour+time.Minute, time.Since(begin))
	})
}

func TestNegotiationHandler(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Handle("qmp_capabilities", qmptest.Refuse(qmp.ErrGeneric, "not today"))
	_, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
	require.ErrorContains(t, err, "not today")
	s.Handle("qmp_capabilities", qmptest.Return(nil))
	c, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, nil)
		s.Handle("qmp_capabilities", qmptest.Hang)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := qmp.NewClient(ctx, s.Pipe(), nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestPretty(t *testing.T) {
	s := qmptest.NewServer(t, &qmptest.Options{Pretty: true})
	s.Handle("query-name", qmptest.Return(map[string]string{"name": "vm"}))
	conn := dialers(t)["socket"](s)
	d := json.NewDecoder(conn)
	var greeting json.RawMessage
	require.NoError(t, d.Decode(&greeting))
	require.Contains(t, string(greeting), "{\r\n    \"QMP\": {\r\n        \"version\": {\r\n")
	require.NoError(t, conn.Close())
	value, err := run(t, s.Dial(), "query-name", nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"vm"}`, value)
}
