package qmptest_test

import (
	"context"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// badJSON cannot be marshalled: it does not return.
type badJSON func()

func (f badJSON) MarshalJSON() ([]byte, error) { f(); return nil, nil }

// badWriter is a fault that fails when the server writes.
type badWriter struct {
	io.WriteCloser
	fail func()
}

func (w badWriter) Write([]byte) (int, error) { w.fail(); return 0, nil }

// TestFunctionsOfTheTestThatDoNotReturn: the test fails, the client does not wait, and the server
// serves the next one.
func TestFunctionsOfTheTestThatDoNotReturn(t *testing.T) {
	for way, fail := range map[string]func(){
		" panicked: no; the connection ends":                                                func() { panic("no") },
		" ended its goroutine (runtime.Goexit, which t.FailNow calls); the connection ends": runtime.Goexit,
	} {
		handler := func(*qmptest.Request) (any, error) { fail(); return nil, nil }
		for name, c := range map[string]struct {
			prepare func(s *qmptest.Server)
			blamed  string
			greets  bool // the first client gets as far as the command
		}{
			"handler":     {func(s *qmptest.Server) { s.Handle("a", handler) }, "the handler of a, or sending its answer,", true},
			"script":      {func(s *qmptest.Server) { s.Expect("a").Handle(handler) }, "the handler of a, or sending its answer,", true},
			"negotiation": {func(s *qmptest.Server) { s.Handle("qmp_capabilities", handler) }, "the handler of qmp_capabilities, or sending its answer,", false},
			"result": {func(s *qmptest.Server) { s.Handle("a", qmptest.Return(badJSON(fail))) },
				"the handler of a, or sending its answer,", true},
			"arguments": {func(s *qmptest.Server) { s.Expect("a").With(badJSON(fail)) }, "the handler of a, or sending its answer,", true},
			"fault": {func(s *qmptest.Server) {
				s.SetFaults(func(io.WriteCloser) io.WriteCloser { fail(); return nil })
			}, "a fault", false},
			"writer": {func(s *qmptest.Server) {
				s.SetFaults(func(out io.WriteCloser) io.WriteCloser { return badWriter{out, fail} })
			}, "greeting a client", false},
		} {
			t.Run(name+way[:6], func(t *testing.T) {
				fake := newFakeTest(t)
				s := qmptest.NewServer(fake, nil)
				c.prepare(s)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				client, err := qmp.Dial(ctx, s.Addr(), nil)
				if c.greets {
					require.NoError(t, err)
					_, err = run(t, client, "a", nil)
					require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
					require.NoError(t, client.Close())
				}
				require.ErrorIs(t, err, io.EOF)

				s.SetFaults()
				s.Handle("qmp_capabilities", qmptest.Handler(func(*qmptest.Request) (any, error) { return nil, nil }))
				s.Handle("b", qmptest.Return(nil))
				client, err = qmp.Dial(ctx, s.Addr(), nil)
				require.NoError(t, err)
				_, err = run(t, client, "b", nil)
				require.NoError(t, err)
				require.NoError(t, client.Close())
				failed := fake.end()
				require.Len(t, failed, 1)
				require.Contains(t, failed[0], "qmptest: "+c.blamed+way)
			})
		}
	}
}
