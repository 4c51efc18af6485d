package qemutest

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// fdGrace is how long descriptors may take to be closed after a test.
const fdGrace = 2 * time.Second

// CheckFds fails the test if this process has new descriptors open after the test's cleanups. Only cleanups
// that are registered after this call count. CheckFds does nothing where descriptors cannot be listed. Do
// not use it in a test that runs in parallel with others.
func CheckFds(t testing.TB) {
	t.Helper()
	before, err := ownFds()
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for deadline := time.Now().Add(fdGrace); ; time.Sleep(5 * time.Millisecond) {
			after, err := ownFds()
			if err != nil {
				t.Fatal(err)
			}
			left := without(after, before)
			if len(left) == 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("descriptors left open:\n%s", strings.Join(left, "\n"))
			}
		}
	})
}

// CheckFdsOrParallel is for a test that waits for a guest most of the time. It calls CheckFds if QMPKIT_MATRIX is "all".
// Otherwise it lets the test run in parallel with others, which takes less time.
func CheckFdsOrParallel(t *testing.T) {
	t.Helper()
	if matrix() == "all" {
		CheckFds(t)
		return
	}
	t.Parallel()
}

// ownFds leaves out what the runtime opens once and keeps: its poller.
func ownFds() ([]string, error) {
	open, err := descriptors(os.Getpid())
	return slices.DeleteFunc(open, func(what string) bool {
		return what == "anon_inode:[eventpoll]" || what == "anon_inode:[eventfd]"
	}), err
}

// without returns the elements of a that are not in b, counting equal ones.
func without(a, b []string) []string {
	count := map[string]int{}
	for _, s := range b {
		count[s]++
	}
	var rest []string
	for _, s := range a {
		if count[s]--; count[s] < 0 {
			rest = append(rest, s)
		}
	}
	return rest
}
