package qmp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
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

func ExampleClient_Events() {
	watch := func(ctx context.Context, c *qmp.Client) error {
		events := c.Events() // all of them
		defer events.Close()
		for {
			e, err := events.Next(ctx)
			if errors.Is(err, qmp.ErrEventsLost) {
				fmt.Println(err)
				continue
			}
			if err != nil {
				return err
			}
			fmt.Println(e.Time, e.Name, e.Data)
		}
	}
	_ = watch
}

// The guest has 30 seconds to release a disk. It may refuse, or never answer.
func ExampleAwaitEvent() {
	unplug := func(ctx context.Context, client *qmp.Client) error {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		gone, err := qmp.AwaitEvent(ctx, client, func(e qemu.DeviceDeletedEvent) bool {
			return qmp.Value(e.Device) == "disk1"
		}, qemu.DeviceDel{ID: "disk1"})
		if err != nil {
			return err
		}
		fmt.Println(gone.Path, "is gone")
		return nil
	}
	_ = unplug
}

// The guest releases the disk or refuses: EventAs tells the two events apart.
func ExampleEventAs() {
	unplug := func(ctx context.Context, c *qmp.Client) error {
		events := c.Events(qemu.EventDeviceDeleted, qemu.EventDeviceUnplugGuestError)
		defer events.Close()
		if err := (qemu.DeviceDel{ID: "disk1"}).Do(ctx, c); err != nil {
			return err
		}
		for {
			raw, err := events.Next(ctx)
			if err != nil {
				return err
			}
			gone, ok, err := qmp.EventAs[qemu.DeviceDeletedEvent](raw)
			if err != nil {
				return err
			}
			if ok && qmp.Value(gone.Device) == "disk1" {
				return nil
			}
			refused, ok, err := qmp.EventAs[qemu.DeviceUnplugGuestErrorEvent](raw)
			if err != nil {
				return err
			}
			if ok && qmp.Value(refused.Device) == "disk1" {
				return errors.New("the guest keeps disk1")
			}
		}
	}
	_ = unplug
}

func ExampleWithFile() {
	add := func(ctx context.Context, c *qmp.Client, path string) error {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close() // the server has its own descriptor
		_, err = qmp.Raw{Command: "add-fd", Args: qmp.Args{"fdset-id": 1}}.Do(ctx, c, qmp.WithFile(f))
		return err
	}
	_ = add
}

// A program that logs a result hides the secrets in it.
func ExampleRedact() {
	result := qmp.RawJSON(`{"file": "https://me:s3cret@example.org/disk.img", "key-secret": "sec0", "cookie": "sid=4711"}`)
	fmt.Printf("%s\n", qmp.Redact(result))
	// Output: {"file": "https://me:***@example.org/disk.img", "key-secret": "sec0", "cookie": "***"}
}

// Args takes values of many Go types: numbers from JSON, maps, and pointers that may be nil.
func ExampleArgs() {
	var serial *string // not given
	args := qmp.Args{
		"driver":    "virtio-blk-pci",
		"drive":     "data1",
		"bootindex": json.Number("2"),
		"serial":    serial,
		"iothreads": []map[string]string{{"iothread": "io0"}, {"iothread": "io1"}},
	}
	fmt.Println(args)

	_, err := qmp.Args{"data": []byte("abc")}.MarshalJSON()
	fmt.Println(err)
	// Output:
	// {"bootindex":2,"drive":"data1","driver":"virtio-blk-pci","iothreads":[{"iothread":"io0"},{"iothread":"io1"}]}
	// qmp: cannot encode: data: a value of type []uint8 cannot be sent: use a string for text, base64 in a string for binary data, RawJSON for JSON
}

