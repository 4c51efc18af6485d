package qmp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

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

// Value reads an optional member, new sets one.
func ExampleValue() {
	add := qemu.DeviceAdd{Driver: "virtio-rng-pci", ID: new("rng1")}
	fmt.Printf("%q %q\n", qmp.Value(add.ID), qmp.Value(add.Bus))
	// Output: "rng1" ""
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

// A program that logs a result hides the secrets in it.
func ExampleRedact() {
	result := qmp.RawJSON(`{"file": "https://me:s3cret@example.org/disk.img", "key-secret": "sec0", "cookie": "sid=4711"}`)
	fmt.Printf("%s\n", qmp.Redact(result))
	// Output: {"file": "https://me:***@example.org/disk.img", "key-secret": "sec0", "cookie": "***"}
}

// Redacted prints a value as JSON, with the values behind its pointers and without secrets.
func ExampleRedacted() {
	password := qemu.SetPassword{Branch: &qemu.SetPasswordOptionsVNC{Display: new("vnc2")}, Password: "geheim"}
	fmt.Println(qmp.Redacted(password))
	// Output: {"protocol":"vnc","password":"***","display":"vnc2"}
}
