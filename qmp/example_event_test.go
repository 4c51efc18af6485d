package qmp_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

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
