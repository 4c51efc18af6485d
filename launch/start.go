package launch

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
)

// Config describes a QEMU to start. Binary is required.
type Config struct {
	// Binary is the program, for example "qemu-system-x86_64". If it has no slash, Start looks for it in the PATH.
	// It can be a script that ends with "exec qemu-system-x86_64": a QEMU that is a child of the script would not get signals.
	Binary string

	// Args are the arguments. Start adds its monitor behind them.
	Args Args

	// Monitor is the path of a UNIX socket for a second monitor, which other programs and [Attach] connect to. Start does
	// not use it itself. If a program listens at the path, the error matches [ErrPathInUse]. Start replaces a socket that
	// nobody listens on. When QEMU has ended, the path is removed. Do not remove the path of a QEMU that runs: when it ends, it
	// removes the path again, also if another QEMU listens there by then. Start and the removal take the lock of the folder
	// (flock) for a moment. If somebody else holds the lock, Start waits 10 seconds and fails; the removal waits 1 second and
	// leaves the path.
	Monitor string

	// Client configures the client. nil means the defaults.
	Client *qmp.Options

	// Stderr, if not nil, gets what QEMU writes to its standard error. A Writer that blocks does not block QEMU; it
	// loses text instead.
	Stderr io.Writer

	// Outlive lets QEMU continue when this program ends. It needs a Monitor. QEMU then runs in its own session. What QEMU
	// writes to its standard error after the end of this program is lost; to keep it, set Stderr of the command to a file
	// in Prepare. [Process.Stderr] is empty then.
	Outlive bool

	// Prepare, if not nil, changes the command before it starts: its Dir, its Env, a file as its Stderr, or SysProcAttr for a user
	// or a cgroup. It can put a program in front that executes QEMU in its own place, such as prlimit or aa-exec: Path becomes
	// that program, and Args gets its words before those of QEMU, of which the first is then the path of QEMU. Start adds
	// to SysProcAttr the signal at the end of this program and the process group. Other fields belong to Start.
	Prepare func(cmd *exec.Cmd)
}

// grace is how long a QEMU that has closed its monitor may take to end by itself.
const grace = 5 * time.Second

// stderrDelay is how long the output of a QEMU that has ended is read. A helper of QEMU can hold the pipe open.
const stderrDelay = 100 * time.Millisecond

// Start starts QEMU and returns when the machine exists and the monitor answers. If ctx ends first, Start kills QEMU.
// The time depends on the machine: 0.1 seconds for most, several seconds with gigabytes of preallocated memory. ctx
// has no effect after Start has returned.
//
// If Start fails, no process is left, and the error is a [*StartError]. It also matches:
//   - [exec.ErrNotFound], [os.ErrNotExist], [os.ErrPermission]: the program cannot be executed.
//   - [ErrPathInUse]: a program listens at a path that QEMU should get.
//   - the error of ctx: ctx ended first.
//   - [errors.ErrUnsupported]: this platform cannot pass descriptors, or the binary is too old for an option.
//
// Start has copies of the descriptors in the arguments, and closes them before it returns.
func Start(ctx context.Context, cfg Config) (*Process, error) {
	line := &Line{ctx: ctx, binary: cfg.Binary}
	defer line.close()
	p, err := start(ctx, &cfg, line)
	if err != nil {
		failed, ok := errors.AsType[*StartError](err)
		if !ok {
			failed = &StartError{Err: err}
		}
		failed.Binary, failed.Args = cfg.Binary, line.shown()
		failed.Stderr = line.hide(failed.Stderr)
		removeAll(line.paths)
		for _, s := range line.sockets {
			s.drop()
		}
		return nil, failed
	}
	return p, nil
}

func start(ctx context.Context, cfg *Config, line *Line) (p *Process, err error) {
	switch {
	case !canPassDescriptors:
		return nil, errNoDescriptors
	case cfg.Binary == "":
		return nil, errors.New("Config needs a Binary")
	case cfg.Outlive && cfg.Monitor == "":
		return nil, errors.New("Config with Outlive needs a Monitor")
	}
	if err := wait.Err(ctx); err != nil {
		return nil, err
	}
	if line.binary, err = exec.LookPath(cfg.Binary); err != nil {
		return nil, err
	}
	if line.binary, err = filepath.Abs(line.binary); err != nil { // Prepare can set another Dir
		return nil, err
	}
	if err := line.appendAll(cfg.Args); err != nil {
		return nil, err
	}
	if slices.Contains(line.words, "-daemonize") || slices.Contains(line.words, "--daemonize") {
		return nil, errors.New("-daemonize hides the process: use Config.Outlive")
	}
	if cfg.Monitor != "" {
		address, err := line.listen(cfg.Monitor)
		if err != nil {
			return nil, err
		}
		line.Add("-qmp", "unix:fd="+address+",server=on,wait=off")
	}
	monitor, fd, err := line.socketPair()
	if err != nil {
		return nil, err
	}
	defer monitor.Close() // the client has a copy
	line.Add("-qmp", "unix:fd="+fd)

	stderr, stderrEnd, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(line.binary, line.words...)
	cmd.Stderr, cmd.ExtraFiles, cmd.SysProcAttr = stderrEnd, line.files, new(syscall.SysProcAttr)
	cmd.WaitDelay = stderrDelay
	if cfg.Prepare != nil {
		cfg.Prepare(cmd)
	}
	cmd.SysProcAttr = processAttributes(cmd.SysProcAttr, cfg.Outlive)
	p = newProcess(cfg.Stderr)
	p.owned = line.paths
	started := make(chan error)
	go p.run(cmd, stderr, started)
	err = <-started
	stderrEnd.Close()
	line.close() // so that the end of QEMU closes the sockets
	if err != nil {
		return nil, err
	}
	return p, p.connect(ctx, monitor, cfg.Client)
}

// connect makes the client. If that fails, it kills the process and returns a StartError.
func (p *Process) connect(ctx context.Context, monitor *os.File, opts *qmp.Options) error {
	alive, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.ended:
			cancel()
		case <-alive.Done():
		}
	}()
	client, err := qmp.NewFileClient(alive, monitor, opts)
	if err == nil {
		p.setClient(client)
		return nil
	}
	reason := wait.Err(ctx)
	if reason == nil { // QEMU closes the monitor before it ends
		limit := time.NewTimer(grace)
		defer limit.Stop()
		select {
		case <-p.ended:
		case <-ctx.Done():
			reason = wait.Err(ctx)
		case <-limit.C:
			reason = err
		}
	}
	close(p.connected)
	reason = errors.Join(reason, p.Kill())
	failed := &StartError{Stderr: p.Stderr(), Err: reason}
	failed.Exit, _ = p.Exit()
	return failed
}

// run starts the process, waits for its end and cleans up. It stays on one thread: on Linux, a child that does not
// outlive its parent gets its signal when the thread that started it ends.
func (p *Process) run(cmd *exec.Cmd, stderr *os.File, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer stderr.Close()
	err := cmd.Start()
	if err == nil {
		p.process, p.pid = cmd.Process, cmd.Process.Pid
	}
	started <- err
	if err != nil {
		return
	}
	read := make(chan struct{})
	go func() {
		p.stderr.readFrom(stderr)
		close(read)
	}()
	_ = cmd.Wait() // the state has the status
	close(p.ended)
	_ = stderr.SetReadDeadline(time.Now().Add(stderrDelay))
	<-read
	p.finish(exitOf(cmd.ProcessState))
}
