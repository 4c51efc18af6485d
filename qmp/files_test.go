//go:build linux

package qmp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// openFiles counts the descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries) - 1 // the folder itself
}

// sameFilesAfter runs f and checks that it leaves no descriptor behind, and closes none.
func sameFilesAfter(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	before := openFiles(t)
	require.True(t, t.Run("", f))
	require.Equal(t, before, openFiles(t))
}

// fileWith returns a file that holds a text.
func fileWith(t *testing.T, text string) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	_, err = f.WriteString(text)
	require.NoError(t, err)
	return f
}

// textOf reads all of a file, from its beginning.
func textOf(f *os.File) string {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<10))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestFilesGoWithTheCommand(t *testing.T) {
	sameFilesAfter(t, func(t *testing.T) {
		s := qmptest.NewServer(t, unchecked)
		c := s.Dial()
		take := func(r *qmptest.Request) (any, error) {
			text := ""
			for _, f := range r.Files {
				text += textOf(f) + ","
				if err := f.Close(); err != nil {
					return nil, err
				}
			}
			return text, nil
		}
		s.Handle("add-fd", take)
		s.Handle("stop", take)
		f, g := fileWith(t, "f"), fileWith(t, "g")
		for _, test := range []struct {
			command string
			want    string
			opts    []qmp.CallOption
		}{
			{"add-fd", `"f,"`, []qmp.CallOption{qmp.WithFile(f)}},
			{"stop", `""`, nil},
			{"add-fd", `"g,f,"`, []qmp.CallOption{qmp.WithFile(g), qmp.WithFile(f)}},
			{"stop", `"f,"`, []qmp.CallOption{qmp.WithFile(f)}},
			{"stop", `""`, nil},
		} {
			v, err := run(limit(t), c, test.command, test.opts...)
			require.NoError(t, err)
			require.Equal(t, test.want, v)
		}
		require.Equal(t, "f", textOf(f), "the caller's file is open")
	})
}

// TestFilesKeepTheirMode: the descriptor of a pipe stays in the runtime's poller.
func TestFilesKeepTheirMode(t *testing.T) {
	s := qmptest.NewServer(t, unchecked)
	s.Handle("getfd", func(*qmptest.Request) (any, error) { return nil, nil })
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	_, err = run(limit(t), s.Dial(), "getfd", qmp.WithFile(r))
	require.NoError(t, err)
	require.NoError(t, r.SetReadDeadline(time.Now()))
	_, err = r.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestFilesThatCannotBeSent(t *testing.T) {
	sameFilesAfter(t, func(t *testing.T) {
		s := qmptest.NewServer(t, unchecked)
		f := fileWith(t, "f")

		c := connect(t, s, nil)
		_, err := run(limit(t), c, "getfd", qmp.WithFile(f))
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.ErrorIs(t, err, errors.ErrUnsupported)

		c = s.Dial()
		closed := fileWith(t, "")
		require.NoError(t, closed.Close())
		for _, files := range [][]*os.File{{nil}, {closed}, {f, closed}, {f, nil}} {
			var opts []qmp.CallOption
			for _, f := range files {
				opts = append(opts, qmp.WithFile(f))
			}
			_, err = run(limit(t), c, "getfd", opts...)
			require.ErrorIs(t, err, qmp.ErrNotSent)
		}
		_, err = run(limit(t), c, "getfd", func(call *qmp.Call) { call.Files = make([]*os.File, 17) })
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.ErrorContains(t, err, "more than 16 files")
		require.Empty(t, s.Requests())

		s.Expect("getfd")
		_, err = run(limit(t), c, "getfd", qmp.WithFile(f))
		require.NoError(t, err, "the lock is free")
	})
}

// unixPeer returns a client on a socketpair, and the server's end.
func unixPeer(t *testing.T) (*qmp.Client, *net.UnixConn) {
	t.Helper()
	ends := qmp.SocketPair(t)
	p := &peer{ends[0], t}
	go p.negotiate()
	c, err := qmp.NewClient(limit(t), ends[1], nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(); _ = ends[0].Close() })
	return c, ends[0]
}

