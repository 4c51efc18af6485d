package hotplug_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/launch"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

var bareMachine = launch.Args{
	"-no-user-config", "-nodefaults", "-display", "none", "-M", "pc", "-accel", "tcg", "-m", "128,slots=2,maxmem=1G",
	"-device", "virtio-scsi-pci,id=scsi", "-device", "qemu-xhci,id=usb",
}

func startWith(t *testing.T, q *qemutest.QEMU, args ...any) *launch.Process {
	t.Helper()
	p, err := launch.Start(limit(t), launch.Config{Binary: q.Path, Args: append(launch.Args{bareMachine}, args...)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Kill()) })
	return p
}

// TestStartWithDevices starts machines with disks, NICs and memory, and removes them as if they were added later. Nothing
// is left, as in a machine that never had them.
func TestStartWithDevices(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		ctx := limit(t)
		dir := t.TempDir()
		image := func(name string) string {
			path := filepath.Join(dir, name)
			require.NoError(t, os.WriteFile(path, make([]byte, 1<<20), 0o600))
			return path
		}
		qcow2 := filepath.Join(dir, "image.qcow2")
		tool, err := q.Program("qemu-img")
		require.NoError(t, err)
		out, err := exec.Command(tool, "create", "-f", "qcow2", qcow2, "1M").CombinedOutput()
		require.NoError(t, err, "%s", out)
		open, err := os.OpenFile(image("open"), os.O_RDONLY, 0)
		require.NoError(t, err)
		defer open.Close()
		taps := openTaps(t, 2, plainTap)
		bare := startWith(t, q)
		p := startWith(t, q,
			hotplug.Disk{ID: "d1", Driver: "scsi-hd", Backend: hotplug.File{Path: image("raw"), Direct: true}, Props: qmp.Args{"serial": "a,b", "lun": 1}},
			hotplug.Disk{ID: "d2", Driver: "scsi-hd", NodeName: "other", Backend: hotplug.Blockdev{
				Options: qemu.BlockdevOptions{Driver: qemu.BlockdevDriverNullCo, Branch: &qemu.BlockdevOptionsNull{}},
			}},
			&hotplug.Disk{ID: "d3", Driver: "scsi-hd", Backend: &hotplug.Descriptor{File: open}},
			hotplug.Disk{ID: "d4", Driver: "scsi-hd", Backend: hotplug.Blockdev{
				Options: qemu.BlockdevOptions{Driver: qemu.BlockdevDriverQcow2, Branch: &qemu.BlockdevOptionsQcow2{
					File: qemu.BlockdevRef{Definition: &qemu.BlockdevOptions{Driver: "file", Branch: &qemu.BlockdevOptionsFile{Filename: qcow2}}},
				}},
				Open:    func(path string, flags int) (*os.File, error) { return os.OpenFile(path, flags, 0) },
				Secrets: map[string][]byte{"key": []byte("hunter2")},
			}},
			hotplug.NIC{ID: "n1", Driver: "usb-net", NetdevID: "net", Backend: hotplug.Netdev{Options: qemu.Netdev{Branch: &qemu.NetdevUserOptions{}}}},
			hotplug.NIC{ID: "n2", MAC: "52:54:00:00:00:18", Backend: hotplug.Tap{Queues: taps}},
			hotplug.Memory{ID: "m1", ObjectID: "ram", Backend: hotplug.RAM{Size: 128 << 20}},
		)
		vm := hotplug.New(p.Client(), nil)
		info, err := vm.DeviceInfo(ctx, "n2")
		require.NoError(t, err)
		require.Equal(t, "n2", info.Netdev)
		require.Contains(t, stateOf(t, p.Client()), "object m1.object.ram")

		for _, id := range []string{"d1", "d2", "d3", "d4"} {
			kept, err := vm.RemoveDisk(ctx, id)
			require.NoError(t, err, id)
			require.Empty(t, kept)
		}
		kept, err := vm.RemoveNIC(ctx, "n1")
		require.NoError(t, err)
		require.Empty(t, kept)
		// A machine without a guest releases the others when it is reset.
		resetting, stop := context.WithCancel(ctx)
		go func() {
			for resetting.Err() == nil {
				_ = qemu.SystemReset{}.Do(resetting, p.Client()) // until the NIC is gone
				time.Sleep(100 * time.Millisecond)
			}
		}()
		kept, err = vm.RemoveNIC(ctx, "n2")
		stop()
		require.NoError(t, err)
		require.Empty(t, kept)
		want := append(stateOf(t, bare.Client()), "device m1", "object m1.object.ram", "object ram")
		require.ElementsMatch(t, want, stateOf(t, p.Client()))
		require.NoError(t, p.Kill()) // so that the next QEMU gets the locks of the images
		startWith(t, q, hotplug.Disk{ID: "d1", Backend: hotplug.File{Path: filepath.Join(dir, "raw")}})
	})
}

