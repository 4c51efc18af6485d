//go:build unix

package talk_test

import (
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/internal/talk"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestDescriptorsInOrder writes several requests at once, of which the second has a descriptor.
func TestDescriptorsInOrder(t *testing.T) {
	qemutest.CheckFds(t)
	s := qmptest.NewServer(t, nil)
	got := make(chan [2]int, 3)
	for i, command := range []string{"query-status", "getfd", "closefd"} {
		s.Handle(command, func(r *qmptest.Request) (any, error) {
			got <- [2]int{i, len(r.Files)}
			return nil, nil
		})
	}
	var f file
	r := talk.NewRecorder(&f)
	conn, err := r.Conn(dial(t, s.Addr()))
	require.NoError(t, err)
	u := conn.(*net.UnixConn)
	null := must(os.Open(os.DevNull))
	defer null.Close()
	raw := must(null.SyscallConn())
	_, err = u.Write([]byte(`{"execute":"qmp_capabilities"}{"execute":"query-status"}`))
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		_, _, err = u.WriteMsgUnix([]byte(`{"execute":"getfd","arguments":{"fdname":"a"}}`), syscall.UnixRights(int(fd)), nil)
	}))
	require.NoError(t, err)
	_, err = u.Write([]byte(`{"execute":"closefd","arguments":{"fdname":"a"}}`))
	require.NoError(t, err)
	require.Equal(t, [2]int{0, 0}, <-got)
	require.Equal(t, [2]int{1, 1}, <-got)
	require.Equal(t, [2]int{2, 0}, <-got)
	require.NoError(t, u.Close())
	require.NoError(t, r.Close())
	for _, e := range f.entries(t) {
		require.Equal(t, e.Command == "getfd", e.Files == 1, string(e.Text))
	}
}
