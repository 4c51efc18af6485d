package guestagent_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
)

// TestFiles reads and writes files in all modes.
func TestFiles(t *testing.T) {
	onHost(t, func(t *testing.T, s *qemutest.Server, agent *guestagent.Agent) {
		ctx := limit(t)
		before, err := s.Fds()
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "file")
		data := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
		require.NoError(t, agent.WriteFile(ctx, path, data, 0o640))
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.EqualValues(t, 0o640, info.Mode().Perm())
		got, err := agent.ReadFile(ctx, path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got))

		f, err := agent.Open(ctx, path, os.O_RDWR)
		require.NoError(t, err)
		require.Equal(t, path, f.Name())
		at, err := f.Seek(-3, io.SeekEnd)
		require.NoError(t, err)
		require.EqualValues(t, len(data)-3, at)
		part := make([]byte, 10)
		n, err := io.ReadFull(f, part)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, "def", string(part[:n]))
		n, err = f.ReadAt(part, 5)
		require.NoError(t, err)
		require.Equal(t, "56789abcde", string(part[:n]))
		_, err = f.Write([]byte("XY")) // at the end, where Read was
		require.NoError(t, err)
		_, err = f.Seek(2, io.SeekStart)
		require.NoError(t, err)
		at, err = f.Seek(1, io.SeekCurrent)
		require.NoError(t, err)
		require.EqualValues(t, 3, at)
		_, err = f.Write([]byte("!"))
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		written, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "012!", string(written[:4]))
		require.Equal(t, "XY", string(written[len(data):]))
		for _, bad := range []func() error{
			func() error { _, err := f.Seek(-1, io.SeekStart); return err },
			func() error { _, err := f.Seek(0, 7); return err },
			func() error { _, err := f.ReadAt(part, -1); return err },
		} {
			require.Error(t, bad())
		}
		n, err = f.Read(nil)
		require.NoError(t, err)
		require.Zero(t, n)
		require.NoError(t, f.Close())
		for _, use := range []func() error{
			f.Close, f.Sync,
			func() error { _, err := f.Read(part); return err },
			func() error { _, err := f.Write(part); return err },
			func() error { _, err := f.Seek(0, io.SeekStart); return err },
		} {
			require.ErrorIs(t, use(), fs.ErrClosed)
		}

		f, err = agent.Open(ctx, path, os.O_WRONLY|os.O_CREATE|os.O_APPEND)
		require.NoError(t, err)
		_, err = f.Write([]byte("Z"))
		require.NoError(t, err)
		require.NoError(t, f.Close())
		f, err = agent.Create(ctx, path+"2")
		require.NoError(t, err)
		_, err = f.Write([]byte("new"))
		require.NoError(t, err)
		_, err = f.Seek(0, io.SeekStart)
		require.NoError(t, err)
		all, err := io.ReadAll(f)
		require.NoError(t, err)
		require.Equal(t, "new", string(all))
		require.NoError(t, f.Close())
		got, err = agent.ReadFile(ctx, path)
		require.NoError(t, err)
		require.Equal(t, "XYZ", string(got[len(data):]))

		_, err = agent.Open(ctx, path+"3", os.O_RDONLY)
		require.ErrorIs(t, err, qmp.ErrGeneric)
		_, err = agent.Open(ctx, path+"3", os.O_RDWR|os.O_CREATE|os.O_EXCL)
		require.ErrorContains(t, err, "unsupported")
		require.Error(t, agent.WriteFile(ctx, path+"/none", nil, 0o600))
		require.Error(t, agent.WriteFile(ctx, path+"/none", nil, 0o666))
		_, err = agent.ReadFile(ctx, path+"/none")
		require.Error(t, err)

		status, err := agent.ReadFile(ctx, "/proc/self/status")
		require.NoError(t, err)
		require.Contains(t, string(status), "Name:")
		s.HasNoNewFds(t, before)
	})
}

// TestCopy copies in both directions.
func TestCopy(t *testing.T) {
	onHost(t, func(t *testing.T, s *qemutest.Server, agent *guestagent.Agent) {
		ctx := limit(t)
		path := filepath.Join(t.TempDir(), "file")
		data := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
		var steps [][2]int64
		opts := &guestagent.CopyOptions{Size: int64(len(data)), Progress: func(done, total int64) {
			steps = append(steps, [2]int64{done, total})
		}}
		want := [][2]int64{{65536, 160000}, {131072, 160000}, {160000, 160000}}
		n, err := agent.CopyTo(ctx, path, bytes.NewReader(data), opts)
		require.NoError(t, err)
		require.EqualValues(t, len(data), n)
		require.Equal(t, want, steps)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.EqualValues(t, 0o644, info.Mode().Perm())

		steps = nil
		var got bytes.Buffer
		n, err = agent.CopyFrom(ctx, path, &got, opts)
		require.NoError(t, err)
		require.EqualValues(t, len(data), n)
		require.Equal(t, want, steps)
		require.True(t, bytes.Equal(data, got.Bytes()))

		steps = nil
		_, err = agent.CopyFrom(ctx, "/proc/self/stat", io.Discard, opts)
		require.NoError(t, err)
		require.Len(t, steps, 1)
		require.EqualValues(t, -1, steps[0][1])

		before, err := s.Fds()
		require.NoError(t, err)
		_, err = agent.CopyTo(ctx, path, iotest.ErrReader(io.ErrNoProgress), nil)
		require.ErrorIs(t, err, io.ErrNoProgress)
		_, err = agent.CopyFrom(ctx, "/etc/passwd", failingWriter{}, nil)
		require.ErrorIs(t, err, io.ErrClosedPipe)
		_, err = agent.CopyFrom(ctx, path+"/none", &got, nil)
		require.ErrorIs(t, err, qmp.ErrGeneric)
		_, err = agent.CopyTo(ctx, "/dev/full", bytes.NewReader(data[:100]), nil)
		require.Error(t, err, "the agent writes when the file is closed")
		s.HasNoNewFds(t, before)
	})
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestFileOfEndedContext: Close works after the end of the context.
func TestFileOfEndedContext(t *testing.T) {
	onHost(t, func(t *testing.T, s *qemutest.Server, agent *guestagent.Agent) {
		before, err := s.Fds()
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "file")
		ctx, cancel := context.WithCancel(limit(t))
		f, err := agent.Create(ctx, path)
		require.NoError(t, err)
		_, err = f.Write([]byte("text"))
		require.NoError(t, err)
		cancel()
		_, err = f.Write([]byte("more"))
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, f.Close())
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "text", string(text))

		for i := range 50 { // the reply to open is lost
			ctx, cancel := context.WithTimeout(limit(t), time.Duration(i)*10*time.Microsecond)
			if f, err := agent.Open(ctx, path, os.O_RDONLY); err == nil {
				require.NoError(t, f.Close())
			}
			cancel()
		}
		require.NoError(t, guest.GuestPing{}.Do(limit(t), agent))
		require.Eventually(t, func() bool {
			after, err := s.Fds()
			require.NoError(t, err)
			return len(after) == len(before)
		}, 20*time.Second, 10*time.Millisecond)
	})
}
