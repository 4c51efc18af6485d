package address

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMonitors reads command lines in all forms that QEMU and its storage daemon take.
func TestMonitors(t *testing.T) {
	for line, want := range map[string]string{
		"qemu -qmp unix:/run/a,server=on,wait=off":                          "unix:/run/a",
		"qemu -qmp unix:/run/a,,b,server,nowait":                            "unix:/run/a,b",
		"qemu -qmp-pretty tcp:[::1]:4444,server=on":                         "tcp:[::1]:4444",
		"qemu -qmp tcp::4444,server=yes -qmp unix:/b,server=on,abstract=on": "tcp:127.0.0.1:4444 @/b",
		"qemu -qmp stdio":       "monitor stdio is not a socket",
		"qemu -qmp unix:/run/a": "monitor unix:/run/a does not listen: QEMU connects to another program there",
		"qemu -chardev socket,id=m,path=/run/m,server=on -mon chardev=m,mode=control":                                                       "unix:/run/m",
		"qemu -mon m,mode=control -chardev socket,id=m,host=::1,port=1,server=on":                                                           "tcp:[::1]:1",
		"qemu -chardev socket,id=m,path=/run/m,server=on -qmp chardev:m":                                                                    "unix:/run/m",
		"qemu -chardev socket,id=m,path=/run/m,server=on -mon chardev=m":                                                                    "",
		"qemu -monitor unix:/run/m,server=on":                                                                                               "",
		"qemu -chardev socket,id=m,fd=x -mon chardev=m,mode=control":                                                                        "monitor m is inherited (descriptor x): only the program that started QEMU can use it",
		"qemu -chardev socket,id=m,path=/m,server=on,websocket=on -mon chardev=m,mode=control":                                              "monitor m uses telnet, websockets or TLS",
		"qsd --chardev=socket,id=m,path=/run/m,server=on --monitor=chardev=m":                                                               "unix:/run/m",
		`qemu -chardev {"id":"m","backend":{"type":"socket","data":{"addr":{"type":"unix","data":{"path":"/run/m"}}}}} -mon m,mode=control`: "unix:/run/m",
		`qsd --chardev {"id":"m","backend":"socket","path":"/run/m","server":true} --monitor {"chardev":"m"}`:                               "unix:/run/m",
		`qsd --chardev {"id":"m","backend":"socket","path":"/run/m","server":true} --monitor {"chardev":"m","mode":"readline"}`:             "",
		"qemu -qmp": "",
	} {
		var got []string
		for _, m := range monitors(strings.Fields(line)) {
			address, reason := process{"/nowhere"}.address(m)
			got = append(got, address+reason)
		}
		require.Equal(t, want, strings.Join(got, " "), line)
	}
}

// TestProcess finds the monitors of a process that runs: by a relative path, and by an inherited socket.
func TestProcess(t *testing.T) {
	if _, err := os.Stat("/proc/self/net/unix"); err != nil {
		t.Skip("no /proc")
	}
	dir, err := os.MkdirTemp("", "a")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "inherited"))
	require.NoError(t, err)
	defer l.Close()
	socket, err := l.(*net.UnixListener).File()
	require.NoError(t, err)
	defer socket.Close()

	start := func(args ...string) int {
		cmd := exec.Command("sh", append([]string{"-c", "read x", "sh"}, args...)...)
		cmd.Dir, cmd.ExtraFiles = dir, []*os.File{socket}
		stdin, err := cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			stdin.Close()
			_ = cmd.Wait()
		})
		require.Eventually(t, func() bool { // the kernel sets it a moment after the start has succeeded
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
			return err == nil && len(line) > 0
		}, 10*time.Second, time.Millisecond)
		return cmd.Process.Pid
	}
	dir, err = filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	found, err := Monitors(start("-qmp", "unix:m,server=on", "-chardev", "socket,id=m,fd=3,server=on", "-mon", "m,mode=control"))
	require.NoError(t, err)
	require.Equal(t, []string{"unix:" + dir + "/m", "unix:" + filepath.Join(filepath.Dir(dir), filepath.Base(dir), "inherited")}, found)

	_, err = Monitors(start())
	require.ErrorIs(t, err, ErrNoMonitor)
	require.ErrorContains(t, err, "its command line has no QMP monitor: start QEMU with -qmp")
	_, err = Monitors(start("-qmp", "stdio"))
	require.ErrorContains(t, err, "(sh): no monitor to connect to: monitor stdio is not a socket")
	_, err = Monitors(1 << 30)
	require.ErrorIs(t, err, os.ErrProcessDone)
}
