package hotplug_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/fakeqemu"
)

var interfaces atomic.Int64

// openTaps makes a tap with n queues, which is gone when the last descriptor of it is closed.
func openTaps(t *testing.T, n int, flags uint16) []*os.File {
	t.Helper()
	name := "qk" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(interfaces.Add(1), 10)
	if n > 1 {
		flags |= hotplug.IffMultiQueue
	}
	var files []*os.File
	for range n {
		f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
		if (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) && os.Getenv("CI") != "true" {
			t.Skipf("run it where /dev/net/tun can be opened: %v", err)
		}
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		setInterface(t, f, name, flags)
		files = append(files, f)
	}
	return files
}

// setInterface makes a descriptor of /dev/net/tun a queue of an interface (TUNSETIFF).
func setInterface(t *testing.T, f *os.File, name string, flags uint16) {
	t.Helper()
	var request struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], name)
	request.flags = flags
	raw, err := f.SyscallConn()
	require.NoError(t, err)
	const tunSetIff = 0x400454ca // on the platforms that there are QEMUs for here
	var errno syscall.Errno
	require.NoError(t, raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, tunSetIff, uintptr(unsafe.Pointer(&request)))
	}))
	if errno == syscall.EPERM && os.Getenv("CI") != "true" {
		t.Skip("run it as a user that may make taps")
	}
	require.Zero(t, errno, errno.Error())
}

const plainTap = hotplug.IffTap | hotplug.IffNoPI | hotplug.IffVnetHdr

// TestTapsOfTheKernel makes taps, and has the kernel be asked what they are.
func TestTapsOfTheKernel(t *testing.T) {
	const tun = 1 // IFF_TUN
	one, several := openTaps(t, 1, plainTap), openTaps(t, 2, plainTap)
	for _, c := range []struct {
		name string
		taps []*os.File
		want string // of the error; empty when there is none before QEMU is asked
	}{
		{"one", one, ""},
		{"several", several, ""},
		{"one of several", several[:1], ""},
		{"without the header of virtio", openTaps(t, 1, plainTap&^hotplug.IffVnetHdr), ""},
		{"tun", openTaps(t, 1, tun|hotplug.IffNoPI), "is a tun"},
		{"one that is no queue", []*os.File{several[0], one[0]}, "Queues[1] is not one of several queues"},
		{"two interfaces", []*os.File{several[0], openTaps(t, 2, plainTap)[0]}, "Queues[1] is of interface"},
		{"no tap", []*os.File{several[0], devNull(t)}, "Queues[1] is not a tap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := fakeqemu.New(t)
			err := hotplug.New(m.Dial(), nil).AddNIC(t.Context(), hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: c.taps}})
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.Empty(t, m.Requests())
		})
	}
}

// TestQueueThatWasDetached is attached for QEMU, and detached again when the NIC is not added.
func TestQueueThatWasDetached(t *testing.T) {
	for _, fault := range fakeqemu.Faults {
		t.Run(string(fault), func(t *testing.T) {
			taps := openTaps(t, 2, plainTap)
			require.NoError(t, hotplug.Detach(taps[1]))
			m := fakeqemu.New(t)
			c := m.Dial()
			nic := hotplug.NIC{ID: "d", Backend: hotplug.Tap{Queues: taps}}
			detached := func() []string {
				is, err := hotplug.IsDetached(taps[1])
				require.NoError(t, err)
				return append(m.State(), "detached "+strconv.FormatBool(is))
			}
			before := detached()
			require.Equal(t, []string{"detached true"}, before)
			met, err := fakeqemu.AtEveryStep(t.Context(), c, fault, func(ctx context.Context, conn *fakeqemu.Faulty) error {
				return hotplug.New(conn, nil).AddNIC(ctx, nic)
			}, func(command string, err error) {
				if err != nil { // a question may have been asked in another way
					require.Equal(t, before, detached(), command)
					return
				}
				require.NoError(t, errorOf(hotplug.New(c, nil).RemoveNIC(t.Context(), "d")))
				require.NoError(t, hotplug.Detach(taps[1]))
			})
			require.NoError(t, err)
			require.Contains(t, met, "device_add")
			require.Contains(t, detached(), "detached false")
		})
	}
}