// An empty bus is left out, so that QEMU chooses one.
func ExampleNonZero() {
	add := func(id, bus string) qemu.DeviceAdd {
		return qemu.DeviceAdd{Driver: "virtio-rng-pci", ID: new(id), Bus: qmp.NonZero(bus)}
	}
	fmt.Println(add("rng0", "pci.1"))
	fmt.Println(add("rng1", ""))
	// Output:
	// {"driver":"virtio-rng-pci","bus":"pci.1","id":"rng0"}
	// {"driver":"virtio-rng-pci","id":"rng1"}
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

// A caller that removes what it has added does not have to remove a netdev that QEMU refused.
func ExampleMayHaveExecuted() {
	exampleQEMU(func(ctx context.Context, c *qmp.Client, s *qmptest.Server) {
		s.Handle("netdev_add", qmptest.Refuse(qmp.ErrGeneric, "Duplicate ID 'net0' for netdev"))
		err := qemu.NetdevAdd{ID: "net0", Branch: &qemu.NetdevUserOptions{}}.Do(ctx, c)
		fmt.Println(err)
		fmt.Println(qmp.MayHaveExecuted(err))
	})
	// Output:
	// qmp: netdev_add: Duplicate ID 'net0' for netdev
	// false
}

// Raw executes commands for which there is no type.
func ExampleRaw() {
	exampleQEMU(func(ctx context.Context, c *qmp.Client, s *qmptest.Server) {
		s.Handle("x-new-command", qmptest.Return(map[string]any{"count": 2}))
		result, err := qmp.Raw{Command: "x-new-command", Args: qmp.Args{"all": true}}.Do(ctx, c)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(result)
	})
	// Output: {"count":2}
}

// QEMU gets 100 ms for query-block and a minute for every other command.
func ExampleWithTimeout() {
	exampleQEMU(func(ctx context.Context, c *qmp.Client, s *qmptest.Server) {
		s.Handle("query-block", qmptest.NoReply)
		conn := qmp.WithTimeout(c, func(command string) time.Duration {
			if command == "query-block" {
				return 100 * time.Millisecond
			}
			return time.Minute
		})
		_, err := qemu.QueryBlock{}.Do(ctx, conn)
		fmt.Println(err)
		fmt.Println(errors.Is(err, context.DeadlineExceeded))
	})
	// Output:
	// qmp: query-block: sent, outcome unknown: the command's time limit of 100ms has passed
	// true
}

// Each command to the guest agent gets five seconds.
func ExampleExecutorWithTimeout() {
	ping := func(ctx context.Context, agent *qmp.GuestClient) error {
		x := qmp.ExecutorWithTimeout(agent, func(string) time.Duration { return 5 * time.Second })
		return guest.GuestPing{}.Do(ctx, x)
	}
	_ = ping
}

// countingConn is a Conn that counts the commands. It gets its events from the Conn in it.
type countingConn struct {
	qmp.Conn
	commands int
}

func (c *countingConn) Execute(ctx context.Context, call *qmp.Call) error {
	c.commands++
	return c.Conn.Execute(ctx, call)
}

// Unwrap lets [qmp.ServerOf] find the server.
func (c *countingConn) Unwrap() qmp.Executor { return c.Conn }

// A type that embeds a Conn is a Conn, too.
func ExampleConn() {
	exampleQEMU(func(ctx context.Context, c *qmp.Client, s *qmptest.Server) {
		s.Handle("stop", qmptest.Return(nil))
		conn := &countingConn{Conn: c}
		if err := (qemu.Stop{}).Do(ctx, conn); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(conn.commands)
	})
	// Output: 1
}

// A client and its wrapper have the same server.
func ExampleServerOf() {
	exampleQEMU(func(_ context.Context, c *qmp.Client, _ *qmptest.Server) {
		fmt.Println(qmp.ServerOf(&countingConn{Conn: c}) == qmp.ServerOf(c))
	})
	// Output: true
}

func ExampleSubscription_Next() {
	exampleQEMU(func(ctx context.Context, c *qmp.Client, s *qmptest.Server) {
		gone := qmp.Subscribe[qemu.DeviceDeletedEvent](c)
		defer gone.Close()
		s.Event(qemu.EventDeviceDeleted, map[string]any{"device": "disk1", "path": "/machine/peripheral/disk1"})

		e, err := gone.Next(ctx)
		if err != nil {
			fmt.Println(err) // see Next: after some errors it can be called again
			return
		}
		fmt.Println(e.Data.Path)
	})
	// Output: /machine/peripheral/disk1
}

// When a command returns, every event that the server sent before the reply is in the queue.
func ExampleSubscription_Queued() {
	exampleQEMU(func(ctx context.Context, c *qmp.Client, s *qmptest.Server) {
		stopped := qmp.Subscribe[qemu.StopEvent](c)
		defer stopped.Close()
		s.Handle("stop", func(*qmptest.Request) (any, error) {
			s.Event(qemu.EventStop, nil)
			return nil, nil
		})
		if err := (qemu.Stop{}).Do(ctx, c); err != nil {
			fmt.Println(err)
			return
		}
		count := 0
		for _, err := range stopped.Queued() {
			if err != nil {
				fmt.Println(err)
				return
			}
			count++
		}
		fmt.Println(count)
	})
	// Output: 1
}

// The class of an error decides what to do. Its text is for people.
func ExampleError() {
	exampleQEMU(func(ctx context.Context, c *qmp.Client, s *qmptest.Server) {
		s.Handle("device_del", qmptest.Refuse(qmp.ErrDeviceNotFound, "Device 'disk1' not found"))
		err := fmt.Errorf("clean up: %w", qemu.DeviceDel{ID: "disk1"}.Do(ctx, c))
		fmt.Println(errors.Is(err, qmp.ErrDeviceNotFound))
		if refused, ok := errors.AsType[*qmp.Error](err); ok {
			fmt.Printf("%s: %q\n", refused.Command, refused.Desc)
		}
	})
	// Output:
	// true
	// device_del: "Device 'disk1' not found"
}

// A job ends with one of two events. QEMU may send them before it answers the command.
func ExampleAwait() {
	exampleQEMU(func(ctx context.Context, c *qmp.Client, s *qmptest.Server) {
		s.Handle("block-job-cancel", func(*qmptest.Request) (any, error) {
			s.Event(qemu.EventBlockJobCancelled, qemu.BlockJobCancelledEvent{Type: qemu.JobTypeMirror, Device: "copy1"})
			return nil, nil
		})
		end, err := qmp.Await(ctx, c, func(ctx context.Context) error {
			return qemu.BlockJobCancel{Device: "copy1"}.Do(ctx, c)
		}, nil, qemu.EventBlockJobCancelled, qemu.EventBlockJobCompleted)
		fmt.Println(end.Name, err)
	})
	// Output: BLOCK_JOB_CANCELLED <nil>
}

// EventsFunc keeps the events of other jobs out of the queue.
func ExampleClient_EventsFunc() {
	exampleQEMU(func(ctx context.Context, c *qmp.Client, s *qmptest.Server) {
		ours := c.EventsFunc(func(e qmp.RawEvent) bool {
			job, ok, err := qmp.EventAs[qemu.JobStatusChangeEvent](e)
			return err == nil && ok && job.ID == "copy1"
		}, qemu.EventJobStatusChange)
		defer ours.Close()
		s.Event(qemu.EventJobStatusChange, qemu.JobStatusChangeEvent{ID: "copy2", Status: qemu.JobStatusRunning})
		s.Event(qemu.EventJobStatusChange, qemu.JobStatusChangeEvent{ID: "copy1", Status: qemu.JobStatusReady})
		e, err := ours.Next(ctx)
		fmt.Println(e.Data, err)
	})
	// Output: {"id":"copy1","status":"ready"} <nil>
}

// The loop gets the errors of Next, too. It can be left and begun again.
func ExampleSubscription_All() {
	exampleQEMU(func(ctx context.Context, c *qmp.Client, s *qmptest.Server) {
		jobs := qmp.Subscribe[qemu.JobStatusChangeEvent](c)
		defer jobs.Close()
		for _, status := range []qemu.JobStatus{qemu.JobStatusRunning, qemu.JobStatusConcluded} {
			s.Event(qemu.EventJobStatusChange, qemu.JobStatusChangeEvent{ID: "copy1", Status: status})
		}
		for e, err := range jobs.All(ctx) {
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println(e.Data.ID, "is", e.Data.Status)
			if e.Data.Status == qemu.JobStatusConcluded {
				return
			}
		}
	})
	// Output:
	// copy1 is running
	// copy1 is concluded
}

// Redacted prints a value as JSON, with the values behind its pointers and without secrets.
func ExampleRedacted() {
	password := qemu.SetPassword{Branch: &qemu.SetPasswordOptionsVNC{Display: new("vnc2")}, Password: "geheim"}
	fmt.Println(qmp.Redacted(password))
	// Output: {"protocol":"vnc","password":"***","display":"vnc2"}
}

// Value reads an optional member, new sets one.
func ExampleValue() {
	add := qemu.DeviceAdd{Driver: "virtio-rng-pci", ID: new("rng1")}
	fmt.Printf("%q %q\n", qmp.Value(add.ID), qmp.Value(add.Bus))
	// Output: "rng1" ""
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

// QEMU runs this command at once, even while another one waits.
func ExampleOutOfBand() {
	makeListen := func(ctx context.Context) error {
		c, err := qmp.Dial(ctx, "/run/vm1/qmp.sock", &qmp.Options{OOB: true})
		if err != nil {
			return err
		}
		defer c.Close()
		return qemu.MigrateRecover{URI: "tcp:[::]:4445"}.Do(ctx, c, qmp.OutOfBand())
	}
	_ = makeListen
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

// A program that has nothing to send learns that QEMU has ended.
func ExampleClient_Done() {
	exampleQEMU(func(_ context.Context, c *qmp.Client, s *qmptest.Server) {
		s.Disconnect()
		<-c.Done()
		fmt.Println(c.Err() != nil)
	})
	// Output: true
}

// Stats counts what the client has done, for metrics.
func ExampleClient_Stats() {
	exampleQEMU(func(ctx context.Context, c *qmp.Client, s *qmptest.Server) {
		s.Handle("stop", qmptest.Refuse(qmp.ErrGeneric, "not now"))
		before := c.Stats()
		_ = qemu.Stop{}.Do(ctx, c) // refused
		after := c.Stats()
		fmt.Println(after.Commands-before.Commands, "command,", after.Refused-before.Refused, "refused")
	})
	// Output: 1 command, 1 refused
}

// The standard logger is a Logger.
func ExampleOptions_logger() {
	dial := func(ctx context.Context) (*qmp.Client, error) {
		return qmp.Dial(ctx, "/run/vm1/qmp.sock", &qmp.Options{Logger: slog.Default()})
	}
	_ = dial
}

// exampleQEMU calls f with a client of a server that f can tell how to answer.
func exampleQEMU(f func(ctx context.Context, c *qmp.Client, s *qmptest.Server)) {
	h := new(exampleHost)
	defer h.end()
	s := qmptest.NewServer(h, nil)
	f(context.Background(), s.Dial(), s)
}

// exampleHost takes the place of a test.
type exampleHost struct{ cleanups []func() }

func (*exampleHost) Helper()                           {}
func (*exampleHost) Context() context.Context          { return context.Background() }
func (h *exampleHost) Cleanup(f func())                { h.cleanups = append(h.cleanups, f) }
func (*exampleHost) Error(args ...any)                 { fmt.Println(args...) }
func (*exampleHost) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (*exampleHost) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (h *exampleHost) end() {
	for _, f := range slices.Backward(h.cleanups) {
		f()
	}
}
