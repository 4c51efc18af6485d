package guestagent_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
)

// limit returns a context for a test that must not hang.
func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// onHost runs f with the agent of each version, which runs on this machine. f must not freeze file systems.
func onHost(t *testing.T, f func(t *testing.T, s *qemutest.Server, agent *guestagent.Agent)) {
	t.Parallel()
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		s := q.StartAgent(t)
		agent, err := guestagent.Dial(limit(t), s.Socket(), nil)
		require.NoError(t, err, s.Output())
		t.Cleanup(func() { require.NoError(t, agent.Close()) })
		_, err = agent.Run(limit(t), sh("true")) // the agent opens a descriptor for its children, once
		require.NoError(t, err)
		f(t, s, agent)
	})
}

// sh is a command of a shell.
func sh(line string) guestagent.Command {
	return guestagent.Command{Path: "sh", Args: []string{"-c", line}}
}

// TestRun runs programs that end in all ways.
func TestRun(t *testing.T) {
	onHost(t, func(t *testing.T, _ *qemutest.Server, agent *guestagent.Agent) {
		ctx := limit(t)
		r, err := agent.Run(ctx, sh("echo out; echo err >&2"))
		require.NoError(t, err)
		require.Equal(t, guestagent.Result{Stdout: []byte("out\n"), Stderr: []byte("err\n")}, r)

		r, err = agent.Run(ctx, guestagent.Command{Path: "cat", Stdin: strings.NewReader("\x00in\xff")})
		require.NoError(t, err)
		require.Equal(t, "\x00in\xff", string(r.Stdout))

		r, err = agent.Run(ctx, guestagent.Command{Path: "sh", Args: []string{"-c", `echo "$A-$HOME-$1"`, "sh", "a b'"}, Env: []string{"A=1"}})
		require.NoError(t, err)
		require.Equal(t, "1--a b'\n", string(r.Stdout))

		merged := sh("echo 1; echo 2 >&2; echo 3; exit 4")
		merged.Output = guestagent.Merged
		r, err = agent.Run(ctx, merged)
		require.Equal(t, "1\n2\n3\n", string(r.Stdout))
		require.Empty(t, r.Stderr)
		exit := new(guestagent.ExitError)
		require.ErrorAs(t, err, &exit)
		require.Equal(t, 4, exit.ExitCode)

		r, err = agent.Run(ctx, sh("echo no >&2; exit 3"))
		require.ErrorAs(t, err, &exit)
		require.Equal(t, &guestagent.ExitError{Path: "sh", ExitCode: 3, Stderr: []byte("no\n")}, exit)
		require.Equal(t, 3, r.ExitCode)
		require.EqualError(t, err, `guestagent: run "sh": exit status 3: "no"`)

		r, err = agent.Run(ctx, sh("kill -TERM $$"))
		require.ErrorAs(t, err, &exit)
		require.Equal(t, 15, exit.Signal)
		require.Equal(t, -1, r.ExitCode)
		require.EqualError(t, err, `guestagent: run "sh": killed by signal 15`)

		quiet := sh("echo out; (sleep 5; echo late) &")
		quiet.Output = guestagent.Discard
		r, err = agent.Run(ctx, quiet) // does not wait for the child
		require.NoError(t, err)
		require.Empty(t, r.Stdout)

		for _, missing := range []string{"no-such-program", "/no/such/program", "/etc/passwd"} {
			for _, output := range []guestagent.Output{guestagent.Separate, guestagent.Merged, guestagent.Discard} {
				_, err = agent.Run(ctx, guestagent.Command{Path: missing, Output: output})
				require.ErrorIs(t, err, guestagent.ErrNotFound, missing)
			}
		}
		_, err = agent.Run(ctx, sh("exit 127"))
		require.NotErrorIs(t, err, guestagent.ErrNotFound)

		_, err = agent.Run(ctx, guestagent.Command{Path: "cat", Stdin: iotest.ErrReader(io.ErrUnexpectedEOF)})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		_, err = agent.Run(ctx, guestagent.Command{Path: "cat", Stdin: zeros{}})
		require.ErrorContains(t, err, "longer than 40 MiB")
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestRunTruncated: 5.2 and 10.0 do not report that output was truncated.
func TestRunTruncated(t *testing.T) {
	onHost(t, func(t *testing.T, _ *qemutest.Server, agent *guestagent.Agent) {
		r, err := agent.Run(limit(t), sh("head -c 16777300 /dev/zero >&2; exit 1"))
		require.ErrorIs(t, err, guestagent.ErrTruncated)
		require.Len(t, r.Stderr, 16<<20)
		exit := new(guestagent.ExitError)
		require.ErrorAs(t, err, &exit)
	})
}

// TestRunLargeInput: a program gets and returns some megabytes.
func TestRunLargeInput(t *testing.T) {
	onHost(t, func(t *testing.T, _ *qemutest.Server, agent *guestagent.Agent) {
		in := bytes.Repeat([]byte("0123456789abcde\n"), 1<<18)
		r, err := agent.Run(limit(t), guestagent.Command{Path: "cat", Stdin: bytes.NewReader(in)})
		require.NoError(t, err)
		require.True(t, bytes.Equal(in, r.Stdout))
	})
}

// runs reports whether a process of this machine runs.
func runs(t *testing.T, pid string) bool {
	t.Helper()
	status, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		require.ErrorIs(t, err, fs.ErrNotExist)
		return false
	}
	return !strings.Contains(string(status), ") Z ") // which its parent has not waited for
}

// TestRunIsCancelled: the program and its children are killed, and the result has what they have written.
func TestRunIsCancelled(t *testing.T) {
	onHost(t, func(t *testing.T, _ *qemutest.Server, agent *guestagent.Agent) {
		var file string
		run := func() (guestagent.Result, error) {
			file = filepath.Join(t.TempDir(), "pids")
			ctx, cancel := context.WithCancel(limit(t))
			go func() {
				for {
					pids, _ := os.ReadFile(file)
					if strings.Count(string(pids), "\n") == 2 {
						cancel()
						return
					}
					time.Sleep(time.Millisecond)
				}
			}()
			return agent.Run(ctx, sh("echo begun; sleep 100 & echo $! >>"+file+"; echo $$ >>"+file+"; wait"))
		}
		r, err := run()
		for errors.Is(err, qmp.ErrOutcomeUnknown) { // the program was faster than the reply to guest-exec
			r, err = run()
		}
		require.ErrorIs(t, err, context.Canceled)
		require.EqualError(t, err, `guestagent: run "sh": program was killed: context canceled`)
		require.Equal(t, guestagent.Result{Stdout: []byte("begun\n"), Stderr: []byte{}, ExitCode: -1, Signal: 9}, r)
		pids, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, pid := range strings.Fields(string(pids)) {
			require.False(t, runs(t, pid), pid)
		}
	})
}

// TestRunCancelledAtOnce: each moment of the end of a context.
func TestRunCancelledAtOnce(t *testing.T) {
	onHost(t, func(t *testing.T, _ *qemutest.Server, agent *guestagent.Agent) {
		mark := "3141" + strconv.Itoa(os.Getpid()) + strconv.Itoa(int(time.Now().UnixNano()%1e6))
		for i := range 30 {
			ctx, cancel := context.WithTimeout(limit(t), time.Duration(i*i)*20*time.Microsecond)
			_, err := agent.Run(ctx, guestagent.Command{Path: "sleep", Args: []string{mark}})
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
		}
		require.NoError(t, guest.GuestPing{}.Do(limit(t), agent)) // late replies have come
		require.Eventually(t, func() bool { return !sleeps(t, mark) }, 20*time.Second, 10*time.Millisecond)
	})
}

// sleeps reports whether this machine has a process with an argument.
func sleeps(t *testing.T, argument string) bool {
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, path := range all {
		if line, err := os.ReadFile(path); err == nil && strings.Contains(string(line), "\x00"+argument+"\x00") {
			return true
		}
	}
	return false
}

// TestStart: a program outlives the call and the connection, and another connection takes it up.
func TestStart(t *testing.T) {
	onHost(t, func(t *testing.T, s *qemutest.Server, agent *guestagent.Agent) {
		ctx := limit(t)
		cmd := sh("echo out; read line; exit 7")
		cmd.Output = guestagent.Separate
		p, err := agent.Start(ctx, cmd)
		require.NoError(t, err)
		r, err := p.Wait(ctx)
		exit := new(guestagent.ExitError)
		require.ErrorAs(t, err, &exit)
		require.Equal(t, "out\n", string(r.Stdout))
		again, err := p.Wait(ctx) // the agent has forgotten the process
		require.ErrorAs(t, err, &exit)
		require.Equal(t, r, again)
		require.NoError(t, p.Kill(ctx))
		_, err = agent.Process(p.PID()).Wait(ctx)
		require.ErrorIs(t, err, guestagent.ErrNoProcess)
		require.ErrorIs(t, agent.Process(1).Kill(ctx), guestagent.ErrNoProcess)

		p, err = agent.Start(ctx, guestagent.Command{Path: "sleep", Args: []string{"100"}})
		require.NoError(t, err)
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		_, err = p.Wait(short)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, runs(t, strconv.FormatInt(p.PID(), 10)))

		// An agent on a socket ends if a client leaves before it has read all replies.
		require.NoError(t, guest.GuestPing{}.Do(ctx, agent))
		require.NoError(t, agent.Close())
		_, err = p.Wait(ctx)
		require.ErrorIs(t, err, qmp.ErrClosed)
		other, err := guestagent.Dial(ctx, s.Socket(), nil)
		require.NoError(t, err)
		defer other.Close()
		p = other.Process(p.PID())
		require.NoError(t, p.Kill(ctx))
		_, err = p.Wait(ctx)
		require.ErrorAs(t, err, &exit)
		require.Equal(t, 9, exit.Signal)

		_, err = other.Start(ctx, guestagent.Command{Path: "no-such-program"})
		require.NoError(t, err) // setsid starts
	})
}

// TestRefused: disabled commands and missing ones are told apart.
func TestRefused(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		flag := "--block-rpcs"
		if !q.AtLeast(8, 1) {
			flag = "--blacklist"
		}
		s := q.StartAgent(t, flag+"=guest-exec,guest-file-open")
		agent, err := guestagent.Dial(limit(t), s.Socket(), nil)
		require.NoError(t, err, s.Output())
		defer agent.Close()
		_, err = agent.Run(limit(t), sh("true"))
		require.ErrorIs(t, err, guestagent.ErrDisabled)
		require.NotErrorIs(t, err, guestagent.ErrUnavailable)
		require.NotErrorIs(t, err, qmp.ErrCommandNotFound)
		require.False(t, qmp.MayHaveExecuted(err))
		_, err = agent.ReadFile(limit(t), "/etc/passwd")
		require.ErrorIs(t, err, guestagent.ErrDisabled)
		_, err = qmp.Raw{Command: "guest-none"}.Do(limit(t), agent)
		require.ErrorIs(t, err, guestagent.ErrUnavailable)
		require.ErrorContains(t, err, "guest agent does not have the command")
		require.ErrorIs(t, err, qmp.ErrCommandNotFound)
	})
}

// TestInterfaces lists those of this machine.
func TestInterfaces(t *testing.T) {
	onHost(t, func(t *testing.T, _ *qemutest.Server, agent *guestagent.Agent) {
		all, err := agent.Interfaces(limit(t))
		require.NoError(t, err)
		require.NotEmpty(t, all)
		for _, i := range all {
			if i.Name == "lo" {
				require.NotEmpty(t, i.Addresses)
				require.True(t, i.Addresses[0].Addr().IsLoopback())
				require.NotNil(t, i.Statistics)
			}
		}
	})
}

// TestManyGoroutines use one agent.
func TestManyGoroutines(t *testing.T) {
	onHost(t, func(t *testing.T, _ *qemutest.Server, agent *guestagent.Agent) {
		done := make(chan error)
		for i := range 10 {
			go func() {
				word := strings.Repeat(strconv.Itoa(i), 10)
				r, err := agent.Run(limit(t), guestagent.Command{Path: "echo", Args: []string{word}})
				if err == nil && string(r.Stdout) != word+"\n" {
					err = io.ErrUnexpectedEOF
				}
				done <- err
			}()
		}
		for range 10 {
			require.NoError(t, <-done)
		}
	})
}
