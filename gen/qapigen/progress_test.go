package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestProgress lets steps take their time: what is quick is not told.
func TestProgress(t *testing.T) {
	for _, c := range []struct {
		terminal bool
		want     string
	}{
		{false, "qapigen: asking …\nqapigen: writing …\nit is written\n"},
		{true, "qapigen: asking … 1 s" + "\r                     \r" +
			"qapigen: asking … 2 s" + "\r                     \r" +
			"qapigen: writing … 1 s" + "\r                      \r" + "it is written\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			setProgressAfter(t, time.Second)
			var b bytes.Buffer
			p := newProgress(&b)
			require.False(t, p.terminal)
			p.terminal = c.terminal
			p.step("asking")
			time.Sleep(2*time.Second + time.Millisecond)
			p.step("reading")
			time.Sleep(time.Second - time.Millisecond)
			p.step("writing")
			time.Sleep(time.Second + time.Millisecond)
			_, err := p.Write([]byte("it is written\n"))
			require.NoError(t, err)
			p.step("")
			time.Sleep(time.Minute)
			require.Equal(t, c.want, b.String())
		})
	}
}

// TestProgressOfServer asks a server that does not greet before something was said of it.
func TestProgressOfServer(t *testing.T) {

	setProgressAfter(t, time.Millisecond)
	s := qmptest.NewServer(t, nil)
	s.Handle("query-qmp-schema", qmptest.Return([]any{}))
	told := make(chan struct{})
	slow := listen(t, func(in net.Conn) {
		<-told
		join(in, s.Addr())
	})
	var out strings.Builder
	errs := &noticing{told: told}
	require.Equal(t, exitHasNot, run([]string{"query", slow, "stop"}, &out, errs))
	require.Equal(t, "false\n", out.String())
	require.Contains(t, errs.String(), "qapigen: waiting for the greeting of unix:"+slow+" …\n")
}

// noticing is standard error that closes a channel when something is written to it.
type noticing struct {
	bytes.Buffer
	told chan struct{}
}

func (n *noticing) Write(b []byte) (int, error) {
	if n.Len() == 0 {
		close(n.told)
	}
	return n.Buffer.Write(b)
}

func TestIsTerminal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	defer f.Close()
	require.False(t, isTerminal(f))
	require.False(t, isTerminal(&bytes.Buffer{}))
	terminal, err := os.Open(os.DevNull) // a device, as terminals are
	require.NoError(t, err)
	defer terminal.Close()
	require.True(t, isTerminal(terminal))
}

func setProgressAfter(t *testing.T, d time.Duration) {
	before := progressAfter
	progressAfter = d
	t.Cleanup(func() { progressAfter = before })
}
