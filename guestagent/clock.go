package guestagent

import (
	"context"
	"time"

	"github.com/qmpkit/qmpkit/qmp/generated/guest"
)

// clockTolerance is how far the guest's clock may be from the wanted time, besides the time that the commands took.
const clockTolerance = 2 * time.Second

// SetTime sets the clock of the guest. An agent of QEMU 10.0 or 11.1 sets the clock and then reports an error if the guest
// has no hwclock. So SetTime asks for the time after an error, and returns nil if the guest has the wanted time.
//
// Source: guest-set-time, guest-get-time.
func (a *Agent) SetTime(ctx context.Context, now time.Time) error {
	begin := time.Now()
	err := guest.GuestSetTime{Time: new(now.UnixNano())}.Do(ctx, a)
	if refused(err) {
		got, getErr := guest.GuestGetTime{}.Do(ctx, a)
		if ahead := time.Unix(0, got).Sub(now); getErr == nil && ahead > -clockTolerance && ahead < time.Since(begin)+clockTolerance {
			return nil
		}
	}
	return fail("set time", "", err)
}