// receive reads what has come, and how many descriptors with it, which it closes.
func receive(t *testing.T, conn *net.UnixConn) (text string, files int) {
	b, oob := make([]byte, 1<<20), make([]byte, 1<<10)
	n, oobn, _, _, err := conn.ReadMsgUnix(b, oob)
	if err != nil {
		return "", 0
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	require.NoError(t, err)
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		require.NoError(t, err)
		for _, fd := range fds {
			require.NoError(t, unix.Close(fd))
			files++
		}
	}
	return string(b[:n]), files
}

// TestServerIsMadeToCloseWhatNoCommandTook looks at the wire.
func TestServerIsMadeToCloseWhatNoCommandTook(t *testing.T) {
	sameFilesAfter(t, func(t *testing.T) {
		c, server := unixPeer(t)
		f := fileWith(t, "f")
		result := make(chan error, 1)
		start := func(command string) {
			go func() {
				_, err := run(limit(t), c, command, qmp.WithFile(f), qmp.WithFile(f))
				result <- err
			}()
		}
		p := &peer{server, t}
		start("getfd")
		text, files := receive(t, server)
		require.Equal(t, `{"execute":"getfd","id":1}`, text)
		require.Equal(t, 2, files)
		p.write(`{"error": {"class": "GenericError", "desc": "Parameter 'fdname' is missing"}, "id": 1}`)
		require.ErrorIs(t, <-result, qmp.ErrGeneric)
		p.expect(`{"execute":"getfd","arguments":{"fdname":"0"},"id":2}`)

		// The next command with files waits for that; others do not.
		start("add-fd")
		other := make(chan error, 1)
		go func() {
			_, err := run(limit(t), c, "stop")
			other <- err
		}()
		p.expect(`{"execute":"stop","id":3}`)
		p.write(`{"return": {}, "id": 3}`)
		require.NoError(t, <-other)
		p.write(`{"error": {"class": "GenericError", "desc": "..."}, "id": 2}`)
		text, files = receive(t, server)
		require.Equal(t, `{"execute":"add-fd","id":4}`, text)
		require.Equal(t, 2, files)
		p.write(`{"return": {}, "id": 4}`)
		require.NoError(t, <-result)

		// A command that takes no files.
		start("cont")
		text, files = receive(t, server)
		require.Equal(t, `{"execute":"cont","id":5}`, text)
		require.Equal(t, 2, files)
		p.write(`{"return": {}, "id": 5}`)
		require.NoError(t, <-result)
		p.expect(`{"execute":"getfd","arguments":{"fdname":"0"},"id":6}`)

		// The connection ends while another waits.
		start("getfd")
		time.Sleep(10 * time.Millisecond)
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-result, qmp.ErrNotSent)
	})
}

// TestCancelledCommandKeepsTheLockOnFiles: only its late reply says that its files were taken.
func TestCancelledCommandKeepsTheLockOnFiles(t *testing.T) {
	sameFilesAfter(t, func(t *testing.T) {
		s := qmptest.NewServer(t, unchecked)
		c := s.Dial()
		f := fileWith(t, "f")
		came := make(chan *qmptest.Request, 1)
		s.Expect("getfd").Handle(func(r *qmptest.Request) (any, error) {
			came <- r
			return nil, qmptest.ErrNoReply
		})
		s.Expect("stop")
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() {
			_, err := run(ctx, c, "getfd", qmp.WithFile(f))
			result <- err
		}()
		slow := <-came
		cancel()
		err := <-result
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)

		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err = run(ctx, c, "add-fd", qmp.WithFile(f))
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()

		_, err = run(limit(t), c, "stop")
		require.NoError(t, err, "others do not wait")
		require.Len(t, s.Requests(), 2)

		slow.Reply(nil)
		s.Expect("add-fd")
		_, err = run(limit(t), c, "add-fd", qmp.WithFile(f))
		require.NoError(t, err)
	})
}