func TestStartWithDeviceErrors(t *testing.T) {
	t.Parallel()
	q := qemutest.Get(t, "")
	none := filepath.Join(t.TempDir(), "none")
	user := hotplug.Netdev{Options: qemu.Netdev{Branch: &qemu.NetdevUserOptions{}}}
	for _, c := range []struct {
		option launch.Option
		is     error
		want   string
	}{
		{hotplug.Disk{ID: "d", Backend: hotplug.File{Path: none}}, os.ErrNotExist, `hotplug: start with disk "d"`},
		{hotplug.Disk{ID: "d"}, nil, "needs a Backend"},
		{hotplug.Disk{ID: "d.node.x", Backend: hotplug.Blockdev{
			Options: qemu.BlockdevOptions{Driver: qemu.BlockdevDriverNullCo, Branch: &qemu.BlockdevOptionsNull{}, NodeName: new("other")},
		}}, nil, `ID must not have the part ".node"`},
		{hotplug.NIC{ID: "n", Backend: user, LinkDown: true}, errors.ErrUnsupported, "start it with -S"},
		{hotplug.NIC{ID: "n"}, nil, `hotplug: start with NIC "n": needs a Backend`},
		{hotplug.NIC{ID: "n", Backend: hotplug.Tap{}}, nil, "Tap needs Queues"},
		{hotplug.Memory{ID: "m"}, nil, `hotplug: start with memory "m": needs a Backend`},
	} {
		_, err := launch.Start(limit(t), launch.Config{Binary: q.Path, Args: launch.Args{bareMachine, c.option}})
		require.ErrorContains(t, err, c.want)
		if c.is != nil {
			require.ErrorIs(t, err, c.is)
		}
	}
}

// TestStartWithVhostUser waits until QEMU connects to the server, and then ends the start: this server answers nothing.
func TestStartWithVhostUser(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, allVersions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "server")
		l, err := net.Listen("unix", path)
		require.NoError(t, err)
		defer l.Close()
		for _, option := range []launch.Option{
			hotplug.Disk{ID: "d", Backend: hotplug.VhostUser{Server: &qemu.UnixSocketAddress{Path: path}, ChardevID: "c"}},
			hotplug.Disk{ID: "d", Backend: hotplug.VhostUser{Server: &qemu.UnixSocketAddress{Path: path}, Reconnect: 1500 * time.Millisecond}},
			hotplug.NIC{ID: "n", Backend: hotplug.VhostUser{Server: &qemu.UnixSocketAddress{Path: path}}},
		} {
			ctx, cancel := context.WithCancel(limit(t))
			ended := make(chan error, 1)
			go func() {
				_, err := launch.Start(ctx, launch.Config{Binary: q.Path, Args: launch.Args{bareMachine, option}})
				ended <- err
			}()
			conn, err := l.Accept()
			require.NoError(t, err)
			_, err = conn.Read(make([]byte, 12)) // the header of the first request
			require.NoError(t, err)
			cancel()
			require.ErrorIs(t, <-ended, context.Canceled)
			conn.Close()
		}
	})
}
