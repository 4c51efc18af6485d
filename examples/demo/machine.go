package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/qmpkit/qmpkit/internal/fakeqemu"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// A machine is what the demo connects to.
type machine struct {
	socket string
	close  func() error
	boot   func(ctx context.Context) error // waits until it is up

	// deaf says that nothing in the machine answers a request to release a device: then a
	// reset does it.
	deaf bool
}

// start starts a QEMU with a guest. If there is no guest, it starts QEMU without one. If there is no QEMU, it
// starts the fake server.
func start(out io.Writer) (*machine, error) {
	q, err := qemutest.Find("")
	if errors.Is(err, qemutest.ErrMissing) {
		fmt.Fprintf(out, "no QEMU on this machine (%v): a fake server takes its place\n", err)
		return standIn(), nil
	}
	if err != nil {
		return nil, err
	}
	vm, err := q.Launch(qemutest.Config{Machine: "pc", Guest: true})
	if errors.Is(err, qemutest.ErrMissing) {
		fmt.Fprintf(out, "starting %s without a guest (%v)\n", q.Path, err)
		if vm, err = q.Launch(qemutest.Config{Machine: "pc"}); err != nil {
			return nil, err
		}
		return &machine{socket: vm.Socket(), close: vm.Close, boot: atOnce, deaf: true}, nil
	}
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "starting %s with a Linux guest\n", q.Path)
	return &machine{socket: vm.Socket(), close: vm.Close, boot: vm.WaitGuest}, nil
}

// atOnce is for machines that have nothing to boot.
func atOnce(context.Context) error { return nil }

// standIn is the machine where there is no QEMU.
func standIn() *machine {
	p := new(qmptest.Program)
	return &machine{socket: fakeqemu.New(p).Addr(), close: p.Close, boot: atOnce}
}

// removing calls remove, and resets a machine that does not answer until it has returned.
func (m *machine) removing(ctx context.Context, client *qmp.Client, remove func() error) error {
	if !m.deaf {
		return remove()
	}
	removed := make(chan error, 1)
	go func() { removed <- remove() }()
	for {
		select {
		case err := <-removed:
			return err
		case <-time.After(time.Second):
			if err := (qemu.SystemReset{}).Do(ctx, client); err != nil {
				return err
			}
		}
	}
}
