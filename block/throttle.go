package block

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Throttle limits the I/O of a disk. The zero value limits nothing. Bytes excludes ReadBytes and WriteBytes, and Requests
// excludes ReadRequests and WriteRequests.
type Throttle struct {
	Bytes, ReadBytes, WriteBytes          Limit // bytes a second
	Requests, ReadRequests, WriteRequests Limit // I/O requests a second

	// RequestSize is in bytes: a larger request counts as several. 0 means that each request counts as one.
	RequestSize int64

	// Group names a group of disks that share the limits. Setting the limits of one disk sets those of its group. By default,
	// the group is the disk's ID, and only this disk is in it.
	Group string
}

// A Limit is a limit of a [Throttle]; 0 means none.
type Limit struct {
	Rate int64 // bytes or requests a second

	// Burst is a higher rate that the guest can use for BurstTime, after it has used less than Rate. 0 leaves it to QEMU,
	// which allows a tenth of a second of Rate at once. BurstTime is in whole seconds; 0 means 1 s.
	Burst     int64
	BurstTime time.Duration
}

// SetThrottle replaces the limits of a disk. The disk keeps the limits when it uses another node, for example after
// [VM.Move]. Jobs may run on the disk. SetThrottle does not change the limits of a "throttle" filter.
//
// SetThrottle returns an error that matches:
//   - [ErrNoDisk]: there is no such disk, or it has no medium.
//   - [*qmp.Error]: QEMU refused the limits.
//
// Source: block_set_io_throttle.
func (vm *VM) SetThrottle(ctx context.Context, id string, t Throttle) error {
	return vm.do(ctx, "set limits of disk", id, func() error {
		if err := t.check(); err != nil {
			return err
		}
		b, err := vm.driveWithMedium(ctx, id)
		if err != nil {
			return err
		}
		set := qemu.BlockSetIOThrottle{
			ID: b.Qdev, Group: new(cmp.Or(t.Group, id)), IOPSSize: qmp.NonZero(t.RequestSize),
			BPS: t.Bytes.Rate, BPSRd: t.ReadBytes.Rate, BPSWr: t.WriteBytes.Rate,
			IOPS: t.Requests.Rate, IOPSRd: t.ReadRequests.Rate, IOPSWr: t.WriteRequests.Rate,
		}
		set.BPSMax, set.BPSMaxLength = t.Bytes.burst()
		set.BPSRdMax, set.BPSRdMaxLength = t.ReadBytes.burst()
		set.BPSWrMax, set.BPSWrMaxLength = t.WriteBytes.burst()
		set.IOPSMax, set.IOPSMaxLength = t.Requests.burst()
		set.IOPSRdMax, set.IOPSRdMaxLength = t.ReadRequests.burst()
		set.IOPSWrMax, set.IOPSWrMaxLength = t.WriteRequests.burst()
		return set.Do(ctx, vm.conn)
	})
}

// Throttle returns the limits of a disk. If it has none, the Group is empty.
//
// Throttle returns an error that matches [ErrNoDisk] if there is no such disk, or it has no medium.
//
// Source: query-block.
func (vm *VM) Throttle(ctx context.Context, id string) (t Throttle, err error) {
	err = vm.do(ctx, "read limits of disk", id, func() error {
		b, err := vm.driveWithMedium(ctx, id)
		if err != nil {
			return err
		}
		i := b.Inserted
		t = Throttle{
			Bytes:         limitOf(i.BPS, i.BPSMax, i.BPSMaxLength),
			ReadBytes:     limitOf(i.BPSRd, i.BPSRdMax, i.BPSRdMaxLength),
			WriteBytes:    limitOf(i.BPSWr, i.BPSWrMax, i.BPSWrMaxLength),
			Requests:      limitOf(i.IOPS, i.IOPSMax, i.IOPSMaxLength),
			ReadRequests:  limitOf(i.IOPSRd, i.IOPSRdMax, i.IOPSRdMaxLength),
			WriteRequests: limitOf(i.IOPSWr, i.IOPSWrMax, i.IOPSWrMaxLength),
			RequestSize:   qmp.Value(i.IOPSSize),
			Group:         qmp.Value(i.Group),
		}
		return nil
	})
	return t, err
}

// driveWithMedium asks for the drive of a disk, which must have a medium.
func (vm *VM) driveWithMedium(ctx context.Context, id string) (*qemu.BlockInfo, error) {
	blocks, err := qemu.QueryBlock{}.Do(ctx, vm.conn)
	if err != nil {
		return nil, err
	}
	switch i := slices.Index(hotplug.DiskNames(blocks), id); {
	case i < 0 || id == "":
		return nil, ErrNoDisk
	case blocks[i].Inserted == nil:
		return nil, because(ErrNoDisk, "drive has no medium")
	default:
		return &blocks[i], nil
	}
}

// check returns an error for limits that exclude each other, or make no sense.
func (t *Throttle) check() error {
	for name, l := range map[string]Limit{
		"Bytes": t.Bytes, "ReadBytes": t.ReadBytes, "WriteBytes": t.WriteBytes,
		"Requests": t.Requests, "ReadRequests": t.ReadRequests, "WriteRequests": t.WriteRequests,
	} {
		if err := l.check(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	none := Limit{}
	switch {
	case t.Bytes != none && (t.ReadBytes != none || t.WriteBytes != none):
		return errors.New("Bytes excludes ReadBytes and WriteBytes")
	case t.Requests != none && (t.ReadRequests != none || t.WriteRequests != none):
		return errors.New("Requests excludes ReadRequests and WriteRequests")
	case t.RequestSize < 0:
		return fmt.Errorf("RequestSize is %d: it must not be negative", t.RequestSize)
	}
	return nil
}

func (l Limit) check() error {
	switch {
	case l.Rate < 0 || l.Burst < 0 || l.BurstTime < 0:
		return errors.New("a limit must not be negative")
	case l.Burst > 0 && l.Burst < l.Rate:
		return errors.New("Burst is less than Rate")
	case l.Burst > 0 && l.Rate == 0:
		return errors.New("Burst needs a Rate")
	case l.BurstTime > 0 && l.Burst == 0:
		return errors.New("BurstTime needs a Burst")
	case l.BurstTime%time.Second != 0:
		return errors.New("BurstTime must be whole seconds")
	}
	return nil
}

// burst returns the members of block_set_io_throttle for the burst.
func (l Limit) burst() (rate, seconds *int64) {
	return qmp.NonZero(l.Burst), qmp.NonZero(int64(l.BurstTime / time.Second))
}

func limitOf(rate int64, burst, seconds *int64) Limit {
	l := Limit{Rate: rate, Burst: qmp.Value(burst)}
	if l.Burst > 0 {
		l.BurstTime = time.Duration(qmp.Value(seconds)) * time.Second
	}
	return l
}
