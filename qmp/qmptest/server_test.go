package qmptest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeTest is a test that fails without failing the real one.
type fakeTest struct {
	testing.TB
	ctx      context.Context
	cancel   context.CancelFunc
	cleanups []func()
	errors   []string
}

func newFakeTest(t *testing.T) *fakeTest {
	ctx, cancel := context.WithCancel(t.Context())
	return &fakeTest{TB: t, ctx: ctx, cancel: cancel}
}

func (f *fakeTest) Helper()                           {}
func (f *fakeTest) Context() context.Context          { return f.ctx }
func (f *fakeTest) Cleanup(c func())                  { f.cleanups = append(f.cleanups, c) }
func (f *fakeTest) Error(args ...any)                 { f.errors = append(f.errors, fmt.Sprint(args...)) }
func (f *fakeTest) Errorf(format string, args ...any) { f.Error(fmt.Sprintf(format, args...)) }

// end ends the test and returns what it failed with.
func (f *fakeTest) end() []string {
	f.cancel()
	for i := len(f.cleanups) - 1; i >= 0; i-- {
		f.cleanups[i]()
	}
	return f.errors
}

func run(t *testing.T, c *qmp.Client, command string, args qmp.Args, opts ...qmp.CallOption) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	v, err := qmp.Raw{Command: command, Args: args}.Do(ctx, c, opts...)
	return string(v), err
}

func TestScriptAndHandlers(t *testing.T) {
	s := qmptest.NewServer(t, &qmptest.Options{Unchecked: true})
	c := s.Dial()
	s.Expect("stop")
	s.Expect("query-status").Reply(map[string]any{"running": false})
	s.Expect("device_del").With(map[string]any{"id": "x"}).Refuse(qmp.ErrDeviceNotFound, "Device 'x' not found")
	s.Expect("cont").With(nil)
	s.Handle("query-name", func(*qmptest.Request) (any, error) { return map[string]string{"name": "vm1"}, nil })
	s.Handle("query-status", func(*qmptest.Request) (any, error) { return nil, errors.New("not in the script") })

	for _, step := range []struct {
		command string
		args    qmp.Args
		want    string
		err     string
	}{
		{"query-name", nil, `{"name":"vm1"}`, ""},
		{"query-status", nil, "", "qmp: query-status: not in the script"},
		{"stop", qmp.Args{"any": 1}, "{}", ""},
		{"query-status", nil, `{"running":false}`, ""},
		{"query-status", nil, "", "qmp: query-status: not in the script"},
		{"cont", nil, "", "qmp: cont: The command cont has not been found (CommandNotFound)"},
		{"device_del", qmp.Args{"id": "x"}, "", "qmp: device_del: Device 'x' not found (DeviceNotFound)"},
		{"cont", nil, "{}", ""},
	} {
		got, err := run(t, c, step.command, step.args)
		require.Equal(t, step.want, got)
		if step.err != "" {
			require.EqualError(t, err, step.err)
			continue
		}
		require.NoError(t, err)
	}
	requests := s.Requests()
	require.Len(t, requests, 8)
	require.Equal(t, "device_del", requests[6].Command)
	require.JSONEq(t, `{"id":"x"}`, string(requests[6].Arguments))
	require.Equal(t, json.RawMessage("7"), requests[6].ID)
	var wrong struct{ Name string }
	require.Error(t, requests[6].Decode(&wrong))
	require.NoError(t, requests[7].Decode(&wrong))
}

func TestFailures(t *testing.T) {
	fake := newFakeTest(t)
	s := qmptest.NewServer(fake, &qmptest.Options{Unchecked: true})
	c := s.Dial()
	s.Expect("device_add").With(map[string]any{"id": uint64(1) << 63})
	_, err := run(t, c, "device_add", qmp.Args{"id": uint64(1)<<63 + 1})
	require.ErrorIs(t, err, qmp.ErrGeneric)
	s.Expect("cont")
	s.Expect("device_del")
	_, err = run(t, c, "device_del", nil)
	require.ErrorIs(t, err, qmp.ErrCommandNotFound)
	s.Handle("stop", func(*qmptest.Request) (any, error) { return make(chan int), nil })
	_, err = run(t, c, "stop", nil)
	require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
	require.Equal(t, []string{
		`qmptest: device_add: the arguments are {"id":9223372036854775809}, want {"id":9223372036854775808}`,
		`qmptest: the value to send cannot be marshalled: json: unsupported type: chan int`,
		`qmptest: missing commands: cont, device_del; unexpected commands: device_del`,
	}, fake.end())
}

// TestCommandsInCleanups are answered, though the test's context has ended by then.
func TestCommandsInCleanups(t *testing.T) {
	fake := newFakeTest(t)
	s := qmptest.NewServer(fake, nil)
	s.Handle("stop", qmptest.Return(nil))
	c := s.Dial()
	var err error
	fake.Cleanup(func() { _, err = run(t, c, "stop", nil) })
	require.Empty(t, fake.end())
	require.NoError(t, err)
	require.Len(t, s.Requests(), 1)
}

