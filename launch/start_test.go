//go:build linux

package launch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/launch"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func TestStart(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		p := start(t, q)
		version := p.Client().Version()
		require.Equal(t, q.Release(), qemutestRelease(version))
		_, running := p.Exit()
		require.False(t, running)
		require.NoError(t, syscall.Kill(p.Pid(), 0))

		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		_, err := p.Wait(short)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		require.NoError(t, qemu.Quit{}.Do(ctx, p.Client()))
		exit, err := p.Wait(ctx)
		require.NoError(t, err)
		require.Equal(t, launch.Exit{Reason: launch.ReasonQuit}, exit)
		<-p.Done()
		<-p.Client().Done()
		require.NoError(t, p.Kill())
		require.ErrorIs(t, syscall.Kill(p.Pid(), 0), syscall.ESRCH)
		require.Empty(t, p.Stderr())
	})
}

func qemutestRelease(v qmp.Version) string {
	release, _, _ := strings.Cut(v.String(), " ")
	return release[:strings.LastIndex(release, ".")]
}

func TestEnds(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		for _, c := range []struct {
			name string
			args launch.Args
			do   func(t *testing.T, p *launch.Process) error
			want launch.Exit
		}{
			{"kill", nil, func(_ *testing.T, p *launch.Process) error { return p.Kill() },
				launch.Exit{Reason: launch.ReasonKilled, Status: -1, Signal: syscall.SIGKILL}},
			{"terminate", nil, func(_ *testing.T, p *launch.Process) error { return syscall.Kill(p.Pid(), syscall.SIGTERM) },
				launch.Exit{Reason: launch.ReasonHostSignal}},
			{"crash", nil, func(_ *testing.T, p *launch.Process) error { return syscall.Kill(p.Pid(), syscall.SIGSEGV) },
				launch.Exit{Reason: launch.ReasonCrashed, Status: -1, Signal: syscall.SIGSEGV}},
			{"reset", launch.Args{"-M", "pc", "-no-reboot"}, func(t *testing.T, p *launch.Process) error { return qemu.SystemReset{}.Do(limited(t), p.Client()) },
				launch.Exit{Reason: launch.ReasonHostReset}},
			{"without client", nil, func(t *testing.T, p *launch.Process) error {
				require.NoError(t, p.Client().Close())
				return syscall.Kill(p.Pid(), syscall.SIGTERM)
			}, launch.Exit{Reason: launch.ReasonUnknown}},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				p := start(t, q, c.args)
				require.NoError(t, c.do(t, p))
				exit, err := p.Wait(limited(t))
				require.NoError(t, err)
				require.Equal(t, c.want, exit)
				again, ended := p.Exit()
				require.True(t, ended)
				require.Equal(t, exit, again)
				require.NotEmpty(t, exit.String())
			})
		}
	})
}

