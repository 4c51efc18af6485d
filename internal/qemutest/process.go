package qemutest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
)

// process is a program that does not outlive this one.
type process struct {
	cmd    *exec.Cmd
	output output
	ended  chan struct{}
	err    error // how it ended; to be read after ended is closed
}

// startProcess starts a program that inherits files as its descriptors 3, 4, …
func startProcess(path string, args []string, files []*os.File) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.ExtraFiles = files
	p.cmd.SysProcAttr = endWithParent()
	started := make(chan error)
	go func() {
		// On Linux the signal that ends a child is sent when the thread that started it ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Kill ends the process and waits for its end.
func (p *process) Kill() error {
	_ = p.cmd.Process.Kill() // fails when it has ended already
	<-p.ended
	return nil
}

// Pid is the process's number.
func (p *process) Pid() int { return p.cmd.Process.Pid }

// Ended is closed once the process has ended.
func (p *process) Ended() <-chan struct{} { return p.ended }

// Wait waits until the process has ended by itself, or until ctx ends. If the status of the process is not 0,
// the error says how the process ended.
func (p *process) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("%s still runs: %w", p.cmd.Path, ctx.Err())
	}
}

// Output returns what the process has written to its standard output and error so far.
func (p *process) Output() string { return p.output.String() }

// output is a buffer that is written and read at the same time.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
