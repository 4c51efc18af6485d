package migration_test

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/migration"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var allVersions = qemutest.Versions

// limit is for what QEMUs do while all CPUs are busy.
func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A side is one of the two QEMUs.
type side struct {
	*qemutest.VM
	*qmp.Client
}

// path is one in a folder of the side's own, short enough for a socket.
func (s side) path(name string) string { return filepath.Join(s.VM.Dir, name) }

// machine starts a QEMU. Its firmware runs, and finds nothing to boot.
func machine(t *testing.T, q *qemutest.QEMU, name string, args ...string) side {
	t.Helper()
	vm := q.Start(t, qemutest.Config{Machine: name, Args: append([]string{"-m", "32"}, args...)})
	return side{vm, vm.Dial(t)}
}

// pair starts a source and a destination.
func pair(t *testing.T, q *qemutest.QEMU, args ...string) (src, dst side) {
	t.Helper()
	return machine(t, q, "pc", args...), machine(t, q, "pc", "-incoming", "defer")
}

// filled are arguments for a source with 8 MiB of memory that cannot be sent as zeroes.
func filled(t *testing.T) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "memory")
	content := make([]byte, 8<<20)
	_, err := rand.Read(content)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return []string{"-device", "loader,addr=0x200000,force-raw=on,file=" + path}
}

// slow makes a migration take some 8 seconds, and fast the rest of it none.
func slow(t *testing.T, s side) {
	t.Helper()
	require.NoError(t, migration.SetLimits(t.Context(), s, migration.Limits{Bandwidth: 1 << 20}))
}

func fast(t *testing.T, s side) {
	t.Helper()
	require.NoError(t, migration.SetLimits(t.Context(), s, migration.Limits{Bandwidth: 1 << 40}))
}

// listens makes a destination listen on a UNIX socket of its folder.
func listens(t *testing.T, dst side) migration.Target {
	t.Helper()
	target := migration.Unix(dst.path("m"))
	require.NoError(t, migration.StartIncoming(t.Context(), dst, target))
	return target
}

// turnOn turns a capability on.
func turnOn(t *testing.T, capability qemu.MigrationCapability, sides ...side) {
	t.Helper()
	for _, s := range sides {
		require.NoError(t, migration.Enable(capability).Do(t.Context(), s))
	}
}

func runState(t *testing.T, s side) qemu.RunState {
	t.Helper()
	status, err := qemu.QueryStatus{}.Do(t.Context(), s)
	require.NoError(t, err)
	return status.Status
}

// disk are arguments for a disk, whose image both sides may have.
func disk(t *testing.T) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(path, make([]byte, 1<<20), 0o600))
	return []string{
		"-blockdev", "driver=file,node-name=f,filename=" + path, "-blockdev", "driver=raw,node-name=d,file=f",
		"-device", "virtio-blk-pci,id=d,drive=d",
	}
}

// nowhere is a target that takes everything.
var nowhere = migration.URI("exec:cat >/dev/null")

// fds are the descriptors of a QEMU.
func fds(t *testing.T, s side) []string {
	t.Helper()
	list, err := s.VM.Fds()
	require.NoError(t, err)
	return list
}

// sameFds waits until a QEMU has the descriptors that it had before: it closes those of a migration
// a moment after it has told that it has ended.
func sameFds(t *testing.T, before []string, s side) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		list, err := s.VM.Fds()
		require.NoError(t, err)
		require.Equal(t, before, list)
	}, time.Minute, 10*time.Millisecond)
}

// onActive ends a context once a migration is active.
func onActive(ctx context.Context) (context.Context, *migration.Options) {
	ctx, cancel := context.WithCancel(ctx)
	return ctx, &migration.Options{Progress: func(p migration.Progress) {
		if p.Status == qemu.MigrationStatusActive {
			cancel()
		}
	}}
}
