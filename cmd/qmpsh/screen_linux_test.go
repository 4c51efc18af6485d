package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// evil is a text that would control the terminal: red, cleared, and in the other direction.
const evil = "\x1b[31mred\u009b2J\u202e"

// TestOutside shows texts from outside: they cannot control the terminal.
func TestOutside(t *testing.T) {
	s := named(t, evil)
	s.Handle("stop", func(*qmptest.Request) (any, error) {
		return nil, &qmp.Error{Class: "GenericError", Desc: "no " + evil}
	})
	s.Handle("human-monitor-command", qmptest.Return(evil+"\r\n"))
	s.Handle("query-jobs", qmptest.Return([]map[string]any{{"id": evil, "type": "mirror", "status": "concluded", "current-progress": 1, "total-progress": 1, "error": evil}}))
	s.Handle("query-migrate", qmptest.Return(map[string]any{}))
	term := startTerminal(t, []string{"TERM=dumb"}, "vm1="+s.Addr())
	for _, c := range [][2]string{
		{"query-name", `name`},
		{"query-name -json", `\\u202e`},
		{"query-name | jq -r .name", `\\u202e`},
		{"query-name | jq .", `\\u202e`},
		{"watch query-name -n 1", `\\u202e`},
		{"stop", `qmpsh: stop: no .*\\u202e`},
		{"human-monitor-command command-line=info", `\\u202e`},
		{"hmp info status", `\\u202e`},
		{"progress", `mirror .*\\u202e`},
		{"progress -json", `\\u202e`},
		{"query-jobs", `mirror`},
	} {
		term.wait(`vm1> `)
		term.send(c[0] + "\r")
		term.wait(c[1])
	}
	term.wait(`vm1> `)
	term.send("\x04")
	term.end()
	term.mu.Lock()
	defer term.mu.Unlock()
	for _, bad := range []string{"\x1b", "\u009b", "\u202e"} {
		require.NotContains(t, term.output.String(), bad)
	}

	// A pipe gets them as they are.
	_, stdout, _ := runShell(t, "query-name | jq -r .name\n", s.Addr())
	require.Equal(t, evil+"\n", stdout)
}

// TestPaste pastes lines: they wait for Enter, and Ctrl-C drops them.
func TestPaste(t *testing.T) {
	s := named(t, "vm")
	s.Handle("stop", qmptest.Return(struct{}{}))
	term := startTerminal(t, nil, "vm1="+s.Addr())
	term.wait(`vm1> `)
	term.send("\x1b[200~stop\rquery-name\r\x1b[201~")
	term.wait(`query-name\r\n`)
	time.Sleep(200 * time.Millisecond)
	require.Empty(t, requestsOf(s, "stop"))
	term.send("\x03")
	term.wait(`vm1> `)
	term.send("\x1b[200~stop\r# don't\rquery-name \\\r -json\rnothing\rstop\r\x1b[201~")
	term.wait(`stop\r\n.*> `)
	require.Empty(t, requestsOf(s, "stop"))
	term.send("\r")
	term.wait(`ok\r\n`)
	term.wait(`"name": ?"vm"`)
	term.wait(`\^\^\^`) // nothing is executed after a mistake
	term.wait(`vm1> `)
	require.Len(t, requestsOf(s, "stop"), 1)

	// A line from the history has no secret, so it is not executed.
	term.send("object-add qom-type=secret id=s data=geheim\r")
	term.wait(`not been found`)
	term.wait(`vm1> `)
	sent := len(requestsOf(s, "object-add"))
	term.send("\x1b[A\r")
	term.wait(`data=\*\*\*`)
	term.wait(`qmpsh: the line has \*\*\* in place of a secret`)
	term.wait(`vm1> `)
	require.Len(t, requestsOf(s, "object-add"), sent)
	term.send("\x04")
	term.end()
}

// TestProgressOnScreen: events do not begin in the line of the progress, and those of jobs do not appear.
func TestProgressOnScreen(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	e := &editor{out: w}
	e.progress("move: 1 of 2")
	_, err = e.Write([]byte("EVENT\n"))
	require.NoError(t, err)
	e.progress("")
	e.progress("move: 2 of 2")
	e.progress("")
	w.Close()
	var b strings.Builder
	_, err = r.WriteTo(&b)
	require.NoError(t, err)
	require.Equal(t, clearLine+"move: 1 of 2"+clearLine+"EVENT\n"+clearLine+"move: 2 of 2"+clearLine, b.String())
	require.True(t, isJobEvent("JOB_STATUS_CHANGE"))
	require.True(t, isJobEvent("BLOCK_JOB_READY"))
	require.False(t, isJobEvent("BLOCK_JOB_ERROR"))
	require.False(t, isJobEvent("STOP"))
}