func TestStartFails(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		image := filepath.Join(t.TempDir(), "image")
		require.NoError(t, os.WriteFile(image, make([]byte, 1<<20), 0o600))
		disk := launch.Blockdev(qemu.BlockdevOptions{NodeName: new("d"), Branch: &qemu.BlockdevOptionsFile{Filename: image}, Driver: "file"})
		start(t, q, "-M", "pc", disk, "-device", "virtio-blk-pci,drive=d")
		for _, c := range []struct {
			name string
			args launch.Args
			want string
		}{
			{"option", launch.Args{"-nosuch"}, "invalid option"},
			{"device", launch.Args{"-M", "pc", "-device", "nosuch"}, "nosuch"},
			{"property", launch.Args{"-M", "pc", "-device", "virtio-blk-pci,nosuch=1"}, "nosuch"},
			{"machine", launch.Args{"-M", "nosuch"}, "unsupported machine type"},
			{"no file", launch.Args{launch.Blockdev(qemu.BlockdevOptions{Driver: "file", Branch: &qemu.BlockdevOptionsFile{Filename: image + "2"}, NodeName: new("n")})}, "No such file or directory"},
			{"locked", launch.Args{"-M", "pc", disk, "-device", "virtio-blk-pci,drive=d"}, "lock"},
			{"kernel", launch.Args{"-M", "pc", "-kernel", image + "2"}, "could not"},
			{"JSON", launch.Args{"-blockdev", "{"}, "JSON"},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				_, err := launch.Start(limited(t), launch.Config{Binary: q.Path, Args: launch.Args{plain, "-netdev", "user,id=alone", c.args}})
				failed, ok := errors.AsType[*launch.StartError](err)
				require.True(t, ok, "%v", err)
				require.NoError(t, failed.Err)
				require.Equal(t, launch.Exit{Reason: launch.ReasonFailed, Status: 1}, failed.Exit)
				require.Contains(t, failed.Reason(), c.want)
				require.NotContains(t, failed.Reason(), "warning")
				require.NotContains(t, failed.Reason(), "qemu-system-x86_64:")
				require.Regexp(t, `^launch: start qemu-system-x86_64: failed \(status 1\): `, err.Error())
				require.Contains(t, failed.Args, "user,id=alone")
			})
		}
	})
}

func TestStartFailsWithoutProcess(t *testing.T) {
	t.Parallel()
	q := qemutest.Get(t, "")
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n"), 0o600))
	taken := filepath.Join(dir, "taken")
	startWith(t, launch.Config{Binary: q.Path, Args: plain, Monitor: taken})
	ended, cancel := context.WithCancelCause(t.Context())
	because := errors.New("the test")
	cancel(because)
	for _, c := range []struct {
		cfg  launch.Config
		ctx  context.Context
		is   error
		want string
	}{
		{launch.Config{}, nil, nil, "Config needs a Binary"},
		{launch.Config{Binary: q.Path, Outlive: true}, nil, nil, "Outlive needs a Monitor"},
		{launch.Config{Binary: q.Path, Args: launch.Args{plain, "-daemonize"}}, nil, nil, "use Config.Outlive"},
		{launch.Config{Binary: q.Path, Args: launch.Args{plain, "--daemonize"}}, nil, nil, "use Config.Outlive"},
		{launch.Config{Binary: "no-such-qemu"}, nil, exec.ErrNotFound, "no-such-qemu"},
		{launch.Config{Binary: dir + "/none"}, nil, os.ErrNotExist, "none"},
		{launch.Config{Binary: script}, nil, os.ErrPermission, "script"},
		{launch.Config{Binary: q.Path, Args: launch.Args{launch.Args{"-M", 7}}}, nil, nil, "Args[0] (launch.Args): Args[1] (int): is neither a string nor an Option"},
		{launch.Config{Binary: q.Path, Monitor: taken}, nil, launch.ErrPathInUse, taken},
		{launch.Config{Binary: q.Path, Monitor: dir}, nil, syscall.ECONNREFUSED, dir},
		{launch.Config{Binary: q.Path, Monitor: dir + "/none/m"}, nil, os.ErrNotExist, "none"},
		{launch.Config{Binary: q.Path, Monitor: filepath.Join(dir, strings.Repeat("m", 108))}, nil, syscall.EINVAL, "mmm"},
		{launch.Config{Binary: q.Path, Args: plain}, ended, because, "the test"},
	} {
		ctx := c.ctx
		if ctx == nil {
			ctx = limited(t)
		}
		_, err := launch.Start(ctx, c.cfg)
		failed, ok := errors.AsType[*launch.StartError](err)
		require.True(t, ok, "%v", err)
		require.Zero(t, failed.Exit)
		require.ErrorContains(t, err, c.want)
		if c.is != nil {
			require.ErrorIs(t, err, c.is)
		}
	}
}

