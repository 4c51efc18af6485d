//go:build linux

package launch_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/launch"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// TestOptions starts a machine with an option of each kind, and looks for the things that they make.
func TestOptions(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		dir := filepath.Join(t.TempDir(), "a,b=c")
		require.NoError(t, os.Mkdir(dir, 0o700))
		image := filepath.Join(dir, "image")
		require.NoError(t, os.WriteFile(image, make([]byte, 1<<20), 0o600))
		args := launch.Args{
			launch.Keyval("-machine", "pc", qmp.Args{"usb": false}),
			launch.Keyval("-m", "", qmp.Args{"size": 128, "slots": 2, "maxmem": "1G"}),
			launch.Keyval("-smp", "2", qmp.Args{"maxcpus": 4}),
			launch.Keyval("-name", "a,b", qmp.Args{"debug-threads": true}),
			launch.Object(qemu.ObjectOptions{ID: "mem0", Branch: &qemu.MemoryBackendMemfdProperties{Size: 128 << 20, Share: new(true)}}),
			launch.Object(qemu.ObjectOptions{ID: "io0", QOMType: qemu.ObjectTypeIOThread, Branch: &qemu.IOThreadProperties{PollMaxNs: new(int64(32000))}}),
			launch.Object(qemu.ObjectOptions{ID: "s1", QOMType: qemu.ObjectTypeSecret, Branch: &qemu.SecretProperties{Data: new("hunter,2")}}),
			launch.Secret("s0", []byte("hunter2")),
			launch.NUMA(qemu.NUMAOptions{Branch: &qemu.NUMANodeOptions{NodeID: new(uint16(0)), CPUs: []uint16{0, 1, 2, 3}, Memdev: new("mem0")}}),
			launch.Blockdev(qemu.BlockdevOptions{NodeName: new("d0"), Driver: "raw", Branch: &qemu.BlockdevOptionsRaw{
				File: qemu.BlockdevRef{Definition: &qemu.BlockdevOptions{Driver: "file", Branch: &qemu.BlockdevOptionsFile{Filename: image}}},
			}}),
			launch.Device(qemu.DeviceAdd{Driver: "virtio-blk-pci", ID: new("disk0"), Props: qmp.Args{"drive": "d0", "serial": "a,b", "bootindex": 1}}),
			launch.Netdev(qemu.Netdev{ID: "n0", Branch: &qemu.NetdevUserOptions{Net: new("10.1.0.0/24"), Hostfwd: []qemu.String{{Str: "tcp:127.0.0.1:0-:22"}, {Str: "udp:127.0.0.1:0-:23"}}}}),
			launch.Device(qemu.DeviceAdd{Driver: "virtio-net-pci", ID: new("nic0"), Props: qmp.Args{"netdev": "n0", "romfile": "", "mq": false}}),
			launch.Chardev("null0", qemu.ChardevBackend{Type: qemu.ChardevBackendKindNull, Branch: &qemu.ChardevCommon{Logfile: new(dir + "/log")}}),
			launch.Chardev("ring0", qemu.ChardevBackend{Type: qemu.ChardevBackendKindRingbuf, Branch: &qemu.ChardevRingbuf{Size: new(int64(4096))}}),
			launch.Chardev("file0", qemu.ChardevBackend{Branch: &qemu.ChardevFile{Out: dir + "/out", Append: new(true)}}),
			launch.Chardev("unix0", qemu.ChardevBackend{Branch: &qemu.ChardevSocket{Addr: qemu.SocketAddressLegacy{Branch: &qemu.UnixSocketAddress{Path: dir + "/unix"}}}}),
			launch.Chardev("tcp0", qemu.ChardevBackend{Branch: &qemu.ChardevSocket{
				Server: new(true), Wait: new(false), Telnet: new(true),
				Addr: qemu.SocketAddressLegacy{Branch: &qemu.InetSocketAddress{Host: "127.0.0.1", Port: "0"}},
			}}),
			launch.Chardev("udp0", qemu.ChardevBackend{Branch: &qemu.ChardevUDP{
				Remote: qemu.SocketAddressLegacy{Branch: &qemu.InetSocketAddress{Host: "127.0.0.1", Port: "9"}},
				Local:  &qemu.SocketAddressLegacy{Branch: &qemu.InetSocketAddress{Host: "127.0.0.1", Port: "0"}},
			}}),
			launch.Chardev("pty0", qemu.ChardevBackend{Branch: &qemu.ChardevPTY{}}),
			launch.Audiodev(qemu.Audiodev{ID: "snd0", Driver: qemu.AudiodevDriverNone, Branch: &qemu.AudiodevGenericOptions{}}),
			launch.Display(qemu.DisplayOptions{Type: qemu.DisplayTypeNone, Branch: &qemu.RawBranch{}}),
			launch.Incoming(qemu.MigrationChannel{ChannelType: qemu.MigrationChannelTypeMain, Addr: qemu.MigrationAddress{Branch: &qemu.SocketAddress{Branch: &qemu.UnixSocketAddress{Path: filepath.Join(dir, "mig")}}}}),
		}
		p := start(t, q, args)
		x := p.Client()
		status, err := qemu.QueryStatus{}.Do(ctx, x)
		require.NoError(t, err)
		require.Equal(t, qemu.RunStateInmigrate, status.Status)
		memory, err := qemu.QueryMemdev{}.Do(ctx, x)
		require.NoError(t, err)
		require.Len(t, memory, 1)
		cpus, err := qemu.QueryHotpluggableCPUs{}.Do(ctx, x)
		require.NoError(t, err)
		require.Len(t, cpus, 4)
		get := func(path, property string) any {
			t.Helper()
			value, err := qmp.Raw{Command: "qom-get", Args: qmp.Args{"path": path, "property": property}}.Do(ctx, x)
			require.NoError(t, err)
			return string(value)
		}
		require.Equal(t, `"d0"`, get("/machine/peripheral/disk0", "drive"))
		require.Equal(t, `"a,b"`, get("/machine/peripheral/disk0", "serial"))
		require.Equal(t, `"n0"`, get("/machine/peripheral/nic0", "netdev"))
		require.Equal(t, `true`, get("/objects/mem0", "share"))
		require.Equal(t, `32000`, get("/objects/io0", "poll-max-ns"))
		name, err := qemu.QueryName{}.Do(ctx, x)
		require.NoError(t, err)
		require.Equal(t, "a,b", qmp.Value(name.Name))
		chardevs, err := qemu.QueryChardev{}.Do(ctx, x)
		require.NoError(t, err)
		found := map[string]string{}
		for _, c := range chardevs {
			found[c.Label] = c.Filename
		}
		for _, id := range []string{"null0", "ring0", "file0", "unix0", "tcp0", "udp0", "pty0"} {
			require.Contains(t, found, id)
		}
		require.Contains(t, found["tcp0"], "telnet")
		for _, name := range []string{"out", "unix", "log"} {
			_, err := os.Stat(filepath.Join(dir, name))
			require.NoError(t, err)
		}
		mig, err := os.Stat(filepath.Join(dir, "mig"))
		require.NoError(t, err)
		require.Equal(t, os.ModeSocket, mig.Mode().Type())
	})
}

