package libvirttest_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/libvirttest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestDaemon runs a machine through its life, and the daemon through a restart.
func TestDaemon(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{TCP: true, TLS: true, SASL: true}, func(t *testing.T, d *libvirttest.Daemon) {
		disk := filepath.Join(d.Dir, "disk.raw")
		require.NoError(t, os.WriteFile(disk, make([]byte, 1<<20), 0o600))
		d.Create(t, libvirttest.Machine{Name: "vm1", Disk: disk, Agent: true})
		d.Create(t, libvirttest.Machine{Name: "vm2", Paused: true})
		pid, err := d.PidOf("vm1")
		require.NoError(t, err)

		c, err := qmp.Dial(t.Context(), d.Monitor("vm2"), nil)
		require.NoError(t, err)
		defer c.Close()
		status, err := qemu.QueryStatus{}.Do(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, qemu.RunStatePrelaunch, status.Status)

		require.NoError(t, d.Hang("vm1"))
		require.NoError(t, d.Wake("vm1"))
		old, err := d.Pid()
		require.NoError(t, err)
		require.NoError(t, d.Restart(t.Context()))
		restarted, err := d.Pid()
		require.NoError(t, err)
		require.NotEqual(t, old, restarted)
		require.NoError(t, syscall.Kill(pid, 0))

		d.Destroy(t, "vm1")
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
		require.NoError(t, d.Kill("vm2"))
		require.NoError(t, d.Close())
		require.NoDirExists(t, d.Dir)
		require.ErrorIs(t, syscall.Kill(restarted, 0), syscall.ESRCH)
	})
}