// TestStartInTime ends the context at many moments of a start. Whatever happens, nothing is left, which goleak checks too.
func TestStartInTime(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		for moment := range 12 {
			ctx, cancel := context.WithTimeout(ctx, time.Duration(moment*moment)*time.Millisecond)
			p, err := launch.Start(ctx, launch.Config{Binary: q.Path, Args: plain})
			if err == nil {
				require.NoError(t, p.Kill())
			} else {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			cancel()
		}
	})
}

// TestKilledInTime kills QEMU at many moments of a start.
func TestKilledInTime(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		for moment := range 10 {
			path := script(t, fmt.Sprintf("(sleep 0.0%d; kill -KILL $$) >/dev/null 2>&1 &\nexec %s \"$@\"", moment, q.Path))
			p, err := launch.Start(ctx, launch.Config{Binary: path, Args: plain})
			var exit launch.Exit
			if failed, ok := errors.AsType[*launch.StartError](err); ok {
				require.NoError(t, failed.Err)
				exit = failed.Exit
			} else {
				require.NoError(t, err)
				exit, err = p.Wait(ctx)
				require.NoError(t, err)
			}
			require.Equal(t, launch.Exit{Reason: launch.ReasonKilled, Status: -1, Signal: syscall.SIGKILL}, exit)
		}
	})
}

// TestStopped has a QEMU that was stopped while it started, and was continued.
func TestStopped(t *testing.T) {
	t.Parallel()
	q := qemutest.Get(t, "")
	path := script(t, fmt.Sprintf("(sleep 0.3; kill -CONT $$) >/dev/null 2>&1 &\nkill -STOP $$; exec %s \"$@\"", q.Path))
	startWith(t, launch.Config{Binary: path, Args: plain})
}

// TestWithoutAccelerator names the accelerator in the reason, and starts with another one. A host without KVM answers in the
// same way as any Linux does for hvf, which is of macOS.
func TestWithoutAccelerator(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		args := launch.Args{"-nodefaults", "-display", "none", "-M", "pc", "-accel", "hvf"}
		_, err := launch.Start(ctx, launch.Config{Binary: q.Path, Args: args})
		require.ErrorContains(t, err, "failed (status 1): ")
		require.ErrorContains(t, err, "hvf")
		p := startWith(t, launch.Config{Binary: q.Path, Args: append(args, "-accel", "tcg")})
		require.Contains(t, p.Stderr(), "hvf") // which was no reason to fail
	})
}

