package operate_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/guestagent"
	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestAgent runs the agent on this machine. It does not freeze or shut down.
func TestAgent(t *testing.T) {
	onAll(t, func(t *testing.T, q *qemutest.QEMU) {
		agent := q.StartAgent(t)
		conn, err := qmp.DialGuest(t.Context(), agent.Socket(), nil)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, conn.Close()) })
		s := &session{T: t, dir: t.TempDir()}
		s.env = &operate.Env{Agent: conn, Out: &s.out}

		require.Regexp(t, `^the guest agent answers after `, s.do("agent", "ping"))
		require.Equal(t, "a=b\nerror\n", s.do("agent", "run", "sh", "-c", "echo a=b; echo error >&2"))
		require.Contains(t, s.refused(nil, "agent", "run", "sh", "-c", "echo no >&2; exit 3"), "3")
		require.Equal(t, "no\n", s.out.String())
		s.env.Stdin = strings.NewReader("typed")
		require.Equal(t, "typed", s.do("agent", "run", "stdin=on", "cat"))

		here, guest := s.file("here", 0), s.file("guest", 0)
		require.NoError(t, os.WriteFile(here, []byte("content"), 0o600))
		require.Equal(t, "copied 7 bytes to "+guest+" in the guest\n", s.do("agent", "write", guest, here))
		require.Equal(t, "content", s.do("agent", "read", guest))
		back := s.file("back", 0)
		require.Equal(t, "copied 7 bytes to "+back+"\n", s.do("agent", "read", guest, back))
		text, err := os.ReadFile(back)
		require.NoError(t, err)
		require.Equal(t, "content", string(text))
		s.refused(os.ErrExist, "agent", "read", guest, back)
		s.refused(nil, "agent", "read", s.file("missing", 0), s.file("new", 0))
		require.NoFileExists(t, s.file("new", 0))
		s.env.Stdin = strings.NewReader("from stdin")
		s.do("agent", "write", guest)
		require.Equal(t, "from stdin", s.do("agent", "read", guest))
		s.env.Stdin = nil
		require.Contains(t, s.refused(nil, "agent", "write", guest), "from is missing")

		require.Equal(t, "thawed\n", s.do("agent", "status"))
		require.Contains(t, s.do("agent", "interfaces"), "lo: ")
		s.env.Agent = nil
		require.Contains(t, s.refused(nil, "agent", "ping"), "no guest agent")
	})
}

// An answers is an executor that answers from a table, and notes the commands.
type answers struct {
	results map[string]string
	asked   []string
}

func (a *answers) Execute(ctx context.Context, call *qmp.Call) error {
	a.asked = append(a.asked, call.Command)
	result, ok := a.results[call.Command]
	if !ok {
		return &qmp.Error{Class: qmp.ErrGeneric, Desc: "refused"}
	}
	return call.Decode([]byte(result))
}

func TestFreeze(t *testing.T) {
	agent := &answers{results: map[string]string{"guest-fsfreeze-freeze": "2", "guest-fsfreeze-thaw": "2", "guest-fsfreeze-status": `"frozen"`}}
	s := &session{T: t}
	s.env = &operate.Env{Agent: agent, Out: &s.out}
	require.Contains(t, s.do("agent", "freeze"), "2 file systems are frozen")
	require.Equal(t, "frozen\n", s.do("agent", "status"))
	require.Equal(t, "no file system is frozen\n", s.do("agent", "thaw"))
	require.Contains(t, agent.asked, "guest-fsfreeze-thaw")
}

