package launch

import "time"

// Hurry makes Shutdown press, look and wake sooner.
func Hurry() {
	pressEvery, lookEvery, wakeAfter = 50*time.Millisecond, 10*time.Millisecond, 50*time.Millisecond
}
