package qemutest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/qmpkit/qmpkit/launch"
)

// A VM is a running QEMU. Several goroutines can call its methods.
type VM struct {
	*Server
	QEMU   *QEMU
	booted func() // tells Start that the guest is up; nil without Start
}

// startLimit is for a QEMU that starts while all CPUs are busy.
const startLimit = time.Minute

// Launch starts q, and returns when its machine exists. Tests use [QEMU.Start].
func (q *QEMU) Launch(cfg Config) (*VM, error) {
	path, err := q.emulator(cfg.target())
	if err != nil {
		return nil, err
	}
	var firmware, guest string
	if cfg.Firmware {
		firmware = filepath.Join(filepath.Dir(path), "QEMU_EFI.fd")
	}
	if cfg.Guest {
		if guest, err = findGuest(cfg.target()); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "qemu") // short: a socket's path has at most 107 bytes
	if err != nil {
		return nil, err
	}
	command := cfg.command(dir, firmware, guest)
	if cfg.Agent { // the last option counts
		file := filepath.Join(dir, "initrd")
		initrd, err := q.agentInitrd(guest)
		if err == nil {
			err = os.WriteFile(file, initrd, 0o600)
		}
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		command = append(command, "-initrd", file)
	}
	qemu := &qemuProcess{}
	var sockets []string
	args := launch.Args{}
	for i := range cfg.monitors() {
		id := "monitor" + strconv.Itoa(i)
		socket := filepath.Join(dir, id)
		sockets = append(sockets, socket)
		args = append(args, &launch.Socket{ID: id, Path: socket}, "-qmp", "chardev:"+id)
	}
	for _, word := range command {
		args = append(args, word)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	qemu.Process, err = launch.Start(ctx, launch.Config{
		Binary: path, Args: args, Stderr: &qemu.output,
		Prepare: func(cmd *exec.Cmd) {
			cmd.Stdout = cmd.Stderr           // qemu-io prints there
			cmd.SysProcAttr = endWithParent() // even if a test has stopped QEMU
		},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("QEMU %s: %w", q.Release(), err), os.RemoveAll(dir))
	}
	// A test has all the monitors that it has asked for. QEMU 5.2 and 7.2 behave differently when the last one is closed.
	_ = qemu.Client().Close() // returns nil
	return &VM{Server: &Server{program: qemu, Sockets: sockets, Dir: dir}, QEMU: q}, nil
}

// A qemuProcess is a QEMU as a program.
type qemuProcess struct {
	*launch.Process
	output output
}

func (p *qemuProcess) Ended() <-chan struct{} { return p.Done() }

func (p *qemuProcess) Output() string { return p.output.String() }

func (p *qemuProcess) Wait(ctx context.Context) error {
	exit, err := p.Process.Wait(ctx)
	if err == nil && (exit.Signal != nil || exit.Status != 0) {
		err = errors.New(exit.String())
	}
	return err
}
