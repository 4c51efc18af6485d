package guestagent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// This waits until the guest has booted. With the monitor and the ID of the port, it also ends when QEMU ends.
func ExampleDial() {
	connect := func(ctx context.Context, client *qmp.Client) (*guestagent.Agent, error) {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		agent, err := guestagent.Dial(ctx, "/run/vm1/qga.sock", &guestagent.Options{VM: client, Port: "agent0"})
		if e, ok := errors.AsType[*guestagent.NotReadyError](err); ok && e.Known && !e.PortOpened {
			log.Print("install qemu-guest-agent in the guest")
		}
		return agent, err
	}
	_ = connect
}

// An Agent of a client that the program has.
func ExampleNew() {
	connect := func(ctx context.Context) (*guestagent.Agent, error) {
		client, err := qmp.DialGuest(ctx, "/run/vm1/qga.sock", &qmp.Options{Trace: func(m qmp.TraceMessage) { log.Print(m) }})
		if err != nil {
			return nil, err
		}
		return guestagent.New(client, nil), nil
	}
	_ = connect
}

// A request of generated/guest.
func ExampleAgent_Execute() {
	name := func(ctx context.Context, agent *guestagent.Agent) (string, error) {
		info, err := guest.GuestGetOSInfo{}.Do(ctx, agent)
		if errors.Is(err, guestagent.ErrDisabled) {
			return "", errors.New("the agent's configuration disables guest-get-osinfo")
		}
		return qmp.Value(info.PrettyName), err
	}
	_ = name
}

// The agent of a guest that was reset answers when the guest has booted again.
func ExampleAgent_WaitReady() {
	reset := func(ctx context.Context, client *qmp.Client, agent *guestagent.Agent) error {
		if err := (qemu.SystemReset{}).Do(ctx, client); err != nil {
			return err
		}
		return agent.WaitReady(ctx)
	}
	_ = reset
}

func ExampleAgent_Run() {
	sorted := func(ctx context.Context, agent *guestagent.Agent) error {
		r, err := agent.Run(ctx, guestagent.Command{Path: "sort", Stdin: strings.NewReader("b\na\n")})
		if exit, ok := errors.AsType[*guestagent.ExitError](err); ok {
			log.Printf("status %d: %s", exit.ExitCode, exit.Stderr)
		}
		if err != nil {
			return err
		}
		fmt.Printf("%s", r.Stdout)
		return nil
	}
	_ = sorted
}

// The program goes on when the caller ends. Another process waits for it.
func ExampleAgent_Start() {
	start := func(ctx context.Context, agent *guestagent.Agent) (pid int64, err error) {
		p, err := agent.Start(ctx, guestagent.Command{Path: "fstrim", Args: []string{"-a"}})
		if err != nil {
			return 0, err
		}
		return p.PID(), nil
	}
	wait := func(ctx context.Context, agent *guestagent.Agent, pid int64) error {
		_, err := agent.Process(pid).Wait(ctx)
		return err
	}
	_, _ = start, wait
}

func ExampleProcess_Kill() {
	stop := func(ctx context.Context, agent *guestagent.Agent, pid int64) error {
		p := agent.Process(pid)
		if err := p.Kill(ctx); err != nil {
			return err
		}
		_, err := p.Wait(ctx)
		if exit, ok := errors.AsType[*guestagent.ExitError](err); ok && exit.Signal == 9 {
			return nil
		}
		return err
	}
	_ = stop
}

// This reads the end of a log.
func ExampleAgent_Open() {
	tail := func(ctx context.Context, agent *guestagent.Agent) (text []byte, err error) {
		f, err := agent.Open(ctx, "/var/log/syslog", os.O_RDONLY)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if _, err := f.Seek(-1000, io.SeekEnd); err != nil {
			return nil, err
		}
		return io.ReadAll(f)
	}
	_ = tail
}

func ExampleAgent_WriteFile() {
	write := func(ctx context.Context, agent *guestagent.Agent) error {
		return agent.WriteFile(ctx, "/home/user/.ssh/authorized_keys", []byte("ssh-ed25519 …\n"), 0o600)
	}
	_ = write
}

func ExampleAgent_CopyTo() {
	upload := func(ctx context.Context, agent *guestagent.Agent, file *os.File) error {
		info, err := file.Stat()
		if err != nil {
			return err
		}
		_, err = agent.CopyTo(ctx, "/var/tmp/tools.img", file, &guestagent.CopyOptions{
			Size:     info.Size(),
			Progress: func(done, total int64) { fmt.Printf("\r%d%%", 100*done/total) },
		})
		return err
	}
	_ = upload
}

func ExampleAgent_CopyFrom() {
	download := func(ctx context.Context, agent *guestagent.Agent, file *os.File) error {
		_, err := agent.CopyFrom(ctx, "/var/log/syslog", file, nil)
		return err
	}
	_ = download
}

func ExampleAgent_WhileFrozen() {
	snapshot := func(ctx context.Context, client *qmp.Client, agent *guestagent.Agent) error {
		err := agent.WhileFrozen(ctx, &guestagent.FreezeOptions{Limit: 5 * time.Second}, func(ctx context.Context) error {
			return qemu.BlockdevSnapshot{Node: "root", Overlay: "root-1"}.Do(ctx, client)
		})
		if _, ok := errors.AsType[*guestagent.ThawError](err); ok {
			log.Print("the guest may still be frozen")
		}
		return err
	}
	_ = snapshot
}

// A manager that was restarted thaws the guest, in case that it ended during a freeze.
func ExampleAgent_Thaw() {
	recover := func(ctx context.Context, agent *guestagent.Agent) error {
		status, err := guest.GuestFsfreezeStatus{}.Do(ctx, agent)
		if err != nil || status == guest.GuestFsfreezeStatusResultThawed {
			return err
		}
		return agent.Thaw(ctx)
	}
	_ = recover
}

func ExampleAgent_Shutdown() {
	stop := func(ctx context.Context, agent *guestagent.Agent) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		return agent.Shutdown(ctx, guestagent.PowerDown)
	}
	_ = stop
}

// A guest that was paused has a clock that is slow.
func ExampleAgent_SetTime() {
	resume := func(ctx context.Context, client *qmp.Client, agent *guestagent.Agent) error {
		if err := (qemu.Cont{}).Do(ctx, client); err != nil {
			return err
		}
		return agent.SetTime(ctx, time.Now())
	}
	_ = resume
}

func ExampleAgent_Interfaces() {
	list := func(ctx context.Context, agent *guestagent.Agent) error {
		all, err := agent.Interfaces(ctx)
		for _, i := range all {
			fmt.Println(i.Name, i.MAC, i.Addresses) // eth0 52:54:00:12:34:56 [192.0.2.7/24]
		}
		return err
	}
	_ = list
}