// TestSnapshotFreezes: the agent is asked before and after the snapshot.
func TestSnapshotFreezes(t *testing.T) {
	qemutest.Run(t, []string{"10.0"}, func(t *testing.T, q *qemutest.QEMU) {
		s := start(t, q)
		agent := &answers{results: map[string]string{"guest-fsfreeze-freeze": "2", "guest-fsfreeze-thaw": "2", "guest-fsfreeze-status": `"thawed"`}}
		s.env.Agent = agent
		d0 := s.file("d0.img", 1<<20)
		s.do("add", "disk", "d0", d0, "driver=scsi-hd")
		s.do("snapshot", "d0", s.file("o.qcow2", 0), "backing-file="+d0, "freeze=on")
		require.Equal(t, []string{"guest-fsfreeze-freeze", "guest-fsfreeze-thaw"}, agent.asked)
	})
}

// TestFrozenGuest freezes the file systems of a booted guest, and uses its agent.
func TestFrozenGuest(t *testing.T) {
	t.Parallel()
	qemutest.Run(t, qemutest.SlowVersions(), func(t *testing.T, q *qemutest.QEMU) {
		t.Parallel()
		dir, err := os.MkdirTemp("", "qga") // short, for the path of a socket
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
		s := &session{T: t, dir: dir, vm: q.Start(t, qemutest.Config{Machine: "pc", Guest: true, Agent: true})}
		s.c = s.vm.Dial(t)
		s.env = &operate.Env{Conn: s.c, Out: &s.out}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		require.NoError(t, s.vm.WaitGuest(ctx))
		s.do("add", "device", "serial0", "virtio-serial-pci")
		socket := s.file("qga", 0)
		require.NoError(t, hotplug.New(s.c, nil).AddDevice(ctx, hotplug.Device{ID: "port", Bus: "serial0.0", Props: qmp.Args{"name": qemutest.AgentPort},
			Backend: hotplug.Chardev{Options: qemu.ChardevBackend{Branch: &qemu.ChardevSocket{
				Addr: qemu.SocketAddressLegacy{Branch: &qemu.UnixSocketAddress{Path: socket}},
			}}}}))
		agent, err := guestagent.Dial(ctx, socket, nil) // waits until it runs
		require.NoError(t, err)
		require.NoError(t, agent.Close())
		conn, err := qmp.DialGuest(ctx, socket, nil)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, conn.Close()) })
		s.env.Agent = conn

		require.Equal(t, "no file systems are frozen: the guest has none on a disk\n", s.do("agent", "freeze"))
		d0 := s.file("d0.img", 32<<20)
		s.do("add", "disk", "d0", d0, "wait=on")
		s.do("agent", "run", "timeout=2m", "sh", "-c", "until head -c 1 /dev/vda >/dev/null 2>&1; do usleep 50000; done; mke2fs /dev/vda && mkdir /mnt && mount -t ext4 /dev/vda /mnt")
		require.Equal(t, "1 file system is frozen; programs in the guest that write wait until agent thaw\n", s.do("agent", "freeze"))
		frozen := "file systems of the guest are frozen, and its agent executes almost nothing: agent thaw thaws them"
		for _, words := range []string{"agent run true", "agent read /proc/version", "agent interfaces", "agent set-time", "agent freeze", "agent reboot",
			"snapshot d0 " + s.file("never.qcow2", 0) + " freeze=on"} {
			require.Equal(t, frozen, s.refused(guestagent.ErrFrozen, strings.Fields(words)...), words)
		}
		require.Equal(t, "frozen\n", s.do("agent", "status"))
		require.Contains(t, s.do("agent", "ping"), "answers after")
		require.Equal(t, "no file system is frozen\n", s.do("agent", "thaw"))
		require.Equal(t, "no file system is frozen\n", s.do("agent", "thaw"))
		require.Equal(t, "ok\n", s.do("agent", "run", "sh", "-c", "echo ok | tee /mnt/file"))
		over := s.file("over.qcow2", 0)
		require.Equal(t, "disk d0 writes to "+over+"\n", s.do("snapshot", "d0", over, "freeze=on"))
		require.Equal(t, "thawed\n", s.do("agent", "status"))
		require.Equal(t, "ok\n", s.do("agent", "run", "cat", "/mnt/file"))
	})
}
