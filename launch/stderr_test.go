//go:build linux

package launch_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/launch"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A gate is an output that blocks until it is opened.
type gate struct {
	open chan struct{}
	output
}

func (g *gate) Write(b []byte) (int, error) {
	<-g.open
	return g.output.Write(b)
}

// script writes a program that is executed as QEMU.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "qemu")
	writeScript(t, path, text)
	return path
}

// writeScript has another process write a program. If this one did, a child of another test could inherit the file while it
// is open for writing, and it could not be executed.
func writeScript(t *testing.T, path, text string) {
	t.Helper()
	out, err := exec.Command("sh", "-c", `printf '#!/bin/sh\n%s\n' "$1" >"$2" && chmod +x "$2"`, "sh", text, path).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestStderr has a program that writes much, and a Writer that blocks until it has ended.
func TestStderr(t *testing.T) {
	t.Parallel()
	q := qemutest.Get(t, "")
	out := &gate{open: make(chan struct{})}
	path := script(t, fmt.Sprintf(`echo first >&2; seq 1 200000 >&2; echo last >&2; exec %s "$@"`, q.Path))
	p := startWith(t, launch.Config{Binary: path, Args: plain, Stderr: out})
	require.NoError(t, qemu.Quit{}.Do(t.Context(), p.Client()))
	<-p.Done()
	text := p.Stderr()
	require.Regexp(t, `(?s)^first\n1\n2\n.*\n\[\d+ bytes are missing\]\n.*\n199999\n200000\nlast\n$`, text)
	require.Less(t, len(text), 1<<17)

	close(out.open)
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "bytes are missing: the Writer was too slow") }, time.Minute, 10*time.Millisecond)
	require.Regexp(t, `(?s)^first\n1\n2\n`, out.String())
	require.Less(t, len(out.String()), 1<<19)

	whole := &gate{open: make(chan struct{})}
	close(whole.open)
	p = startWith(t, launch.Config{Binary: script(t, fmt.Sprintf(`echo hello >&2; exec %s "$@"`, q.Path)), Args: plain, Stderr: whole})
	require.NoError(t, p.Kill())
	require.Equal(t, "hello\n", p.Stderr())
	require.Eventually(t, func() bool { return whole.String() == "hello\n" }, time.Minute, 10*time.Millisecond)
}

// TestHelperHoldsStderr has a process that QEMU leaves behind with its standard error.
func TestHelperHoldsStderr(t *testing.T) {
	t.Parallel()
	q := qemutest.Get(t, "")
	p := startWith(t, launch.Config{Binary: script(t, fmt.Sprintf(`sleep 2 & exec %s "$@"`, q.Path)), Args: plain})
	require.NoError(t, p.Kill())
}

// TestPrepare starts a QEMU in another folder.
func TestPrepare(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		dir := t.TempDir()
		p := startWith(t, launch.Config{Binary: q.Path, Args: launch.Args{plain, "-pidfile", "pid"}, Prepare: func(cmd *exec.Cmd) { cmd.Dir = dir }})
		pid, err := os.ReadFile(filepath.Join(dir, "pid"))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintln(p.Pid()), string(pid))
	})
}
