package qmptest_test

import (
	"context"
	"testing"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// powerOff is the code under test: it asks the guest to power off and waits until it has.
func powerOff(ctx context.Context, c *qmp.Client) error {
	_, err := qmp.AwaitEvent[qemu.ShutdownEvent](ctx, c, nil, qemu.SystemPowerdown{})
	return err
}

func Example() {
	testPowerOff := func(t *testing.T) {
		s := qmptest.NewServer(t, nil)
		s.Expect("system_powerdown").Handle(func(*qmptest.Request) (any, error) {
			s.Event(qemu.EventShutdown, map[string]any{"guest": true, "reason": "guest-shutdown"})
			return nil, nil
		})
		if err := powerOff(t.Context(), s.Dial()); err != nil {
			t.Fatal(err)
		}
	}
	_ = testPowerOff // in a test file it is func TestPowerOff(t *testing.T)
}
