package machine_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"debug/elf"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/machine"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// within is a context for a test on a busy machine.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// onAll runs a test on each version.
func onAll(t *testing.T, cfg qemutest.Config, test func(t *testing.T, vm *qemutest.VM, c *qmp.Client)) {
	t.Parallel()
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		vm := q.Start(t, cfg)
		test(t, vm, vm.Dial(t))
	})
}

// TestScreendump: pictures in both formats are complete, and nothing is left in QEMU.
func TestScreendump(t *testing.T) {
	cfg := qemutest.Config{Machine: "pc", Args: []string{"-device", "VGA,id=screen1", "-device", "secondary-vga,id=screen2"}}
	onAll(t, cfg, func(t *testing.T, vm *qemutest.VM, c *qmp.Client) {
		ctx := within(t)
		before, err := vm.Fds()
		require.NoError(t, err)
		for { // the firmware can change the mode between two pictures
			var ppm, picture bytes.Buffer
			require.NoError(t, machine.Screendump(ctx, c, &ppm, nil))
			header, pixels, ok := bytes.Cut(ppm.Bytes(), []byte("\n255\n"))
			require.True(t, ok, "%.20q", ppm.Bytes())
			require.Regexp(t, `^P6\n\d+ \d+$`, string(header))
			var size image.Point
			_, err = fmt.Sscanf(string(header), "P6\n%d %d", &size.X, &size.Y)
			require.NoError(t, err)
			require.Len(t, pixels, 3*size.X*size.Y)
			require.Greater(t, len(pixels), 100000)

			require.NoError(t, machine.Screendump(ctx, c, &picture, &machine.ScreendumpOptions{Format: qemu.ImageFormatPNG, Device: "screen1"}))
			decoded, err := png.Decode(&picture)
			require.NoError(t, err)
			if decoded.Bounds().Size() == size {
				break
			}
			require.NoError(t, ctx.Err())
		}
		err = machine.Screendump(ctx, c, io.Discard, &machine.ScreendumpOptions{Format: "bmp"})
		require.ErrorIs(t, err, errors.ErrUnsupported)
		err = machine.Screendump(ctx, c, io.Discard, &machine.ScreendumpOptions{Device: "nosuch"})
		require.ErrorIs(t, err, qmp.ErrDeviceNotFound)
		err = machine.Screendump(ctx, c, io.Discard, &machine.ScreendumpOptions{Device: "screen1", Head: 7})
		var refusal *qmp.Error
		require.ErrorAs(t, err, &refusal)
		require.NotErrorIs(t, err, errors.ErrUnsupported)

		sets, err := qemu.QueryFDSets{}.Do(ctx, c)
		require.NoError(t, err)
		require.Empty(t, sets)
		vm.HasNoNewFds(t, before)
	})
}

