package qmp_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// setPassword is a request with a secret, as generated code has them.
type setPassword struct{ Protocol, Password string }

func (v *setPassword) EncodeMembers(e *wire.Encoder) {
	e.Name("protocol").String(v.Protocol)
	e.Name("password").Secret(v.Password)
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// TestLog also shows that *slog.Logger is a Logger.
func TestLog(t *testing.T) {
	var out lockedBuffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := qmptest.NewServer(t, unchecked)
	s.Expect("set_password").With(args{"protocol": "vnc", "password": "hunter2"})
	s.Expect("quit").Handle(func(r *qmptest.Request) (any, error) { r.Disconnect(); return nil, nil })
	c := connect(t, s, &qmp.Options{Logger: logger})
	call := &qmp.Call{Command: "set_password", Args: &setPassword{"vnc", "hunter2"}}
	require.NoError(t, c.Execute(limit(t), call))
	_, err := run(limit(t), c, "nonsense")
	require.ErrorIs(t, err, qmp.ErrCommandNotFound)
	s.Write([]byte(greeting + `{"return": {}, "id": 77}{"news": {}}`))
	_, err = run(limit(t), c, "quit")
	require.NoError(t, err)
	<-c.Done()
	require.ErrorIs(t, c.Err(), io.EOF)

	text := out.b.String()
	require.NotContains(t, text, "hunter2")
	for _, want := range []string{
		`msg="qmp: command" command=set_password arguments="{\"protocol\":\"vnc\",\"password\":\"***\"}"`,
		`msg="qmp: command ended" command=set_password error=<nil>`,
		`msg="qmp: command ended" command=nonsense error="qmp: nonsense: The command nonsense has not been found`,
		`msg="qmp: message dropped" why="not expected" id=""`,
		`msg="qmp: message dropped" why="a reply to no command" id=77`,
		`msg="qmp: connection ended" error="qmp: the server closed the connection: EOF"`,
	} {
		require.Contains(t, text, want)
	}
}

// TestLogOfRaw hides all arguments, because each may be a secret.
func TestLogOfRaw(t *testing.T) {
	var out lockedBuffer
	s := qmptest.NewServer(t, unchecked)
	s.Expect("set_password").With(args{"protocol": "vnc", "password": "hunter2"})
	c := connect(t, s, &qmp.Options{
		Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	raw := qmp.Raw{Command: "set_password", Args: qmp.Args{"protocol": "vnc", "password": "hunter2"}}
	_, err := raw.Do(limit(t), c)
	require.NoError(t, err)
	require.Contains(t, out.b.String(), `arguments="{\"password\":\"***\",\"protocol\":\"***\"}"`)
}

// TestLogContext: the logger gets the context of the call.
func TestLogContext(t *testing.T) {
	type key struct{}
	got := make(chan any, 10)
	s := qmptest.NewServer(t, unchecked)
	s.Expect("stop")
	c := connect(t, s, &qmp.Options{Logger: loggerFunc(func(ctx context.Context, msg string, _ ...any) {
		if strings.HasPrefix(msg, "qmp: command") && ctx.Value(key{}) != nil {
			got <- ctx.Value(key{})
		}
	})})
	_, err := run(context.WithValue(limit(t), key{}, "trace"), c, "stop")
	require.NoError(t, err)
	require.Equal(t, "trace", <-got)
	require.Equal(t, "trace", <-got)
}

type loggerFunc func(context.Context, string, ...any)

func (f loggerFunc) DebugContext(ctx context.Context, msg string, args ...any) { f(ctx, msg, args...) }