// TestOptionsOfSets has a disk in a set of descriptors.
func TestOptionsOfSets(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		image := filepath.Join(t.TempDir(), "image")
		require.NoError(t, os.WriteFile(image, make([]byte, 1<<20), 0o600))
		p := start(t, q, "-M", "pc", inSet{image, qmpfd.Use{}})
		sets, err := qemu.QueryFDSets{}.Do(ctx, p.Client())
		require.NoError(t, err)
		require.Len(t, sets, 1)
		require.EqualValues(t, 1000, sets[0].FDSetID)
		require.Equal(t, "a,b", qmp.Value(sets[0].FDs[0].Opaque))

		_, err = launch.Start(ctx, launch.Config{Binary: q.Path, Args: launch.Args{plain, inSet{image, qmpfd.Use{ReadOnly: true}}}})
		_, ok := errors.AsType[*qmpfd.FlagsError](err)
		require.True(t, ok, "%v", err)
	})
}

// inSet is an Option of a program.
type inSet struct {
	path string
	use  qmpfd.Use
}

func (o inSet) AppendTo(line *launch.Line) error {
	f, err := os.OpenFile(o.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	path, err := line.FDSet("a,b", o.use, f)
	if err != nil {
		return err
	}
	if line.Target() != "x86_64" {
		return errors.New("another target")
	}
	return launch.Blockdev(qemu.BlockdevOptions{NodeName: new("d"), Driver: "file", Branch: &qemu.BlockdevOptionsFile{Filename: path}}).AppendTo(line)
}

func TestOptionErrors(t *testing.T) {
	t.Parallel()
	old, newer := qemutest.Get(t, "5.2"), qemutest.Get(t, "11.1")
	if old.Release() != "5.2" {
		t.Skip("one QEMU stands for all")
	}
	nested := launch.Object(qemu.ObjectOptions{ID: "t0", Branch: &qemu.ThrottleGroupProperties{Limits: &qemu.ThrottleLimits{IOPSTotal: new(int64(7))}}})
	for _, c := range []struct {
		q    *qemutest.QEMU
		arg  launch.Option
		is   error
		want string
	}{
		{old, nested, errors.ErrUnsupported, "limits has members: this QEMU takes none here"},
		{old, launch.Device(qemu.DeviceAdd{Driver: "x", Props: qmp.Args{"l": []int{1}}}), errors.ErrUnsupported, "l is a list"},
		{old, launch.Device(qemu.DeviceAdd{Driver: "x", Props: qmp.Args{"l": nil}}), nil, "l is null"},
		{old, launch.Device(qemu.DeviceAdd{Driver: "x", Props: qmp.Args{"l": make(chan int)}}), nil, "chan"},
		{old, launch.Incoming(qemu.MigrationChannel{Addr: qemu.MigrationAddress{Branch: &qemu.FileMigrationArgs{Filename: "f"}}}), errors.ErrUnsupported, "QEMU 5.2.0"},
		{newer, launch.Chardev("c", qemu.ChardevBackend{Branch: &qemu.ChardevSocket{Addr: qemu.SocketAddressLegacy{Branch: &qemu.VsockSocketAddress{CID: "1", Port: "2"}}}}), errors.ErrUnsupported, "vsock"},
		{newer, launch.Secret("s", make([]byte, 5000)), nil, "5000 bytes"},
		{newer, launch.Keyval("-m", "", qmp.Args{"l": nil}), nil, "l is null"},
		{newer, launch.Netdev(qemu.Netdev{}), nil, "Netdev"},
	} {
		_, err := launch.Start(limited(t), launch.Config{Binary: c.q.Path, Args: launch.Args{c.arg}})
		require.ErrorContains(t, err, c.want)
		if c.is != nil {
			require.ErrorIs(t, err, c.is)
		}
	}
	start(t, newer, nested)
}

// TestSecretsAreHidden looks for secrets in the error of Start.
func TestSecretsAreHidden(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		_, err := launch.Start(ctx, launch.Config{Binary: q.Path, Args: launch.Args{
			launch.Secret("s0", []byte("hunter2")),
			launch.Object(qemu.ObjectOptions{ID: "s1", QOMType: qemu.ObjectTypeSecret, Branch: &qemu.SecretProperties{Data: new("hunter2")}}), "-nosuch",
		}})
		failed, ok := errors.AsType[*launch.StartError](err)
		require.True(t, ok)
		for _, word := range failed.Args {
			require.NotContains(t, word, "hunter2")
		}
		require.Contains(t, failed.Args, "-nosuch")
	})
}