// TestDumpMemory: dumps of running and of paused machines are complete, and the machine is as before.
func TestDumpMemory(t *testing.T) {
	onAll(t, qemutest.Config{Machine: "pc", Args: []string{"-m", "32"}}, func(t *testing.T, vm *qemutest.VM, c *qmp.Client) {
		ctx := within(t)
		before, err := vm.Fds()
		require.NoError(t, err)
		status := func() qemu.RunState {
			status, err := qemu.QueryStatus{}.Do(ctx, c)
			require.NoError(t, err)
			return status.Status
		}
		memory := func(core []byte) (size uint64) {
			file, err := elf.NewFile(bytes.NewReader(core))
			require.NoError(t, err)
			for _, p := range file.Progs {
				if p.Type == elf.PT_LOAD {
					size += p.Filesz
					require.LessOrEqual(t, p.Off+p.Filesz, uint64(len(core)), "the dump is complete")
				}
			}
			return size
		}

		var core bytes.Buffer
		var last int64
		require.NoError(t, machine.DumpMemory(ctx, c, &core, &machine.DumpOptions{Progress: func(completed, total int64) {
			require.LessOrEqual(t, completed, total)
			require.GreaterOrEqual(t, completed, last)
			last = completed
		}}))
		require.Equal(t, qemu.RunStateRunning, status())
		require.GreaterOrEqual(t, memory(core.Bytes()), uint64(32<<20))
		require.GreaterOrEqual(t, last, int64(32<<20))

		require.NoError(t, qemu.Stop{}.Do(ctx, c))
		core.Reset()
		require.NoError(t, machine.DumpMemory(ctx, c, &core, &machine.DumpOptions{Begin: 1 << 20, Length: 2 << 20}))
		require.Equal(t, qemu.RunStatePaused, status())
		require.EqualValues(t, 2<<20, memory(core.Bytes()))
		require.NoError(t, qemu.Cont{}.Do(ctx, c))

		path := filepath.Join(t.TempDir(), "core")
		file, err := os.Create(path)
		require.NoError(t, err)
		defer file.Close()
		require.NoError(t, machine.DumpMemory(ctx, c, file, &machine.DumpOptions{Format: qemu.DumpGuestMemoryFormatKdumpZlib}))
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(text, []byte("makedumpfile")), "%.20q", text)

		require.NoError(t, file.Truncate(0))
		_, err = file.Seek(0, io.SeekStart)
		require.NoError(t, err)
		err = machine.DumpMemory(ctx, c, file, &machine.DumpOptions{Format: qemu.DumpGuestMemoryFormatKdumpRawZlib})
		if vm.QEMU.AtLeast(8, 2) {
			require.NoError(t, err)
			text, err = os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.HasPrefix(text, []byte("KDUMP   ")), "%.20q", text)
		} else {
			require.ErrorIs(t, err, errors.ErrUnsupported)
		}
		err = machine.DumpMemory(ctx, c, io.Discard, &machine.DumpOptions{Format: qemu.DumpGuestMemoryFormatKdumpRawZlib})
		require.ErrorContains(t, err, "needs an *os.File")
		err = machine.DumpMemory(ctx, c, io.Discard, &machine.DumpOptions{Begin: 1 << 40, Length: 1})
		var refusal *qmp.Error
		require.ErrorAs(t, err, &refusal)
		require.NotErrorIs(t, err, errors.ErrUnsupported)
		require.Equal(t, qemu.RunStateRunning, status())
		vm.HasNoNewFds(t, before)
	})
}

// A slowWriter takes some bytes, and then calls a function.
type slowWriter struct {
	left int
	then func() error
}

func (w *slowWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left > 0 {
		return len(b), nil
	}
	return len(b), w.then()
}

// TestDumpIsCancelled: the end of a context, or an error of the writer, ends the dump in QEMU, and the machine runs again.
// While a dump is in progress, another one is refused.
func TestDumpIsCancelled(t *testing.T) {
	onAll(t, qemutest.Config{Machine: "pc", Args: []string{"-m", "64"}}, func(t *testing.T, vm *qemutest.VM, c *qmp.Client) {
		ctx := within(t)
		before, err := vm.Fds()
		require.NoError(t, err)
		ended := func() {
			t.Helper()
			status, err := qemu.QueryStatus{}.Do(ctx, c)
			require.NoError(t, err)
			require.Equal(t, qemu.RunStateRunning, status.Status)
			result, err := qemu.QueryDump{}.Do(ctx, c)
			require.NoError(t, err)
			require.Equal(t, qemu.DumpStatusFailed, result.Status)
		}
		short, cancel := context.WithCancelCause(ctx)
		err = machine.DumpMemory(short, c, &slowWriter{5 << 20, func() error {
			cancel(errors.New("no time"))
			return nil
		}}, nil)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "no time")
		require.NotErrorIs(t, err, machine.ErrDumpGoesOn)
		ended()

		full := errors.New("disk is full")
		other := make(chan error, 1)
		err = machine.DumpMemory(ctx, c, &slowWriter{5 << 20, func() error {
			other <- machine.DumpMemory(ctx, c, io.Discard, nil)
			return full
		}}, nil)
		require.ErrorIs(t, err, full)
		ended()
		require.ErrorIs(t, <-other, machine.ErrDumping)

		for range 5 { // QEMU terminates if a dump begins before it has cleaned up after the last one
			require.NoError(t, machine.DumpMemory(ctx, c, io.Discard, nil))
		}
		require.NoError(t, qemu.Stop{}.Do(ctx, c))
		for range 5 {
			require.NoError(t, machine.DumpMemory(ctx, c, io.Discard, nil))
		}
		vm.HasNoNewFds(t, before)
	})
}

