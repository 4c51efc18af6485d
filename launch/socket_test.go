//go:build linux

package launch_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/launch"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestSockets has another monitor of this program, one for others, a serial line, and a monitor with a path.
func TestSockets(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		dir := t.TempDir()
		mine, theirs := &launch.Socket{ID: "mine"}, &launch.Socket{ID: "theirs", Path: filepath.Join(dir, "theirs")}
		var log output
		debug := &launch.Socket{ID: "debug", Output: &log}
		p := startWith(t, launch.Config{
			Binary: q.Path, Monitor: filepath.Join(dir, "monitor"),
			Args: launch.Args{plain, "-M", "pc", mine, "-qmp", "chardev:mine", theirs, debug, "-device", "isa-debugcon,iobase=0x402,chardev=debug"},
		})
		conn, err := mine.Conn()
		require.NoError(t, err)
		client, err := qmp.NewClient(ctx, conn, nil)
		require.NoError(t, err)
		defer client.Close()
		chardevs, err := qemu.QueryChardev{}.Do(ctx, client)
		require.NoError(t, err)
		var names []string
		for _, c := range chardevs {
			names = append(names, c.Label)
		}
		require.Subset(t, names, []string{"mine", "theirs", "debug"})
		_, err = mine.Conn()
		require.ErrorContains(t, err, "Conn was called before")
		_, err = theirs.Conn()
		require.ErrorContains(t, err, "Path is set")

		require.Eventually(t, func() bool { return strings.Contains(log.String(), "SeaBIOS") }, time.Minute, 10*time.Millisecond)
		conn, err = debug.Conn()
		require.NoError(t, err)
		require.NoError(t, conn.Close())

		other, err := qmp.Dial(ctx, filepath.Join(dir, "monitor"), nil)
		require.NoError(t, err)
		defer other.Close()
		raw, err := net.Dial("unix", theirs.Path)
		require.NoError(t, err)
		raw.Close()

		require.NoError(t, p.Kill()) // which leaves the removal to this process
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries)
	})
}

// An output is a buffer that is written and read at the same time.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func TestSocketErrors(t *testing.T) {
	t.Parallel()
	q := qemutest.Get(t, "")
	twice := &launch.Socket{ID: "twice"}
	for _, c := range []struct {
		args launch.Args
		want string
	}{
		{launch.Args{&launch.Socket{}}, "Socket needs an ID"},
		{launch.Args{twice, twice}, "Socket is used twice"},
	} {
		_, err := launch.Start(limited(t), launch.Config{Binary: q.Path, Args: append(launch.Args{plain}, c.args...)})
		require.ErrorContains(t, err, c.want)
	}
	_, err := twice.Conn()
	require.ErrorContains(t, err, "Start has not succeeded")

	// After an error, the connections are closed and the paths are gone.
	twice = &launch.Socket{ID: "twice", Output: new(output)}
	path := filepath.Join(t.TempDir(), "s")
	_, err = launch.Start(limited(t), launch.Config{Binary: q.Path, Monitor: path + "m", Args: launch.Args{
		plain, twice, &launch.Socket{ID: "listens", Path: path}, "-nosuch",
	}})
	require.ErrorContains(t, err, "nosuch")
	_, err = twice.Conn()
	require.Error(t, err)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Empty(t, entries)
}

// TestPathsOfOthers: Start leaves a path alone if another QEMU serves it, if somebody has replaced it, or if it is a file.
func TestPathsOfOthers(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		dir := t.TempDir()
		path := filepath.Join(dir, "monitor")
		first := startWith(t, launch.Config{Binary: q.Path, Args: plain, Monitor: path})
		_, err := launch.Start(ctx, launch.Config{Binary: q.Path, Args: plain, Monitor: path})
		require.ErrorIs(t, err, launch.ErrPathInUse)
		client, err := qmp.Dial(ctx, path, nil) // which reaches the first
		require.NoError(t, err)
		require.NoError(t, client.Close())

		require.NoError(t, os.Rename(path, path+"2"))
		second := startWith(t, launch.Config{Binary: q.Path, Args: plain, Monitor: path})
		require.NoError(t, first.Kill())
		require.FileExists(t, path)
		require.NoError(t, second.Kill())
		require.NoFileExists(t, path)

		require.NoError(t, os.WriteFile(path, nil, 0o600))
		_, err = launch.Start(ctx, launch.Config{Binary: q.Path, Args: plain, Monitor: path})
		require.Error(t, err)
		require.FileExists(t, path)
	})
}

// TestManyStarts starts many at once, two for each path: one of the two gets the path. goleak looks for goroutines.
func TestManyStarts(t *testing.T) {
	t.Parallel()
	q := qemutest.Get(t, "7.2")
	dir := t.TempDir()
	const many = 120
	paths := make([]atomic.Int32, many/2)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			path := filepath.Join(dir, strconv.Itoa(i%len(paths)))
			p, err := launch.Start(limited(t), launch.Config{Binary: q.Path, Args: plain, Monitor: path})
			if errors.Is(err, launch.ErrPathInUse) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			paths[i%len(paths)].Add(1)
			t.Cleanup(func() {
				if err := p.Kill(); err != nil {
					t.Error(err)
				}
			})
		})
	}
	all.Wait()
	for i := range paths {
		require.EqualValues(t, 1, paths[i].Load(), i)
	}
	t.Cleanup(func() {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.NotEmpty(t, entries)
	})
}

// TestLockedFolder has a folder whose lock the program holds itself.
func TestLockedFolder(t *testing.T) {
	t.Parallel()
	q := qemutest.Get(t, "")
	path := filepath.Join(t.TempDir(), "monitor")
	p := startWith(t, launch.Config{Binary: q.Path, Args: plain, Monitor: path})
	folder, err := os.Open(filepath.Dir(path))
	require.NoError(t, err)
	defer folder.Close()
	require.NoError(t, syscall.Flock(int(folder.Fd()), syscall.LOCK_EX))

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = launch.Start(ctx, launch.Config{Binary: q.Path, Args: plain, Monitor: path + "2"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, p.Kill())
	require.NoError(t, folder.Close())
	startWith(t, launch.Config{Binary: q.Path, Args: plain, Monitor: path}) // replaces the socket that is left
}