func TestVersion(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.Versions, func(t *testing.T, q *qemutest.QEMU) {
		version, err := launch.Version(t.Context(), q.Path)
		require.NoError(t, err)
		require.Equal(t, q.Release(), qemutestRelease(version))
	})
	dir := t.TempDir()
	script := func(text string) string {
		path := filepath.Join(dir, "qemu")
		writeScript(t, path+"2", text)
		require.NoError(t, os.Rename(path+"2", path))
		return path
	}
	path := script("echo QEMU emulator version 12.3.4")
	version, err := launch.Version(t.Context(), path)
	require.NoError(t, err)
	require.Equal(t, qmp.Version{Major: 12, Minor: 3, Micro: 4}, version)
	version, err = launch.Version(t.Context(), script("echo QEMU emulator version 13.0.50 a b")) // was replaced
	require.NoError(t, err)
	require.Equal(t, 13, version.Major)
	_, err = launch.Version(t.Context(), script("echo hello"))
	require.ErrorContains(t, err, "is not a QEMU")
	_, err = launch.Version(t.Context(), script("echo why >&2; exit 1"))
	require.ErrorContains(t, err, "exit status 1: why")
	_, err = launch.Version(t.Context(), path+"3")
	require.ErrorIs(t, err, os.ErrNotExist)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = launch.Version(ended, script("sleep 60"))
	require.ErrorIs(t, err, context.Canceled)
}

// TestLastComma has commas at the ends of values.
func TestLastComma(t *testing.T) {
	onEach(t, func(t *testing.T, ctx context.Context, q *qemutest.QEMU) {
		for want, option := range map[string]launch.Option{
			"a,":  launch.Keyval("-name", "a,", nil),
			"b,":  launch.Keyval("-name", "b,", qmp.Args{"process": ","}),
			",c,": launch.Keyval("-name", "", qmp.Args{"guest": ",c,"}),
		} {
			p := start(t, q, option)
			name, err := qemu.QueryName{}.Do(ctx, p.Client())
			require.NoError(t, err)
			require.Equal(t, new(want), name.Name)
		}
	})
}
