package operate_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
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