// TestDumpsAtOnce: QEMU 5.2 hangs and 10.0 and 11.1 terminate if they have to begin dumps at the same moment.
func TestDumpsAtOnce(t *testing.T) {
	onAll(t, qemutest.Config{Machine: "pc", Args: []string{"-m", "16"}}, func(t *testing.T, _ *qemutest.VM, c *qmp.Client) {
		ctx := within(t)
		var done atomic.Int32
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for done.Load() < 20 {
					switch err := machine.DumpMemory(ctx, c, io.Discard, nil); {
					case err == nil:
						done.Add(1)
					case errors.Is(err, machine.ErrDumping):
						time.Sleep(time.Millisecond)
					default:
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
	})
}

// TestHumanMonitor: failures whose text says so are errors on all versions, and outputs are none.
func TestHumanMonitor(t *testing.T) {
	onAll(t, qemutest.Config{Machine: "pc", Args: []string{"-device", "virtio-net-pci,id=n0"}}, func(t *testing.T, vm *qemutest.VM, c *qmp.Client) {
		ctx := within(t)
		for _, line := range []string{
			"nosuch", "info nosuch", "device_add", "device_add nosuch", "device_add virtio-net-pci,id=n0", "device_del nosuch",
			"drive_add x", "set_link nosuch on", "set_link n0 x", "eject nosuch", "migrate nosuch", "migrate_set_capability nosuch on",
			"object_add nosuch,id=a", "object_del a", "netdev_add nosuch,id=a", "chardev-remove x", "balloon 100", "xp /x", "print 1+",
			"qom-get /nosuch x", "block_resize nosuch 1", "ringbuf_read nosuch 10", "set_password vnc x", "system_reset x", "info pci x",
			"o /x 1", "delvm", "info snapshots x", "snapshot_blkdev nosuch x", "nbd_server_add nosuch", "drive_mirror nosuch x",
		} {
			output, err := machine.HumanMonitor(ctx, c, line)
			var failure *machine.HMPError
			require.ErrorAs(t, err, &failure, "%s: %q", line, output)
			require.Equal(t, line, failure.Line)
			require.Equal(t, output, failure.Output)
		}
		for _, line := range []string{
			"info status", "info qtree", "info", "help device_add", "print 1+1", "stop", "cont", "info block", "", "info numa", "info snapshots",
			"info tlb", "info mtree", "info network",
		} {
			if line == "info snapshots" && vm.QEMU.AtLeast(10, 1) {
				continue // "Error: no block device can store vmstate for snapshot"
			}
			output, err := machine.HumanMonitor(ctx, c, line)
			require.NoError(t, err, "%s: %q", line, output)
			require.NotContains(t, output, "\r")
		}
		output, err := machine.HumanMonitor(ctx, c, "print 1+1")
		require.NoError(t, err)
		require.Equal(t, "0x2\n", output)
	})
}

// TestReadRingbuf: all bytes arrive, also bytes that are not UTF-8.
func TestReadRingbuf(t *testing.T) {
	cfg := qemutest.Config{Args: []string{"-chardev", "ringbuf,id=r,size=65536"}}
	onAll(t, cfg, func(t *testing.T, vm *qemutest.VM, c *qmp.Client) {
		ctx := within(t)
		data, err := machine.ReadRingbuf(ctx, c, "r")
		require.NoError(t, err)
		require.Empty(t, data)
		want := bytes.Repeat([]byte{0xff, 'x', '\n', 0}, 1000)
		require.NoError(t, qemu.RingbufWrite{
			Device: "r", Data: base64.StdEncoding.EncodeToString(want), Format: new(qemu.DataFormatBase64),
		}.Do(ctx, c))
		data, err = machine.ReadRingbuf(ctx, c, "r")
		require.NoError(t, err)
		require.Equal(t, want, data)
		_, err = machine.ReadRingbuf(ctx, c, "nosuch")
		var refusal *qmp.Error
		require.ErrorAs(t, err, &refusal)
	})
}

// TestSessions follows the clients of VNC displays as they come and go.
func TestSessions(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		ctx := within(t)
		socket := filepath.Join(t.TempDir(), "vnc")
		vm := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{
			"-device", "VGA", "-vnc", "unix:" + socket + ",id=screen", "-vnc", "127.0.0.1:0,to=9999,id=remote",
		}})
		c := vm.Dial(t)
		servers, err := qemu.QueryVNCServers{}.Do(ctx, c)
		require.NoError(t, err)
		port := ""
		for _, s := range servers {
			if s.ID == "remote" {
				port = s.Server[0].Service
			}
		}

		lists := make(chan []machine.Session)
		following, stop := context.WithCancel(ctx)
		ended := make(chan error)
		go func() {
			var last error
			for sessions, err := range machine.Sessions(following, c) {
				if last = err; err == nil {
					lists <- sessions
				}
			}
			ended <- last
		}()
		until := func(want ...string) (sessions []machine.Session) {
			t.Helper()
			for {
				select {
				case sessions = <-lists:
				case <-ctx.Done():
					t.Fatalf("still %v, want %v", sessions, want)
				}
				var now []string
				for _, s := range sessions {
					require.Equal(t, "vnc", s.Protocol)
					now = append(now, s.Display)
				}
				if strings.Join(now, " ") == strings.Join(want, " ") {
					return sessions
				}
			}
		}
		require.Empty(t, until())
		first := viewVNC(t, "unix", socket)
		require.Empty(t, until("screen")[0].Host)
		second := viewVNC(t, "tcp", "127.0.0.1:"+port)
		sessions := until("remote", "screen")
		host, clientPort, err := net.SplitHostPort(second.LocalAddr().String())
		require.NoError(t, err)
		require.Equal(t, machine.Session{Protocol: "vnc", Display: "remote", Host: host, Port: clientPort}, sessions[0])
		first.Close()
		until("remote")
		second.Close()
		until()
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// viewVNC connects to a VNC display as a viewer, and returns when the display has sent its size.
func viewVNC(t *testing.T, network, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	exchange := func(send string, receive int) []byte {
		t.Helper()
		_, err := io.WriteString(conn, send)
		require.NoError(t, err)
		got := make([]byte, receive)
		_, err = io.ReadFull(conn, got)
		require.NoError(t, err)
		return got
	}
	require.Equal(t, "RFB 003.008\n", string(exchange("", 12)))
	require.Equal(t, "\x01\x01", string(exchange("RFB 003.008\n", 2))) // one type of security: none
	require.Equal(t, "\x00\x00\x00\x00", string(exchange("\x01", 4)))  // it is enough
	exchange("\x01", 24)                                               // shared; the size of the screen
	return conn
}

// pixels returns the pixels of a PNG.
func pixels(t *testing.T, text string) string {
	t.Helper()
	picture, err := png.Decode(strings.NewReader(text))
	require.NoError(t, err)
	var all []string
	bounds := picture.Bounds()
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			r, g, b, _ := picture.At(x, y).RGBA()
			all = append(all, fmt.Sprintf("(%d,%d,%d)", r>>8, g>>8, b>>8))
		}
	}
	return strings.Join(all, " ")
}