func TestMissingCommandAlone(t *testing.T) {
	fake := newFakeTest(t)
	s := qmptest.NewServer(fake, nil)
	s.Expect("stop")
	require.Equal(t, []string{"qmptest: missing commands: stop"}, fake.end())
	_, err := s.Pipe().Write([]byte("x"))
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestGreeting(t *testing.T) {
	s := qmptest.NewServer(t, &qmptest.Options{
		Version:      qmp.Version{Major: 7, Minor: 2, Micro: 1, Package: "p"},
		Capabilities: []string{},
	})
	c, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, qmp.Version{Major: 7, Minor: 2, Micro: 1, Package: "p"}, c.Version())
	require.Empty(t, c.Capabilities())
}

// exchange writes a request by hand and returns the line that answers it.
func exchange(t *testing.T, conn net.Conn, request string) string {
	t.Helper()
	_, err := conn.Write([]byte(request))
	require.NoError(t, err)
	return readLine(t, conn)
}

func readLine(t *testing.T, conn net.Conn) string {
	t.Helper()
	var line []byte
	for b := []byte{0}; ; line = append(line, b[0]) {
		if _, err := conn.Read(b); err != nil || b[0] == '\n' {
			return strings.TrimSuffix(string(line), "\r")
		}
	}
}

// TestSession does what other clients than package qmp's may do.
func TestSession(t *testing.T) {
	s := qmptest.NewServer(t, &qmptest.Options{Unchecked: true})
	conn, err := net.Dial("unix", s.Addr())
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(greeted), readLine(t, conn))
	s.Event("STOP", nil) // too early
	for _, test := range [][2]string{
		{`{"execute":"stop"}`,
			`{"error":{"class":"CommandNotFound","desc":"Expecting capabilities negotiation with 'qmp_capabilities'"}}`},
		{`{"execute":"qmp_capabilities","arguments":{"enable":["x"]},"id":"a"}`,
			`{"id":"a","error":{"class":"GenericError","desc":"Parameter 'null' does not accept value 'x'"}}`},
		{`{"execute":"qmp_capabilities","arguments":{"y":1}}`,
			`{"error":{"class":"GenericError","desc":"Parameter 'y' is unexpected"}}`},
		{`{"execute":"qmp_capabilities","arguments":{"enable":["oob"]},"id":{}}`, `{"return":{},"id":{}}`},
		{`{"execute":"qmp_capabilities"}`,
			`{"error":{"class":"CommandNotFound","desc":"Capabilities negotiation is already complete, command ignored"}}`},
		{`[1]`, `{"error":{"class":"GenericError","desc":"QMP input must be a JSON object"}}`},
		{`{"id":1}`, `{"id":1,"error":{"class":"GenericError","desc":"QMP input lacks member 'execute'"}}`},
		{`{"execute":"getfd","arguments":{"fdname":"0"}}`,
			`{"error":{"class":"GenericError","desc":"No file descriptor supplied via SCM_RIGHTS"}}`},
	} {
		require.Equal(t, test[1], exchange(t, conn, test[0]), test[0])
	}
	require.Empty(t, s.Requests())
	s.Expect("yank")
	require.Equal(t, `{"return":{},"id":2}`, exchange(t, conn, ` {"exec-oob" : "yank", "id" : 2}`))
	require.True(t, s.Requests()[0].OOB)

	// A second client is not greeted before the first has left.
	second, err := net.Dial("unix", s.Addr())
	require.NoError(t, err)
	defer second.Close()
	require.NoError(t, second.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err = second.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)

	require.NoError(t, conn.Close())
	require.NoError(t, second.SetReadDeadline(time.Time{}))
	require.Contains(t, readLine(t, second), "QMP")
}

func TestEventsWaitForNegotiation(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Event("STOP", nil) // nobody is there
	for range 50 {
		c, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
		require.NoError(t, err)
		events := c.Events()
		s.Event("STOP", map[string]int{"n": 1}) // arrives, however early
		e, err := events.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, `{"n":1}`, e.Data.String())
		require.NoError(t, c.Close())
	}
}

func TestFaults(t *testing.T) {
	s := qmptest.NewServer(t, &qmptest.Options{NoGreeting: true})
	s.Write([]byte("to nobody"))
	s.Disconnect()
	conn := s.Pipe()
	go s.Write([]byte("QEMU monitor\r\n"))
	_, err := qmp.NewClient(t.Context(), conn, nil)
	require.ErrorAs(t, err, new(*qmp.ProtocolError))
}

func TestTimeInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := qmptest.NewServer(t, nil)
		c, err := qmp.NewClient(t.Context(), s.Pipe(), nil)
		require.NoError(t, err)
		defer c.Close()
		s.Expect("stop").Handle(func(*qmptest.Request) (any, error) {
			time.Sleep(time.Hour)
			return nil, nil
		})
		begin := time.Now()
		_, err = qmp.Raw{Command: "stop"}.Do(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, time.Hour, time.Since(begin))
	})
}

func TestFiles(t *testing.T) {
	if !filesCanBeSent {
		t.Skip("this platform cannot send descriptors")
	}
	s := qmptest.NewServer(t, nil)
	c := s.Dial()
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer f.Close()
	s.Expect("add-fd").Handle(func(r *qmptest.Request) (any, error) {
		if len(r.Files) != 1 {
			return nil, fmt.Errorf("%d files", len(r.Files))
		}
		_, err := r.Files[0].WriteString("from the server")
		return nil, err
	})
	_, err = run(t, c, "add-fd", nil, qmp.WithFile(f))
	require.NoError(t, err)
	b, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Equal(t, "from the server", string(b))
}
