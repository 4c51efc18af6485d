// Package uses has mistakes of each kind, and correct code beside them.
package uses

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/generated/storage"
)

func commands(ctx context.Context, c *qmp.Client) {
	qemu.QueryStats{Target: qemu.StatsTargetVM}.Do(ctx, c) // want `qemu.QueryStats \(query-stats\): since QEMU 7.1; 5.2 to 7.0 lack it`
	qemu.QueryStatus{}.Do(ctx, c)

	reopen := qemu.BlockdevReopen{}
	reopen.Do(ctx, c)   // want `qemu.BlockdevReopen \(blockdev-reopen\): since QEMU 6.1`
	run := (&reopen).Do // want `\(blockdev-reopen\)`
	_ = run
	execute(ctx, c, reopen) // want `\(blockdev-reopen\)`
	requests := []qmp.Request{
		reopen, // want `\(blockdev-reopen\)`
		qemu.Stop{},
	}
	_ = requests
	storage.BlockdevReopen{}.Do(ctx, c) // want `storage.BlockdevReopen \(blockdev-reopen\)`
}

func execute(ctx context.Context, c *qmp.Client, r qmp.Request) { r.Do(ctx, c) }

func members(ctx context.Context, c *qmp.Client) error {
	file := qemu.BlockdevOptionsFile{
		Filename:    "disk",
		AIOMaxBatch: new(int64(4)), // want `qemu.BlockdevOptionsFile.AIOMaxBatch \(BlockdevOptionsFile/aio-max-batch\): since QEMU 6.2; 5.2 to 6.1 lack it`
		DropCache:   nil,
	}
	file.AIOMaxBatch = new(int64(5)) // want `aio-max-batch`
	file.AIOMaxBatch = nil
	pointer := &file
	pointer.AIOMaxBatch = new(int64(5)) // want `aio-max-batch`
	pointer.Filename = "other"

	add := qemu.BlockdevAdd{
		Active: new(true), // want `qemu.BlockdevAdd.Active \(blockdev-add/arg-type/active\): since QEMU 10.0`
		Branch: &qemu.BlockdevOptionsFile{
			AIOMaxBatch: new(int64(1)), // want `aio-max-batch`
		},
	}
	add.Active = new(false)                            // want `active`
	options := qemu.BlockdevOptions{Active: new(true)} // want `\(BlockdevOptions/active\)`
	return qemu.BlockdevAdd(options).Do(ctx, c)
}

func constants() {
	aio := new(qemu.BlockdevAIOOptionsIOUring) // there since 5.0
	driver := qemu.BlockdevDriverIOUring       // want `qemu.BlockdevDriverIOUring \(BlockdevDriver/\^io_uring\): since QEMU 7.2; 5.2 to 7.1 lack it`
	var other qemu.BlockdevDriver = "io_uring" // want `qemu.BlockdevDriver\("io_uring"\)`
	if driver == qemu.BlockdevDriverIOUring {
		fmt.Println(aio, other)
	}
	switch driver {
	case qemu.BlockdevDriverVirtioBlkVhostUser:
	}
}

func branches() qemu.BlockdevOptions {
	v := qemu.BlockdevOptions{
		Branch: &qemu.BlockdevOptionsIOUring{Filename: "disk"}, // want `qemu.BlockdevOptionsIOUring \(BlockdevOptions/\+io_uring\): since QEMU 7.2`
	}
	v.Branch = &qemu.BlockdevOptionsIOUring{} // want `qemu.BlockdevOptionsIOUring`
	v.Branch = &qemu.BlockdevOptionsQcow2{}
	v.Branch = branch()
	return qemu.BlockdevOptions{
		Driver: qemu.BlockdevDriverIOUring, // want `qemu.BlockdevDriverIOUring`
		Branch: &qemu.BlockdevOptionsIOUring{},
	}
}

func branch() qemu.BlockdevOptionsBranch {
	return &qemu.BlockdevOptionsNVMeIOUring{} // want `qemu.BlockdevOptionsNVMeIOUring`
}

