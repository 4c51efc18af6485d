package qom_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
	"github.com/qmpkit/qmpkit/qom"
)

// onFake does something with a server that has one property.
func onFake(value any, do func(ctx context.Context, client *qmp.Client) error) {
	var p qmptest.Program
	defer p.Close()
	s := qmptest.NewServer(&p, nil)
	s.Handle("qom-get", qmptest.Return(value))
	s.Handle("qom-set", qmptest.Refuse(qmp.ErrGeneric, "size is too large"))
	s.Handle("qom-list", qmptest.Return([]qemu.ObjectPropertyInfo{
		{Name: "size", Type: "size"}, {Name: "requested-size", Type: "size"}, {Name: "memdev", Type: "link<memory-backend>"},
	}))
	if err := do(p.Context(), s.Dial()); err != nil {
		fmt.Println(err)
	}
}

// How much memory a guest uses of a virtio-mem device.
func ExampleGet() {
	onFake(512<<20, func(ctx context.Context, client *qmp.Client) error {
		size, err := qom.Get[uint64](ctx, client, qom.DevicePath("mem1"), "size")
		if err != nil {
			return err
		}
		fmt.Println(size>>20, "MiB")
		return nil
	})
	// Output:
	// 512 MiB
}

// The guest is asked to use one GiB of a virtio-mem device. hotplug.VM.ResizeMemory also waits until it does.
func ExampleSet() {
	onFake(0, func(ctx context.Context, client *qmp.Client) error {
		err := qom.Set(ctx, client, qom.DevicePath("mem1"), "requested-size", 1<<30)
		switch {
		case errors.Is(err, qom.ErrNoObject):
			fmt.Println("no such device")
		case errors.Is(err, qom.ErrNoProperty):
			fmt.Println("this is not a virtio-mem device")
		case errors.Is(err, qom.ErrRefused):
			fmt.Println("larger than the device, or not a multiple of its block-size")
		}
		return nil
	})
	// Output:
	// larger than the device, or not a multiple of its block-size
}

// A property that only some devices have.
func ExampleLookup() {
	onFake("/objects/io0", func(ctx context.Context, client *qmp.Client) error {
		iothread, has, err := qom.Lookup[string](ctx, client, qom.DevicePath("disk1"), "iothread")
		if err != nil {
			return err
		}
		if has && iothread != "" {
			fmt.Println("disk1 is served by", iothread)
		}
		return nil
	})
	// Output:
	// disk1 is served by /objects/io0
}

func ExampleHas() {
	onFake(nil, func(ctx context.Context, client *qmp.Client) error {
		resizable, err := qom.Has(ctx, client, qom.DevicePath("mem1"), "requested-size")
		fmt.Println(resizable)
		return err
	})
	// Output:
	// true
}

// What uses an iothread: devices link to it.
func ExampleWalkValues() {
	find := func(ctx context.Context, client *qmp.Client) error {
		for object, err := range qom.WalkValues(ctx, client, "/machine/peripheral") {
			if err != nil {
				return err
			}
			if iothread, err := qom.Value[string](object, "iothread"); err == nil && iothread == qom.ObjectPath("io0") {
				fmt.Println(object.Path)
			}
		}
		return nil
	}
	_ = find
}

// All network devices of a machine, also those without an ID.
func ExampleWalk() {
	find := func(ctx context.Context, client *qmp.Client) error {
		for object, err := range qom.Walk(ctx, client, "/machine") {
			if err != nil {
				return err
			}
			for _, p := range object.Properties {
				if p.Name == "netdev" {
					fmt.Println(object.Path, object.Type)
				}
			}
		}
		return nil
	}
	_ = find
}

func ExampleLinks() {
	onFake("/objects/ram1", func(ctx context.Context, client *qmp.Client) error {
		links, err := qom.Links(ctx, client, qom.DevicePath("mem1"))
		for _, l := range links {
			fmt.Println(l.Property, "→", l.Target)
		}
		return err
	})
	// Output:
	// memdev → /objects/ram1
}

// How much memory the guest has left.
func ExampleBalloon() {
	show := func(client *qmp.Client) error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		stats, err := qom.Balloon(ctx, client, qom.DevicePath("balloon"), 5*time.Second)
		if errors.Is(err, qom.ErrNoStats) {
			fmt.Println("the guest has no driver for the balloon")
			return nil
		}
		if err != nil {
			return err
		}
		if stats.Available != nil {
			fmt.Println(*stats.Available>>20, "MiB, at", stats.Updated)
		}
		return nil
	}
	_ = show
}

// Where a guest's agent finds the NIC: in /sys/bus/pci/devices.
func ExampleFindPCI() {
	show := func(ctx context.Context, client *qmp.Client) error {
		place, err := qom.FindPCI(ctx, client, qom.DevicePath("net1"))
		if err != nil {
			return err
		}
		fmt.Println(place) // pcie.0/02.0/00.0: slot 0 behind the port in slot 2
		if address, ok := place.Address(); ok {
			fmt.Println(address) // 0000:01:00.0
		}
		return nil
	}
	_ = show
}
