package qmptest_test

import (
	"context"
	"testing"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// powerOff is the code under test: it asks the guest to power off and waits until it has.
func powerOff(ctx context.Context, c *qmp.Client) error {
	events := c.Events("SHUTDOWN")
	defer events.Close()
	if _, err := (qmp.Raw{Command: "system_powerdown"}).Do(ctx, c); err != nil {
		return err
	}
	_, err := events.Next(ctx)
	return err
}

func Example() {
	testPowerOff := func(t *testing.T) {
		s := qmptest.NewServer(t, nil)
		s.Expect("system_powerdown").Handle(func(*qmptest.Request) (any, error) {
			s.Event("SHUTDOWN", map[string]any{"guest": true, "reason": "guest-shutdown"})
			return nil, nil
		})
		if err := powerOff(t.Context(), s.Dial()); err != nil {
			t.Fatal(err)
		}
	}
	_ = testPowerOff // in a test file it is func TestPowerOff(t *testing.T)
}
