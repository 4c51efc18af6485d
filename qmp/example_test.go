package qmp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
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
		fmt.Println("the guest was asked to let go of the disk")
	case errors.Is(err, qmp.ErrDeviceNotFound):
		fmt.Println("there is no such disk")
	case errors.Is(err, qmp.ErrNotSent):
		fmt.Println("nothing has happened; it can be tried again")
	case errors.Is(err, qmp.ErrOutcomeUnknown):
		fmt.Println("the disk may be there or not")
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

// The guest is asked to release a disk. It has 30 seconds: it may refuse, or never answer.
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

// An answer of either of two types is waited for.
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

// A program that logs a result by itself does not log the secrets in it.
func ExampleRedact() {
	result := qmp.RawJSON(`{"file": "https://me:s3cret@example.org/disk.img", "key-secret": "sec0", "cookie": "sid=4711"}`)
	fmt.Printf("%s\n", qmp.Redact(result))
	// Output: {"file": "https://me:***@example.org/disk.img", "key-secret": "sec0", "cookie": "***"}
}

// Args takes what a program has: numbers that were read from JSON, maps, and pointers that may be nil.
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