// TestLargeCommandWithFiles: the socket takes the command in several pieces.
func TestLargeCommandWithFiles(t *testing.T) {
	sameFilesAfter(t, func(t *testing.T) {
		c, server := unixPeer(t)
		f := fileWith(t, "f")
		large := strings.Repeat("x", 3<<20)
		result := make(chan error, 2)
		go func() {
			_, err := qmp.Raw{Command: "add-fd", Args: qmp.Args{"opaque": large}}.Do(limit(t), c, qmp.WithFile(f))
			result <- err
		}()
		want := `{"execute":"add-fd","arguments":{"opaque":"` + large + `"},"id":1}`
		var got bytes.Buffer
		files := 0
		for got.Len() < len(want) {
			if got.Len() == 0 {
				time.Sleep(20 * time.Millisecond) // the socket fills up
			}
			text, n := receive(t, server)
			if got.Len() == 0 {
				require.Equal(t, 1, n, "with the first byte")
			}
			files += n
			got.WriteString(text)
		}
		require.Equal(t, 1, files)
		require.True(t, want == got.String())
		(&peer{server, t}).write(`{"return": {}, "id": 1}`)
		require.NoError(t, <-result)
	})
}

// TestCommandWithFilesThatWaitsToBeWritten: the socket is full, so the command is taken back or
// sent later.
func TestCommandWithFilesThatWaitsToBeWritten(t *testing.T) {
	for _, takenBack := range []bool{true, false} {
		sameFilesAfter(t, func(t *testing.T) {
			c, server := unixPeer(t)
			f := fileWith(t, "f")
			result := make(chan error, 2)
			large := strings.Repeat("x", 3<<20)
			go func() {
				_, err := qmp.Raw{Command: "large", Args: qmp.Args{"a": large}}.Do(limit(t), c)
				result <- err
			}()
			var got bytes.Buffer
			_, err := io.CopyN(&got, server, 1) // it has begun, and is too large for the socket
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			withFile := make(chan error, 1)
			go func() {
				_, err := run(ctx, c, "getfd", qmp.WithFile(f))
				withFile <- err
			}()
			time.Sleep(10 * time.Millisecond) // the usual case is that it is queued now
			want := `{"execute":"large","arguments":{"a":"` + large + `"},"id":1}`
			if takenBack {
				cancel()
				require.ErrorIs(t, <-withFile, qmp.ErrNotSent)
			} else {
				want += `{"execute":"getfd","id":2}`
			}
			files := 0
			for got.Len() < len(want) {
				text, n := receive(t, server)
				files += n
				got.WriteString(text)
			}
			require.True(t, want == got.String())
			p := &peer{server, t}
			p.write(`{"return": {}, "id": 1}`)
			require.NoError(t, <-result)
			if !takenBack {
				require.Equal(t, 1, files)
				p.write(`{"return": {}, "id": 2}`)
				require.NoError(t, <-withFile)
			} else {
				require.Zero(t, files)
			}
			cancel()
		})
	}
}

// TestFilesAreNotMixedUp lets many goroutines send files, while others send commands without,
// and some give up.
func TestFilesAreNotMixedUp(t *testing.T) {
	sameFilesAfter(t, func(t *testing.T) {
		s := qmptest.NewServer(t, unchecked)
		c := s.Dial()
		s.Handle("stop", func(r *qmptest.Request) (any, error) { return len(r.Files), nil })
		s.Handle("getfd", func(r *qmptest.Request) (any, error) {
			var args struct{ Fdname string }
			if err := r.Decode(&args); err != nil {
				return nil, err
			}
			if len(r.Files) != 1 || textOf(r.Files[0]) != args.Fdname {
				t.Errorf("%s got %d files", args.Fdname, len(r.Files))
			}
			if strings.HasSuffix(args.Fdname, "3") {
				return nil, &qmp.Error{Class: qmp.ErrGeneric, Desc: "no"}
			}
			return nil, r.Files[0].Close()
		})
		var group sync.WaitGroup
		for i := range 20 {
			name := fmt.Sprintf("file%d", i)
			f := fileWith(t, name)
			group.Go(func() {
				for n := range 20 {
					ctx, cancel := context.WithTimeout(limit(t), 20*time.Second)
					if n%7 == 3 {
						time.AfterFunc(time.Duration(i)*100*time.Microsecond, cancel)
					}
					_, err := qmp.Raw{Command: "getfd", Args: qmp.Args{"fdname": name}}.Do(ctx, c, qmp.WithFile(f))
					cancel()
					if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, qmp.ErrGeneric) {
						t.Error(err)
					}
				}
			})
			group.Go(func() {
				for range 20 {
					v, err := run(limit(t), c, "stop")
					if err != nil || v != "0" {
						t.Error(v, err)
					}
				}
			})
		}
		group.Wait()
	})
}