func events(ctx context.Context, c *qmp.Client) {
	qmp.Subscribe[qemu.DeviceUnplugGuestErrorEvent](c) // want `qemu.DeviceUnplugGuestErrorEvent \(DEVICE_UNPLUG_GUEST_ERROR\): since QEMU 6.2; 5.2 to 6.1 lack it`
	qmp.Subscribe[qemu.DeviceDeletedEvent](c)
	qmp.AwaitEvent[qemu.DeviceUnplugGuestErrorEvent](ctx, c, nil, qemu.DeviceDel{ID: "d"}) // want `DEVICE_UNPLUG_GUEST_ERROR`
	c.Events("STOP", "DEVICE_UNPLUG_GUEST_ERROR")                                          // want `event \(DEVICE_UNPLUG_GUEST_ERROR\)`
	c.Events(qemu.EventDeviceUnplugGuestError)                                             // want `event \(DEVICE_UNPLUG_GUEST_ERROR\)`
	qmp.Await(ctx, c, nil, nil, "DEVICE_UNPLUG_GUEST_ERROR")                               // want `event`
	names := []string{
		"DEVICE_UNPLUG_GUEST_ERROR", // want `event`
		"MEM_UNPLUG_ERROR",          // want `event \(MEM_UNPLUG_ERROR\): removed in QEMU 9.1; use DEVICE_UNPLUG_GUEST_ERROR`
	}
	c.Events(names...)
}

func raw(ctx context.Context, c *qmp.Client, name string) {
	qmp.Raw{Command: "query-stats"}.Do(ctx, c) // want `command \(query-stats\)`
	qmp.Raw{Command: "query-cpus"}.Do(ctx, c)  // want `command \(query-cpus\): removed in QEMU 6.0; use query-cpus-fast`
	qmp.Raw{Command: name}.Do(ctx, c)
	qmp.Raw{Command: "x-of-a-distribution"}.Do(ctx, c)
	qmp.Raw{Command: "blockdev-add", Args: qmp.Args{
		"active":    true, // want `member \(blockdev-add/arg-type/active\)`
		"node-name": "n",
	}}.Do(ctx, c)
}

func reads(info qemu.CPUInfoS390, e qemu.BlockIOErrorEvent) string {
	if *info.Dedicated { // want `qemu.CPUInfoS390.Dedicated \(CpuInfoS390/dedicated\): since QEMU 8.2`
		return ""
	}
	if info.Entitlement != nil {
		return string(*info.Entitlement)
	}
	return qmp.Value(e.QOMPath)
}

func newest(ctx context.Context, c *qmp.Client) {
	_ = qemu.ChardevSocket{
		ReconnectMs: new(int64(1)), // want `reconnect-ms`
	}
	_ = qemu.BlockdevOptions{Branch: &qemu.BlockdevOptionsGluster{}} // want `qemu.BlockdevOptionsGluster \(BlockdevOptions/\+gluster\): removed between QEMU 10.2 and 11.1`
	qemu.QueryMigrationthreads{}.Do(ctx, c)                          // want `\(query-migrationthreads\): since QEMU 8.0; 5.2 to 7.2 and 11.1 lack it; removed between QEMU 10.2 and 11.1`
}

func allowed() {
	_ = qemu.BlockdevOptions{Active: new(true)} //qmp:allow BlockdevOptions/active the test has QEMU 10 only
	//qmp:allow BlockdevOptions/active the test has QEMU 10 only
	_ = qemu.BlockdevOptions{Active: new(true)}
	//qmp:allow BlockdevOptions/active the test has QEMU 10 only
	//qmp:allow BlockdevOptions/driver/^io_uring the test has QEMU 10 only
	_ = qemu.BlockdevOptions{Active: new(true), Driver: qemu.BlockdevDriverIOUring}
	//qmp:allow BlockdevOptions/discard a path that is always there // want `//qmp:allow BlockdevOptions/discard silences nothing`
	_ = qemu.BlockdevOptions{Discard: nil}
	/* want `wants a path and a reason` */      //qmp:allow BlockdevOptions/active
	_ = qemu.BlockdevOptions{Active: new(true)} // want `BlockdevOptions/active`
}
