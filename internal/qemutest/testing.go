package qemutest

import (
	"errors"
	"os"
	"testing"
)

// Run runs f as a subtest, "qemu-7.2", for each version. The variable QMPKIT_MATRIX can choose some of the versions. If one
// QEMU stands for several versions, f runs once.
func Run(t *testing.T, versions []string, f func(t *testing.T, q *QEMU)) {
	t.Helper()
	seen := map[string]bool{}
	for _, version := range chosen(versions) {
		q, err := Find(version)
		if err != nil {
			t.Run("qemu-"+version, func(t *testing.T) { must(t, err) })
			continue
		}
		if seen[q.Path] {
			continue
		}
		seen[q.Path] = true
		t.Run("qemu-"+q.Release(), func(t *testing.T) { f(t, q) })
	}
}

// Get returns the QEMU for a version, or any QEMU if version is "". Without one, it skips or fails the
// test.
func Get(t testing.TB, version string) *QEMU {
	t.Helper()
	q, err := Find(version)
	must(t, err)
	return q
}

// must ends the test if there is an error. If something is missing, it skips the test.
func must(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrMissing) && os.Getenv("CI") != "true":
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}

// Start starts q until the end of the test. If cfg.Guest is set, Start first waits until few enough tests boot guests.
// A guest counts until the test has waited for it by WaitGuest.
func (q *QEMU) Start(t testing.TB, cfg Config) *VM {
	t.Helper()
	var booted func()
	if cfg.Guest {
		booted = holdSlot(t)
	}
	vm, err := q.Launch(cfg)
	must(t, err)
	vm.booted = booted
	endWithTest(t, vm.Server)
	t.Cleanup(func() { // runs first: the log goes with the server
		if log, _ := vm.Serial(); t.Failed() && log != "" {
			t.Logf("the guest's last lines:\n%s", lastLines(log))
		}
	})
	return vm
}

// StartStorage starts q's qemu-storage-daemon until the end of the test.
func (q *QEMU) StartStorage(t testing.TB, args ...string) *Server {
	t.Helper()
	s, err := q.LaunchStorage(args...)
	must(t, err)
	endWithTest(t, s)
	return s
}

// StartAgent starts q's qemu-ga until the end of the test, on this machine: see LaunchAgent.
func (q *QEMU) StartAgent(t testing.TB, args ...string) *Server {
	t.Helper()
	s, err := q.LaunchAgent(args...)
	must(t, err)
	endWithTest(t, s)
	return s
}

func endWithTest(t testing.TB, s *Server) {
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("process %d printed:\n%s", s.Pid(), s.Output())
		}
	})
}
