package hotplug

import (
	"context"
	"errors"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
)

// busyGrace is how long what a device used may stay in use after the device is gone. QEMU lets go
// of it when no virtual CPU looks at the device's memory any more: at once with KVM, but under
// TCG a CPU that does nothing has taken seconds. What uses it otherwise (a block job, an export)
// does not end by itself, so the wait must.
const busyGrace = 10 * time.Second

// The time between two attempts to remove what is in use: the first and the longest.
const (
	busyRetry    = 10 * time.Millisecond
	maxBusyRetry = 160 * time.Millisecond
)

// removeBusy removes what may be gone already, and waits a while for its users to leave. When
// QEMU refuses, exists tells whether it is there: the text of the error would tell too, but
// differs from version to version.
func removeBusy(ctx context.Context, remove func() error, exists func() (bool, error)) error {
	pause := busyRetry
	for deadline := time.Now().Add(busyGrace); ; pause = min(2*pause, maxBusyRetry) {
		err := remove()
		if !refused(err) || errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		there, lookErr := exists()
		if lookErr != nil {
			return errors.Join(err, lookErr)
		}
		if !there {
			return nil
		}
		if !time.Now().Before(deadline) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(err, wait.Err(ctx))
		}
	}
}
