package qemutest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// slotPoll is how often a test that waits for a slot tries to get it.
const slotPoll = 50 * time.Millisecond

// slotCount returns how many tests can boot guests at the same time, over all processes of this user: as many as there
// are CPUs, and at least 2. A guest that boots keeps a CPU busy, and test binaries run side by side.
func slotCount() int { return max(2, runtime.NumCPU()) }

// holders are the tests that have a slot. The guests that a test boots share its slot, so a test with two guests does
// not wait for itself.
var holders sync.Map

// holdSlot returns once t has a slot. t keeps the slot until it calls free, or until its end.
func holdSlot(t testing.TB) (free func()) {
	t.Helper()
	if _, held := holders.LoadOrStore(t, true); held {
		return func() {}
	}
	slot, err := takeSlot(t.Context())
	if err != nil {
		holders.Delete(t)
		t.Fatalf("waiting until fewer guests boot: %v", err)
	}
	free = sync.OnceFunc(func() {
		holders.Delete(t)
		slot.Close()
	})
	t.Cleanup(free)
	return free
}

// takeSlot waits for a free slot. Closing the file frees it, as does the end of the process.
func takeSlot(ctx context.Context) (*os.File, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("qmpkit-guests-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	tick := time.NewTicker(slotPoll)
	defer tick.Stop()
	for {
		for i := range slotCount() {
			slot, err := trySlot(filepath.Join(dir, fmt.Sprint(i)))
			if slot != nil || err != nil {
				return slot, err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// trySlot returns nil when the slot is taken.
func trySlot(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	free, err := tryLock(f)
	if !free || err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
