package qmpschema_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

func ExampleQuery() {
	check := func(ctx context.Context, client *qmp.Client) error {
		schema, err := qmpschema.Query(ctx, client)
		if err != nil {
			return err
		}
		for _, path := range []string{
			qemu.FeatureBlockdevOptionsFileDynamicAutoReadOnly,
			"blockdev-add/arg-type/+file/aio/^io_uring",
			"block-commit/arg-type/*top",
		} {
			has, err := schema.Has(path)
			if err != nil {
				return err // the path, or the schema, is malformed
			}
			fmt.Println(path, has)
		}
		return nil
	}
	_ = check
}

// When it starts, a program asks for everything that it will need.
func ExampleMissing() {
	start := func(ctx context.Context, client *qmp.Client) error {
		missing, err := qmpschema.Missing(ctx, client,
			qemu.BlockdevAdd{Active: new(false), Driver: "file", Branch: &qemu.BlockdevOptionsFile{}}, // these members
			qemu.BlockExportAdd{}, // the command
			qemu.QueryStats{},
			qemu.EventBlockJobReady,                     // an event
			"netdev_add/arg-type/type/^stream",          // any path
			qmp.Raw{Command: "x-of-a-build-of-our-own"}, // a command without a type
		)
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			return fmt.Errorf("this QEMU has no %q", missing)
		}
		return nil
	}
	_ = start
}

// A manager compares with the schema that a QEMU has sent earlier.
func ExampleMissingIn() {
	answer, err := os.ReadFile("../../testdata/schema/captured/7.2/qemu.json")
	if err != nil {
		log.Fatal(err)
	}
	schema, err := introspect.Read(answer)
	if err != nil {
		log.Fatal(err)
	}
	missing, err := qmpschema.MissingIn(schema,
		qemu.ChardevAdd{ID: "serial1", Backend: qemu.ChardevBackend{Branch: &qemu.ChardevSocket{
			Addr:        qemu.SocketAddressLegacy{Branch: &qemu.UnixSocketAddress{Path: "/run/serial1"}},
			ReconnectMs: new(int64(500)),
		}}},
		qemu.BlockdevMirror{TargetIsZero: new(true)},
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range missing {
		fmt.Println(path)
	}
	// Output:
	// chardev-add/arg-type/backend/+socket/data/reconnect-ms
	// blockdev-mirror/arg-type/target-is-zero
}

// The client does not send a command that QEMU does not have.
func ExampleChecked() {
	run := func(ctx context.Context, client *qmp.Client) error {
		checked := qmpschema.Checked(client)
		vm := hotplug.New(checked, nil)
		if err := vm.AddDisk(ctx, hotplug.Disk{ID: "data1", Backend: hotplug.File{Path: "/srv/data1.img"}}); err != nil {
			return err
		}
		mirror := qemu.BlockdevMirror{Device: "data1", Target: "copy1", Sync: qemu.MirrorSyncModeFull, TargetIsZero: new(true)}
		err := mirror.Do(ctx, checked)
		if errors.Is(err, errors.ErrUnsupported) {
			mirror.TargetIsZero = nil // QEMU will write the zeroes
			err = mirror.Do(ctx, checked)
		}
		return err
	}
	_ = run
}

// A MissingError lists what the server does not have. Nothing was sent.
func ExampleMissingError() {
	stats := func(ctx context.Context, client *qmp.Client) error {
		_, err := qemu.QueryStats{Target: qemu.StatsTargetVM}.Do(ctx, qmpschema.Checked(client))
		if missing, ok := errors.AsType[*qmpschema.MissingError](err); ok {
			fmt.Println(missing.Command, "needs", missing.Paths)
			return nil // the program does without
		}
		return err
	}
	_ = stats
}
