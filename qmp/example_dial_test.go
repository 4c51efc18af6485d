package qmp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
)

func ExampleDial() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := qmp.Dial(ctx, "/run/vm1/qmp.sock", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	_, err = qmp.Raw{Command: "device_del", Args: qmp.Args{"id": "disk1"}}.Do(ctx, c)
	switch {
	case err == nil:
		fmt.Println("the guest was asked to release the disk")
	case errors.Is(err, qmp.ErrDeviceNotFound):
		fmt.Println("there is no such disk")
	case errors.Is(err, qmp.ErrNotSent):
		fmt.Println("nothing has happened; it can be tried again")
	case errors.Is(err, qmp.ErrOutcomeUnknown):
		fmt.Println("unknown: ask the server whether the disk is still there")
	default:
		fmt.Println(err)
	}
}

// A server that was just started may not listen yet. exited is closed when its process has ended.
func ExampleDialWait() {
	start := func(ctx context.Context, qemu *exec.Cmd, socket string) (*qmp.Client, error) {
		if err := qemu.Start(); err != nil {
			return nil, err
		}
		exited := make(chan struct{})
		go func() {
			defer close(exited)
			_ = qemu.Wait()
		}()
		return qmp.DialWait(ctx, socket, exited, nil)
	}
	_ = start
}

// QEMU connects to the program: -qmp unix:/run/vm1/manager.sock
func ExampleAccept() {
	accept := func(ctx context.Context) (*qmp.Client, error) {
		l, err := net.Listen("unix", "/run/vm1/manager.sock")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		return qmp.Accept(ctx, l, nil)
	}
	_ = accept
}

// The guest agent's channel can be dialled before the guest has booted.
func ExampleDialGuest() {
	hostName := func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		agent, err := qmp.DialGuest(ctx, "/run/vm1/qga.sock", nil)
		if err != nil {
			return "", err
		}
		defer agent.Close()
		name, err := guest.GuestGetHostName{}.Do(ctx, agent)
		return name.HostName, err
	}
	_ = hostName
}

// A child process, whose standard input and output are the monitor.
func ExamplePipes() {
	start := func(ctx context.Context) (*qmp.Client, error) {
		cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-display", "none", "-qmp", "stdio")
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		return qmp.NewClient(ctx, qmp.Pipes(out, in), nil) // closing the client ends QEMU's monitor; then call cmd.Wait
	}
	_ = start
}

// Any connection will do, for example one through a tunnel.
func ExampleNewClient() {
	connect := func(ctx context.Context, dialTunnel func(context.Context) (net.Conn, error)) (*qmp.Client, error) {
		conn, err := dialTunnel(ctx)
		if err != nil {
			return nil, err
		}
		return qmp.NewClient(ctx, conn, nil) // which also closes conn if it fails
	}
	_ = connect
}

// Trace shows the messages of one command, with the time that it took.
func ExampleOptions_trace() {
	dial := func(ctx context.Context, command string) (*qmp.Client, error) {
		return qmp.Dial(ctx, "/run/vm1/qmp.sock", &qmp.Options{Trace: func(m qmp.TraceMessage) {
			if m.Command == command {
				fmt.Fprintf(os.Stderr, "%t %s %s\n", m.Sent, m.Duration, m.Text)
			}
		}})
	}
	_ = dial
}

// The standard logger is a Logger.
func ExampleOptions_logger() {
	dial := func(ctx context.Context) (*qmp.Client, error) {
		return qmp.Dial(ctx, "/run/vm1/qmp.sock", &qmp.Options{Logger: slog.Default()})
	}
	_ = dial
}