// TestNothingIsLeft starts QEMUs in vain and with success, and looks for descriptors.
func TestNothingIsLeft(t *testing.T) {
	qemutest.CheckFds(t)
	q := qemutest.Get(t, "")
	dir := t.TempDir()
	for range 3 {
		for _, arg := range []string{"-no-shutdown", "-no-such-option"} {
			socket, monitor := &launch.Socket{ID: "s"}, filepath.Join(dir, "monitor")
			p, err := launch.Start(limited(t), launch.Config{Binary: q.Path, Monitor: monitor, Args: launch.Args{
				plain, socket, &launch.Socket{ID: "t", Path: filepath.Join(dir, "t")}, launch.Secret("x", []byte("y")), arg,
			}})
			if arg == "-no-such-option" {
				require.Error(t, err)
				continue
			}
			require.NoError(t, err)
			attached, err := launch.Attach(limited(t), monitor, nil)
			require.NoError(t, err)
			conn, err := socket.Conn()
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			require.NoError(t, attached.Kill())
			require.NoError(t, p.Kill())
		}
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// TestMute starts programs that take the connection and say nothing, that end at once, or that close the monitor and stay.
func TestMute(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	start := func(limit time.Duration, text string) (*launch.StartError, error) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		_, err := launch.Start(ctx, launch.Config{Binary: script(t, text)})
		failed, ok := errors.AsType[*launch.StartError](err)
		require.True(t, ok)
		return failed, err
	}
	const enough, mute = 30 * time.Second, 2 * time.Second // mute: time to start a shell
	failed, err := start(mute, "echo starting >&2; exec sleep 60")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, launch.ReasonKilled, failed.Exit.Reason)
	require.EqualError(t, err, "launch: start qemu: context deadline exceeded: starting")

	failed, err = start(enough, "echo qemu: info: this >&2; echo qemu: too bad >&2; echo a hint >&2; echo qemu: warning: that >&2; exit 3")
	require.NoError(t, failed.Err)
	require.EqualError(t, err, "launch: start qemu: failed (status 3): too bad\na hint")

	_, err = start(enough, "echo qemu: -chardev socket,id=a,server: warning: short form >&2; kill -KILL $$")
	require.EqualError(t, err, "launch: start qemu: killed (killed)")

	_, err = start(enough, "exit 0")
	require.EqualError(t, err, "launch: start qemu: the program has ended with status 0, and had no monitor or closed it")

	_, err = start(mute, "exec 3>&-; exec sleep 60")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestPrepareProcess changes the command.
func TestPrepareProcess(t *testing.T) {
	t.Parallel()
	q := qemutest.Get(t, "")
	path := script(t, "exec "+q.Path+` "$@"`)
	folder, err := os.Getwd()
	require.NoError(t, err)
	path, err = filepath.Rel(folder, path)
	require.NoError(t, err)
	other := t.TempDir()
	for _, prepare := range []func(cmd *exec.Cmd){
		func(cmd *exec.Cmd) { cmd.Dir = other }, // in which the relative path means nothing
		func(cmd *exec.Cmd) { cmd.SysProcAttr.Setsid = true },
		func(cmd *exec.Cmd) { cmd.SysProcAttr = nil },
		func(cmd *exec.Cmd) {
			cmd.Args = append([]string{"env", "A=B", cmd.Path}, cmd.Args[1:]...)
			cmd.Path = "/usr/bin/env"
		},
	} {
		p := startWith(t, launch.Config{Binary: path, Args: plain, Prepare: prepare})
		group, err := syscall.Getpgid(p.Pid())
		require.NoError(t, err)
		require.Equal(t, p.Pid(), group)
	}
}

// TestSecretOfAnotherUser has a program with another user read a secret, as QEMU reads it.
func TestSecretOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir, err := os.MkdirTemp("", "launch")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, "qemu")
	writeScript(t, path, "cat /dev/fd/3 >&2; exit 1")
	_, err = launch.Start(limited(t), launch.Config{Binary: path, Args: launch.Args{launch.Secret("s", []byte("hunter2"))},
		Prepare: func(cmd *exec.Cmd) { cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534} }})
	failed, ok := errors.AsType[*launch.StartError](err)
	require.True(t, ok)
	require.Equal(t, "hunter2", failed.Stderr)
}

// TestSecretInReason has QEMU repeat an option in its message, as it does.
func TestSecretInReason(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		_, err := launch.Start(ctx, launch.Config{Binary: q.Path, Args: launch.Args{plain,
			launch.Object(qemu.ObjectOptions{ID: "no identifier", QOMType: qemu.ObjectTypeSecret, Branch: &qemu.SecretProperties{Data: new("hunter2")}}),
		}})
		failed, ok := errors.AsType[*launch.StartError](err)
		require.True(t, ok)
		require.Contains(t, failed.Reason(), "identifier")
		require.NotContains(t, fmt.Sprintf("%v %+v", err, failed), "hunter2")
	})
}

// target fails with the architecture of the binary.
type target struct{}

func (target) AppendTo(line *launch.Line) error { return errors.New("target " + line.Target()) }

// TestTarget has a folder with a name like a QEMU's.
func TestTarget(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "qemu-system-misc", "qemu-system-aarch64")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	writeScript(t, path, "exit 1")
	_, err := launch.Start(limited(t), launch.Config{Binary: path, Args: launch.Args{target{}}})
	require.ErrorContains(t, err, "target aarch64")
}
