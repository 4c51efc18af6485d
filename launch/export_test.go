package launch

import "time"

// Hurry makes Shutdown press and look more often.
func Hurry() {
	pressEvery, lookEvery, answerLimit = 50*time.Millisecond, 10*time.Millisecond, 2*time.Second
}
