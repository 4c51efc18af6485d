package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qmpkit/qmpkit/internal/libvirttest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestUsage(t *testing.T) {
	var out bytes.Buffer
	require.ErrorIs(t, run(t.Context(), []string{"-help"}, &out), flag.ErrHelp)
	require.Contains(t, out.String(), "usage: fleet")
	require.Error(t, run(t.Context(), []string{"-interval", "0s"}, &out))
}

// TestNoHost shows the error of each host.
func TestNoHost(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	var out bytes.Buffer
	require.ErrorIs(t, run(t.Context(), []string{"-once", missing, missing + "2"}, &out), fs.ErrNotExist)
	require.Contains(t, out.String(), missing+"2: ")
	require.Equal(t, 2, strings.Count(out.String(), "no such file"))

	ctx, cancel := context.WithCancel(t.Context())
	live := &screen{until: "no such file", found: cancel}
	require.NoError(t, run(ctx, []string{"-interval", "1ms", missing}, live))
	require.EqualError(t, run(t.Context(), []string{missing}, broken{}), "broken")
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken") }

// A screen calls found when a table has until.
type screen struct {
	mu    sync.Mutex
	until string
	found func()
	last  string
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = string(b)
	if regexp.MustCompile(s.until).MatchString(s.last) {
		s.found()
	}
	return len(b), nil
}

// TestLibvirtFleet shows machines of two real daemons; see package libvirttest.
func TestLibvirtFleet(t *testing.T) {
	one := libvirttest.Start(t, "9.0", libvirttest.Config{})
	two := libvirttest.Start(t, "11.3", libvirttest.Config{})
	one.Create(t, libvirttest.Machine{Name: "web1"})
	one.Create(t, libvirttest.Machine{Name: "web2"})
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-once", one.Socket(), two.Socket()}, &out))
	require.Regexp(t, `web1 +running +- +- +-\n.*web2 +running`, out.String())
	require.Contains(t, out.String(), two.Socket()+": no machine runs")

	// A job, an event and a machine that hangs.
	direct, err := qmp.Dial(t.Context(), one.Monitor("web1"), nil)
	require.NoError(t, err)
	defer direct.Close()
	for _, name := range []string{"from", "to"} {
		require.NoError(t, qemu.BlockdevAdd{Driver: qemu.BlockdevDriverNullCo, NodeName: &name}.Do(t.Context(), direct))
	}
	slow := qemu.BlockdevMirror{JobID: new("move1"), Device: "from", Target: "to", Sync: qemu.MirrorSyncModeFull, Speed: new(int64(1))}
	require.NoError(t, slow.Do(t.Context(), direct))
	require.NoError(t, one.Hang("web2"))
	live := func(until string, cause func()) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		s := &screen{until: until, found: cancel}
		cause()
		require.NoError(t, run(ctx, []string{"-interval", "50ms", one.Socket(), two.Socket()}, s))
		require.Regexp(t, until, s.last)
	}
	live(`web1 +running +move1 \(mirror, running, \d+%\) +-.*\n.*web2 +running +no answer`, func() {})
	require.NoError(t, one.Wake("web2"))
	two.Create(t, libvirttest.Machine{Name: "db1"})
	live(`db1 +paused .* STOP|db1 +paused .* suspended`, func() {
		go func() { // until the program is connected
			c, err := qmp.Dial(t.Context(), two.Monitor("db1"), nil)
			if err != nil {
				return
			}
			defer c.Close()
			for range 1000 {
				if (qemu.Cont{}).Do(t.Context(), c) != nil || (qemu.Stop{}).Do(t.Context(), c) != nil {
					return
				}
			}
		}()
	})
}