// TestSPICESession follows a SPICE client, on versions that are built with SPICE.
func TestSPICESession(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, []string{"5.2", "7.2"}, func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		if q.AtLeast(8, 0) {
			t.Skip("SPICE is in a separate package")
		}
		ctx := within(t)
		socket := filepath.Join(t.TempDir(), "spice")
		c := q.Start(t, qemutest.Config{Machine: "pc", Args: []string{
			"-device", "VGA", "-spice", "unix=on,addr=" + socket + ",disable-ticketing=on",
		}}).Dial(t)
		n := 0
		var viewer net.Conn
		for sessions, err := range machine.Sessions(ctx, c) {
			require.NoError(t, err)
			switch n++; n {
			case 1:
				require.Empty(t, sessions)
				viewer = viewSPICE(t, socket)
			case 2:
				require.Len(t, sessions, 1)
				require.Equal(t, "spice", sessions[0].Protocol)
				require.Equal(t, 1, sessions[0].Channels)
				require.False(t, sessions[0].TLS)
				viewer.Close()
			case 3:
				require.Empty(t, sessions)
			}
			if n == 3 {
				break
			}
		}
		require.Equal(t, 3, n)
	})
}

// viewSPICE connects the main channel of a SPICE client: it sends a link message, and an empty ticket.
func viewSPICE(t *testing.T, socket string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	message := []byte{
		'R', 'E', 'D', 'Q', 2, 0, 0, 0, 2, 0, 0, 0, 18, 0, 0, 0, // the version, and the length of the rest
		0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 18, 0, 0, 0, // a new connection, the main channel, no capabilities
	}
	_, err = conn.Write(message)
	require.NoError(t, err)
	reply := make([]byte, 16+178)
	_, err = io.ReadFull(conn, reply)
	require.NoError(t, err)
	rest := make([]byte, int(reply[12])+16-len(reply))
	_, err = io.ReadFull(conn, rest)
	require.NoError(t, err)
	key, err := x509.ParsePKIXPublicKey(reply[20:182])
	require.NoError(t, err)
	ticket, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, key.(*rsa.PublicKey), []byte{0}, nil)
	require.NoError(t, err)
	_, err = conn.Write(ticket)
	require.NoError(t, err)
	result := make([]byte, 4)
	_, err = io.ReadFull(conn, result)
	require.NoError(t, err)
	require.Equal(t, make([]byte, 4), result)
	return conn
}
