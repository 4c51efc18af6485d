package machine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/qmpkit/qmpkit/machine"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// onFake does something with a fake QEMU.
func onFake(do func(ctx context.Context, client *qmp.Client, f *fake) error) {
	var p qmptest.Program
	defer p.Close()
	f := newFake(&p)
	if err := do(p.Context(), f.Dial(), f); err != nil {
		fmt.Println(err)
	}
}

// A picture of the screen, as a web server sends it.
func ExampleScreendump() {
	send := func(ctx context.Context, client *qmp.Client, response io.Writer) error {
		return machine.Screendump(ctx, client, response, &machine.ScreendumpOptions{Format: qemu.ImageFormatPNG})
	}
	_ = send
}

// The memory of a machine that hangs goes into a file. If it takes too long, QEMU gives up, and the machine goes on.
func ExampleDumpMemory() {
	onFake(func(ctx context.Context, client *qmp.Client, _ *fake) error {
		core, err := os.CreateTemp("", "core")
		if err != nil {
			return err
		}
		defer os.Remove(core.Name())
		defer core.Close()
		ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
		defer cancel()
		err = machine.DumpMemory(ctx, client, core, &machine.DumpOptions{
			Format:   qemu.DumpGuestMemoryFormatKdumpZlib,
			Progress: func(completed, total int64) { fmt.Println(100*completed/total, "%") },
		})
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			fmt.Println("too slow: the machine runs again")
		case errors.Is(err, machine.ErrDumping):
			fmt.Println("somebody else dumps this machine")
		}
		return err
	})
}

// QMP does not have the first command. The second command fails.
func ExampleHumanMonitor() {
	onFake(func(ctx context.Context, client *qmp.Client, f *fake) error {
		f.Handle("human-monitor-command", qmptest.Return("unknown command: 'info nosuch'\r\n"))
		output, err := machine.HumanMonitor(ctx, client, "info nosuch")
		if failure, ok := errors.AsType[*machine.HMPError](err); ok {
			fmt.Print("QEMU says: ", failure.Output)
			return nil
		}
		fmt.Print(output)
		return err
	})
	// Output:
	// QEMU says: unknown command: 'info nosuch'
}

// What the guest has printed on a serial port with "-chardev ringbuf,id=log,size=65536 -serial chardev:log".
func ExampleReadRingbuf() {
	onFake(func(ctx context.Context, client *qmp.Client, f *fake) error {
		f.Handle("ringbuf-read", qmptest.Return("bG9naW46IP8="))
		data, err := machine.ReadRingbuf(ctx, client, "log")
		fmt.Printf("%q\n", data)
		return err
	})
	// Output:
	// "login: \xff"
}

// Somebody looks at the screen.
func ExampleSessions() {
	onFake(func(ctx context.Context, client *qmp.Client, f *fake) error {
		f.Handle("query-vnc-servers", qmptest.Return([]qemu.VNCInfo2{{ID: "default", Auth: "none", Server: []qemu.VNCServerInfo2{}, Clients: []qemu.VNCClientInfo{
			{Host: "10.0.0.1", Service: "40000", Family: "ipv4"},
		}}}))
		for sessions, err := range machine.Sessions(ctx, client) {
			if err != nil {
				return err
			}
			for _, s := range sessions {
				fmt.Println(s.Protocol, s.Host)
			}
			break // or wait for a change
		}
		return nil
	})
	// Output:
	// vnc 10.0.0.1
}

// One command turns the link of a NIC off: it needs nothing of this package. hotplug.NIC has LinkDown.
func Example_link() {
	unplugCable := func(ctx context.Context, client *qmp.Client) error {
		return qemu.SetLink{Name: "net1", Up: false}.Do(ctx, client)
	}
	_ = unplugCable
}

// One command types on the keyboard.
func Example_keys() {
	login := func(ctx context.Context, client *qmp.Client) error {
		return qemu.SendKey{Keys: []qemu.KeyValue{
			{Branch: new(qemu.QKeyCodeCtrl)}, {Branch: new(qemu.QKeyCodeAlt)}, {Branch: new(qemu.QKeyCodeF2)},
		}}.Do(ctx, client)
	}
	_ = login
}
