package main

import (
	"testing"
	"time"
)

// TestMain keeps progress out of what tests compare: how long things take is not their matter.
func TestMain(m *testing.M) {
	progressAfter = time.Hour
	m.Run()
}
