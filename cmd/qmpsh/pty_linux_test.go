package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// A terminal runs the shell in a pseudo terminal.
type terminal struct {
	t       *testing.T
	master  *os.File
	process *os.Process
	ended   chan error

	mu     sync.Mutex
	output bytes.Buffer
	seen   int // how much of the output has been waited for
}

// startTerminal starts the shell. variables are added to its environment.
func startTerminal(t *testing.T, variables []string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo terminals: ", err)
	}
	t.Cleanup(func() { master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	defer slave.Close()
	require.NoError(t, unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), append([]string{"QMPSH_TEST_MAIN=1", "TERM=xterm", "PAGER=cat", "NO_COLOR=1",
		"QMPSH_HISTORY=" + filepath.Join(t.TempDir(), "history")}, variables...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	term := &terminal{t: t, master: master, process: cmd.Process, ended: make(chan error, 1)}
	go func() {
		var buffer [4096]byte
		for {
			n, err := master.Read(buffer[:])
			term.mu.Lock()
			term.output.Write(buffer[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() { term.ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return term
}

func (term *terminal) send(text string) {
	term.t.Helper()
	_, err := term.master.WriteString(text)
	require.NoError(term.t, err)
}

// wait waits until the output after what was waited for before has a match.
func (term *terminal) wait(pattern string) string {
	term.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.Now().Add(20 * time.Second)
	for {
		term.mu.Lock()
		rest := term.output.String()[term.seen:]
		if at := re.FindStringIndex(rest); at != nil {
			term.seen += at[1]
			term.mu.Unlock()
			return rest[at[0]:at[1]]
		}
		term.mu.Unlock()
		if time.Now().After(deadline) {
			require.FailNow(term.t, "the output has no match", "%s\n%q", pattern, rest)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// end waits until the shell has ended with success.
func (term *terminal) end() {
	term.t.Helper()
	select {
	case err := <-term.ended:
		require.NoError(term.t, err)
	case <-time.After(20 * time.Second):
		require.FailNow(term.t, "the shell has not ended")
	}
}

// TestTerminal types into the shell: completion, mistakes, history, events.
func TestTerminal(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		vm := q.Start(t, qemutest.Config{Machine: "pc", Monitors: 2, Args: []string{"-S"}})
		other := qmptestDial(t, vm.Sockets[1])
		saved := filepath.Join(t.TempDir(), "saved")
		term := startTerminal(t, []string{"QMPSH_HISTORY=" + saved}, "vm1="+vm.Sockets[0])
		term.wait(`vm1: QEMU ` + regexp.QuoteMeta(q.Release()))
		term.wait(`vm1> `)

		term.send("query-statu\t")
		term.wait(`query-status `)
		term.send("\r")
		term.wait(`prelaunch`)
		term.wait(`vm1> `)

		// An event appears above the line, which stays.
		term.send("query-na")
		term.wait(`query-na`)
		_, err := qmp.Raw{Command: "cont"}.Do(t.Context(), other)
		require.NoError(t, err)
		term.wait(`RESUME[^\n]*\r\n(.*\n)*.*vm1> query-na`)
		term.send("me -json\r")
		term.wait(`\{\}\r\n`)

		// A mistake is marked. A line with a secret is not kept with it.
		term.send("query-statuss\r")
		term.wait(`\^\^\^+`)
		term.send("object-add qom-type=secret id=s1 data=geheim\r")
		term.wait(`ok\r\n`)
		term.wait(`vm1> `)
		term.send("\x12prelau\x07")       // nothing has it
		term.send("\x12quer\x7f\x12\x12") // query-statuss, query-name, query-status
		term.wait(`\(search que\) query-status`)
		term.send("\r")
		term.wait(`"?running"?`)

		term.send("query-st\x03")
		term.wait(`\^C\r\n`)
		term.wait(`vm1> `)
		term.send("exit\r")
		term.end()
		text, err := os.ReadFile(saved)
		require.NoError(t, err)
		require.Contains(t, string(text), "query-status\n")
		require.NotContains(t, string(text), "geheim")
		require.NotContains(t, string(text), "query-statuss")
		info, err := os.Stat(saved)
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077)
	})
}

func qmptestDial(t *testing.T, path string) *qmp.Client {
	c, err := qmp.Dial(t.Context(), path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// TestInterrupt ends a wait by Ctrl-C. The connection stays.
func TestInterrupt(t *testing.T) {
	s := server(t)
	s.Handle("stop", func(*qmptest.Request) (any, error) { return nil, qmptest.ErrNoReply })
	s.Handle("query-name", func(*qmptest.Request) (any, error) { return map[string]string{"name": "still here"}, nil })
	quit := make(chan struct{})
	s.Handle("quit", func(*qmptest.Request) (any, error) { close(quit); return struct{}{}, nil })
	term := startTerminal(t, nil, "vm1="+s.Addr())
	term.wait(`vm1> `)
	term.send("stop\r")
	term.wait("stop\r\n")
	time.Sleep(200 * time.Millisecond) // until it waits
	term.send("\x03")
	term.wait(`interrupted; the command was sent, and the server may still execute it`)
	term.wait(`vm1> `)
	term.send("query-name\r")
	term.wait(`still here`)
	term.send("events -n 1\r")
	term.wait("-n 1\r\n")
	time.Sleep(200 * time.Millisecond)
	term.send("\x03")
	term.wait(`interrupted`)

	// quit is a command of the server: the shell asks.
	term.wait(`vm1> `)
	term.send("quit\r")
	term.wait(`to leave the shell, type exit. End vm1\? \[y/N\] `)
	term.send("n\r")
	term.wait(`vm1> `)
	select {
	case <-quit:
		require.FailNow(t, "quit was sent")
	default:
	}
	term.send("\x04")
	term.end()
}

// TestFlood types while the server sends 1000 events a second.
func TestFlood(t *testing.T) {
	s := server(t)
	s.Handle("query-name", func(*qmptest.Request) (any, error) { return map[string]string{"name": "not disturbed"}, nil })
	term := startTerminal(t, nil, "vm1="+s.Addr())
	term.wait(`vm1> `)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2000 {
			s.Event("RESUME", nil)
			time.Sleep(time.Millisecond)
		}
	}()
	for _, c := range "query-name" {
		term.send(string(c))
		time.Sleep(50 * time.Millisecond)
	}
	term.wait(`… and \d+ RESUME\r\n`)
	term.wait(`vm1> query-name`)
	term.send("\r")
	term.wait(`not disturbed`)
	<-done
	term.send("\x04")
	term.end()
}

// TestReconnect ends the connection. The next command connects again.
func TestReconnect(t *testing.T) {
	s := server(t)
	s.Handle("stop", func(r *qmptest.Request) (any, error) {
		r.Disconnect()
		return nil, qmptest.ErrNoReply
	})
	s.Handle("query-name", func(*qmptest.Request) (any, error) { return map[string]string{"name": "again"}, nil })
	term := startTerminal(t, nil, "vm1="+s.Addr())
	term.wait(`vm1> `)
	term.send("stop\r")
	term.wait(`qmpsh: `)
	term.wait(`vm1> `)
	term.send("query-name\r")
	term.wait(`again`)
	term.send("\x04")
	term.end()
}

// TestDumb uses a terminal without a cursor: there are no escape sequences.
func TestDumb(t *testing.T) {
	s := server(t)
	s.Handle("query-name", func(*qmptest.Request) (any, error) { return map[string]string{"name": "plain"}, nil })
	term := startTerminal(t, []string{"TERM=dumb"}, "vm1="+s.Addr())
	term.wait(`vm1> `)
	term.send("query-name\r")
	term.wait(`plain`)
	term.send("\x04")
	term.end()
	term.mu.Lock()
	defer term.mu.Unlock()
	require.False(t, strings.Contains(term.output.String(), "\x1b"))
}

// TestPipe gives a result to programs that use the terminal, such as less: they have it as it was before the shell.
func TestPipe(t *testing.T) {
	s := named(t, "vm")
	term := startTerminal(t, nil, "vm1="+s.Addr())
	for _, c := range [][2]string{
		{"query-name | sh -c 'test -t 1 && echo a terminal'", `2004la terminal\r\n`},
		{"query-name | sh -c 'stty -a </dev/tty | grep -q \" icanon .* echo \" && echo as before'", `2004las before\r\n`},
		{"query-name | sleep 100", `| sleep 100\r\n`},
	} {
		term.wait(`vm1> `)
		term.send(c[0] + "\r")
		term.wait(c[1])
	}
	time.Sleep(100 * time.Millisecond)
	term.send("\x03")
	term.wait(`interrupted`)
	term.wait(`vm1> `)
	term.send("\x04")
	term.end()
}

// TestColour: NO_COLOR turns colours off.
func TestColour(t *testing.T) {
	s := named(t, "vm")
	s.Handle("query-jobs", qmptest.Return([]map[string]any{{"id": "j1", "type": "mirror", "status": "aborting"}}))
	for variable, coloured := range map[string]bool{"NO_COLOR=": true, "NO_COLOR=1": false} {
		term := startTerminal(t, []string{variable}, "vm1="+s.Addr())
		for _, line := range []string{"query-jobs", "query-name", "watch query-jobs -n 1", "help query-jobs"} {
			term.wait(`vm1> `)
			term.send(line + "\r")
		}
		term.wait(`vm1> `)
		term.send("\x04")
		term.end()
		term.mu.Lock()
		require.Equal(t, coloured, regexp.MustCompile(`\x1b\[[0-9;]+m`).Match(term.output.Bytes()), variable)
		term.mu.Unlock()
	}
}

// TestRiskyQuery sends a query that can end some QEMUs while they have a backup: the shell asks.
func TestRiskyQuery(t *testing.T) {
	s := server(t)
	s.Handle("query-jobs", func(*qmptest.Request) (any, error) {
		return []map[string]any{{"id": "j1", "type": "backup", "status": "concluded", "current-progress": 1, "total-progress": 1}}, nil
	})
	s.Handle("query-named-block-nodes", func(*qmptest.Request) (any, error) { return nil, errors.New("it was sent") })
	term := startTerminal(t, nil, "vm1="+s.Addr())
	term.wait(`vm1> `)
	term.send("query-named-block-nodes\r")
	term.wait(`Send it\? \[y/N\] `)
	term.send("\r")
	term.wait(`vm1> `)
	for _, r := range s.Requests() {
		require.NotEqual(t, "query-named-block-nodes", r.Command)
	}
	term.send("exit\r")
	term.end()
}
