//go:build linux

package launch_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/launch"
)

// These variables have the test binary be the parent of a QEMU, see beParent.
const (
	asParent        = "LAUNCH_AS_PARENT"
	asParentMonitor = "LAUNCH_AS_PARENT_MONITOR"
)

func TestMain(m *testing.M) {
	if binary := os.Getenv(asParent); binary != "" {
		beParent(binary, os.Getenv(asParentMonitor))
	}
	if behaviour := os.Getenv(asQEMU); behaviour != "" {
		beQEMU(behaviour)
	}
	launch.Hurry()
	goleak.VerifyTestMain(m)
}

// plain are the arguments of a machine without anything.
var plain = launch.Args{"-no-user-config", "-nodefaults", "-display", "none", "-M", "none", "-accel", "tcg"}

// limited returns a context for a test.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// onEach runs a test on each version.
func onEach(t *testing.T, f func(t *testing.T, ctx context.Context, q *qemutest.QEMU)) {
	t.Parallel()
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		f(t, limited(t), q)
	})
}

// start starts a QEMU until the end of the test.
func start(t *testing.T, q *qemutest.QEMU, args ...any) *launch.Process {
	t.Helper()
	return startWith(t, launch.Config{Binary: q.Path, Args: append(launch.Args{plain}, args...)})
}

func startWith(t *testing.T, cfg launch.Config) *launch.Process {
	t.Helper()
	p, err := launch.Start(limited(t), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Kill()) })
	return p
}
