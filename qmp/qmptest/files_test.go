//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package qmptest_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

const noFile = "No file descriptor supplied via SCM_RIGHTS"

// filesSession is commands with files, and whether they succeed.
var filesSession = []struct {
	input string
	files int
	want  []string // "ok", or what is wrong
}{
	{`{"execute":"getfd","arguments":{"fdname":"x"}}`, 0, []string{noFile}},
	{`{"execute":"getfd","arguments":{"fdname":"x"}}`, 1, []string{"ok"}},
	{`{"execute":"add-fd"}`, 3, []string{"ok"}}, // takes the first, and the others are closed
	{`{"execute":"add-fd"}`, 0, []string{noFile}},
	{`{"execute":"query-name"}`, 2, []string{"ok"}}, // pending
	{`{"execute":"query-name"}`, 0, []string{"ok"}},
	{`{"execute":"add-fd"}`, 0, []string{"ok"}},
	{`{"execute":"add-fd"}`, 0, []string{noFile}},
	{`{"execute":"query-name"}`, 1, []string{"ok"}},
	{`{"execute":"query-name"}`, 2, []string{"ok"}}, // in place of the one before
	{`{"execute":"getfd","arguments":{"fdname":"x"}}`, 0, []string{"ok"}},
	{`garbage `, 1, []string{"JSON parse error, invalid keyword 'garbage'"}},
	{`{"execute":"add-fd"}`, 0, []string{"ok"}},
	{`{"execute":"getfd"}`, 1, []string{"Parameter 'fdname' is missing"}}, // refused: still pending
	{`{"execute":"getfd","arguments":{"fdname":"x"}}`, 0, []string{"ok"}},
	{`{"execute":"query-name"}{"execute":"add-fd"}{"execute":"add-fd"}`, 1, []string{"ok", "ok", noFile}},
	{`{"execute":"query-name"}`, 1, []string{"ok"}},
	{`{"execute":"getfd","arguments":{"fdname":"0"}}`, 0, []string{"Parameter 'fdname' expects a name not starting with a digit"}},
	{`{"execute":"getfd","arguments":{"fdname":"0"}}`, 0, []string{noFile}},
	{`{"execute":"query-name"}`, 16, []string{"ok"}},
}

// checkFiles runs the session.
func checkFiles(t *testing.T, path string) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	d := json.NewDecoder(conn)
	require.NoError(t, d.Decode(new(any)), "the greeting")
	sendWithFiles(t, conn, `{"execute":"qmp_capabilities","id":"end"}`, 0)
	answers(t, d)
	for i, test := range filesSession {
		sendWithFiles(t, conn, test.input, test.files)
		sendWithFiles(t, conn, `{"execute":"query-name","id":"end"}`, 0)
		var got []string
		for _, a := range answers(t, d) {
			if a.Return != nil {
				got = append(got, "ok")
				continue
			}
			got = append(got, a.Error.Desc)
		}
		require.Equal(t, test.want, got, "%d: %s", i, test.input)
	}
}

func sendWithFiles(t *testing.T, conn *net.UnixConn, text string, files int) {
	t.Helper()
	var fds []int
	for range files {
		f, err := os.Open(os.DevNull)
		require.NoError(t, err)
		defer f.Close()
		fds = append(fds, int(f.Fd()))
	}
	_, _, err := conn.WriteMsgUnix([]byte(text), unix.UnixRights(fds...), nil)
	require.NoError(t, err)
}

// TestPendingFiles also checks that no file is left open when the test has ended.
func TestPendingFiles(t *testing.T) {
	qemutest.CheckFds(t)
	s := qmptest.NewServer(t, &qmptest.Options{Schema: snapshot(t, schema.QEMU)})
	s.Handle("query-name", qmptest.Return(nil))
	take := func(r *qmptest.Request) (any, error) {
		if len(r.Files) == 0 {
			return nil, &qmp.Error{Class: qmp.ErrGeneric, Desc: noFile}
		}
		return nil, r.Files[0].Close()
	}
	s.Handle("getfd", take)
	s.Handle("add-fd", take)
	checkFiles(t, s.Addr())
	var counts []int
	for _, r := range s.Requests() {
		counts = append(counts, len(r.Files))
	}
	require.Contains(t, counts, 3)
	require.Contains(t, counts, 16)
}

func TestPendingFilesAsQEMU(t *testing.T) {
	qemutest.Run(t, []string{"7.2", "10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		checkFiles(t, q.Start(t, qemutest.Config{}).Socket())
	})
}

// TestFilesWithRefusedInput are closed when others come, and when the client leaves.
func TestFilesWithRefusedInput(t *testing.T) {
	qemutest.CheckFds(t)
	s := qmptest.NewServer(t, nil)
	s.Handle("query-name", qmptest.Return(nil))
	left, err := os.Create(filepath.Join(t.TempDir(), "left"))
	require.NoError(t, err)
	defer left.Close()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.Addr(), Net: "unix"})
	require.NoError(t, err)
	d := json.NewDecoder(conn)
	require.NoError(t, d.Decode(new(any)), "the greeting")
	_, _, err = conn.WriteMsgUnix([]byte("garbage "), unix.UnixRights(int(left.Fd())), nil)
	require.NoError(t, err)
	require.NoError(t, d.Decode(new(any)), "the error")
	require.Equal(t, 2, openFor(t, left))
	sendWithFiles(t, conn, "garbage ", 1)
	require.NoError(t, d.Decode(new(any)), "the error")
	require.Eventually(t, func() bool { return openFor(t, left) == 1 }, time.Minute, time.Millisecond)
	require.NoError(t, conn.Close())
}

// openFor counts the descriptors of this process for a file.
func openFor(t *testing.T, f *os.File) (n int) {
	t.Helper()
	var want unix.Stat_t
	require.NoError(t, unix.Fstat(int(f.Fd()), &want))
	for fd := range 1024 {
		var got unix.Stat_t
		if unix.Fstat(fd, &got) == nil && got.Ino == want.Ino && got.Dev == want.Dev {
			n++
		}
	}
	return n
}
