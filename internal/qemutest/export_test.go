package qemutest

import "testing"

// TakeSlot is takeSlot, for its tests.
var TakeSlot = takeSlot

// SlotCount is slotCount, for its tests.
var SlotCount = slotCount

// ForgetFetched has the scripts asked anew during a test.
func ForgetFetched(t *testing.T) {
	dirs, offline := fetched.dirs, fetched.offline
	fetched.dirs, fetched.offline = map[string]string{}, false
	t.Cleanup(func() { fetched.dirs, fetched.offline = dirs, offline })
}
