package launch

import "time"

// Hurry makes Shutdown press and look more often.
func Hurry() {
	pressEvery, lookEvery = 50*time.Millisecond, 10*time.Millisecond
}
