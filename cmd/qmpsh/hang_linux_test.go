package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestOnAllHung: a server that hangs before or after the connection does not disturb the others.
func TestOnAllHung(t *testing.T) {
	a, b, hung := named(t, "first"), named(t, "second"), named(t, "hung")
	for _, hanging := range []string{"query-version", "query-qmp-schema"} {
		hung.Handle(hanging, qmptest.Hang)
		status, stdout, stderr := runShell(t, "", "a="+a.Addr()+",h="+hung.Addr()+",b="+b.Addr(), "on", "all", "query-name", "-json", "-timeout", "2s")
		require.Equal(t, exitNotSent, status, stderr)
		require.Equal(t, "{\"name\":\"first\"}\n{\"name\":\"second\"}\n", strings.ReplaceAll(stdout, ": ", ":"))
		require.Contains(t, stderr, "qmpsh: h: ")
		require.NotContains(t, stderr, "qmpsh: h: qmpsh: ")
	}
	require.Empty(t, requestsOf(hung, "query-name"))

	// The first server gets the commands of a script, so nothing is executed without it.
	status, stdout, _ := runShell(t, "", "h="+hung.Addr()+",a="+a.Addr(), "query-name", "-timeout", "1s")
	require.Equal(t, exitNotSent, status)
	require.Empty(t, stdout)

	status, _, stderr := runShell(t, "", hung.Addr(), "query-name", "-timeout", "1s")
	require.Equal(t, exitNotSent, status)
	require.Contains(t, stderr, "the server is stopped")
}

// TestTimeoutBeforeSending: the time of -timeout also holds for what the shell asks before it sends the command.
func TestTimeoutBeforeSending(t *testing.T) {
	s := named(t, "vm")
	s.Handle("device-list-properties", qmptest.NoReply)
	for _, line := range []string{"device_add driver=virtio-rng-pci id=r1", "query-name"} {
		if line == "query-name" {
			s.Handle("query-name", qmptest.NoReply)
		}
		status, _, stderr := runShell(t, line+" -timeout 100ms\n", s.Addr())
		if line == "query-name" {
			require.Equal(t, exitUnknown, status, stderr)
			continue
		}
		require.Equal(t, exitNotSent, status, stderr)
		require.Equal(t, "qmpsh: line 1: no answer in the time of -timeout; the command was not sent\n", stderr)
		require.Empty(t, requestsOf(s, "device_add"))
	}
	for _, line := range []string{"tree block", "tree net", "tree pci", "tree qom /machine", "progress", "watch query-name", "list disks", "add nic n1"} {
		for _, command := range []string{"query-block", "query-jobs", "qom-list", "qom-list-types", "qom-get", "query-pci", "human-monitor-command",
			"query-blockstats", "netdev_add", "x-debug-query-block-graph"} {
			s.Handle(command, qmptest.NoReply)
		}
		status, stdout, stderr := runShell(t, line+" -timeout 100ms\n", s.Addr())
		want := exitUnknown
		if op, _ := operate.Match(strings.Fields(line)); op != nil {
			want = exitTimeOver
		}
		require.Equal(t, want, status, line+": "+stdout+stderr)
	}
}

// TestHungTab completes on a server that hangs: the line stays usable, and the schema completes.
func TestHungTab(t *testing.T) {
	s := named(t, "vm")
	hung := make(chan struct{})
	s.Handle("x-debug-query-block-graph", func(r *qmptest.Request) (any, error) {
		select {
		case <-hung:
		case <-r.Context().Done():
		}
		return map[string]any{"nodes": []any{map[string]any{"id": 1, "name": "node1", "type": "block-driver"}}, "edges": []any{}}, nil
	})
	term := startTerminal(t, nil, "vm1="+s.Addr())
	term.wait(`vm1> `)
	term.send("block_resize node-name=\t")
	term.wait(`no names: vm1 has not answered within 1s`)
	for range 20 {
		term.send("\t")
	}
	term.send("\x15query-na\t")
	term.wait(`query-name`)
	require.Len(t, requestsOf(s, "x-debug-query-block-graph"), 1)
	close(hung)
	term.send("\r")
	term.wait(`vm`)
	term.wait(`vm1> `)
	term.send("block_resize node-name=\t")
	term.wait(`node-name=node1`)
	term.send("\x15")

	// A line that takes time to check does not end the shell at Ctrl-C.
	s.Handle("device-list-properties", qmptest.NoReply)
	term.send("device_add driver=virtio-rng-pci id=r1\r")
	term.wait(`id=r1\r\n`)
	time.Sleep(200 * time.Millisecond)
	term.send("\x03")
	term.wait(`interrupted; the command was not sent`)
	term.wait(`vm1> `)
	term.send("\x04")
	term.end()
}

// TestTerminated sends SIGTERM and SIGHUP while a line is typed and while a command runs: the terminal is as before.
func TestTerminated(t *testing.T) {
	s := named(t, "vm")
	s.Handle("stop", qmptest.NoReply)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		for _, line := range []string{"quer", "stop\r", "events -n 1\r", "watch query-name\r", "query-na\x12na"} {
			term := startTerminal(t, nil, "vm1="+s.Addr())
			before := term.mode()
			term.wait(`vm1> `)
			require.NotEqual(t, before, term.mode())
			term.send(line)
			term.wait(regexp.QuoteMeta(strings.TrimRight(line, "\r\x12na")))
			time.Sleep(200 * time.Millisecond)
			require.NoError(t, term.process.Signal(signal))
			select {
			case err := <-term.ended:
				require.ErrorContains(t, err, "143", line)
			case <-time.After(30 * time.Second):
				require.FailNow(t, "it has not ended", line)
			}
			require.Equal(t, before, term.mode(), line)
			require.Eventually(t, func() bool { // the output arrives a little later
				term.mu.Lock()
				defer term.mu.Unlock()
				output := term.output.String()
				return strings.Count(output, "\x1b[?2004h") == strings.Count(output, "\x1b[?2004l")
			}, 30*time.Second, 5*time.Millisecond, line)
		}
	}
}

// mode returns the modes of the terminal.
func (term *terminal) mode() unix.Termios {
	mode, err := unix.IoctlGetTermios(int(term.master.Fd()), unix.TCGETS)
	require.NoError(term.t, err)
	return *mode
}

// TestStopped works with a real QEMU that is stopped: Ctrl-C ends the waits, and the connection stays.
func TestStopped(t *testing.T) {
	vm := qemutest.Get(t, "11.1").Start(t, qemutest.Config{Machine: "pc", Args: []string{"-S"}})
	term := startTerminal(t, nil, "vm1="+vm.Socket())
	term.wait(`vm1> `)
	require.NoError(t, syscall.Kill(vm.Pid(), syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(vm.Pid(), syscall.SIGCONT) })
	for _, line := range []string{"query-status", "tree block", "tree pci", "tree qom", "progress", "watch query-name", "on vm1 query-name",
		"list disks", "add nic n1", "job list", "screenshot " + t.TempDir() + "/x.png"} {
		term.send(line + "\r")
		term.wait(regexp.QuoteMeta(line) + `\r\n`)
		time.Sleep(100 * time.Millisecond)
		term.send("\x03")
		term.wait(`vm1> `)
	}
	require.NoError(t, syscall.Kill(vm.Pid(), syscall.SIGCONT))
	term.send("query-status\r")
	term.wait(`prelaunch`)
	term.send("\x04")
	term.end()
}

// TestPatience says what the shell waits for: at a command, at an operation, while it connects, and at the start.
func TestPatience(t *testing.T) {
	s := named(t, "vm")
	for _, command := range []string{"stop", "query-jobs", "query-block", "qom-list"} {
		s.Handle(command, qmptest.NoReply)
	}
	term := startTerminal(t, nil, "vm1="+s.Addr())
	for _, c := range [][2]string{
		{"stop", `Ctrl-C ends the wait: vm1 is busy or stopped`},
		{"tree block", `Ctrl-C ends the wait: vm1 is busy or stopped`},
		{"on all stop", `Ctrl-C ends the wait: a server is busy or stopped`},
		{"on vm1 stop", `Ctrl-C ends the wait: vm1 is busy or stopped`},
		{"list disks", `list disks goes on; Ctrl-C ends it`},
		{"events -n 1", `Ctrl-C ends the wait for events`},
	} {
		term.wait(`vm1> `)
		term.send(c[0] + "\r")
		term.wait(c[1])
		term.send("\x03")
		term.wait(regexp.QuoteMeta(clearLine)) // the text goes away
		term.wait(`interrupted`)
	}
	s.Handle("query-qmp-schema", qmptest.NoReply)
	term.wait(`vm1> `)
	term.send("open vm2=" + s.Addr() + "\r")
	term.wait(`Ctrl-C ends the wait for vm2: another client`)
	term.send("\x03")
	term.wait(`vm1> `)
	term.send("\x04")
	term.end()

	start := startTerminal(t, nil, "vm1="+s.Addr(), "query-name")
	start.wait(`qmpsh: Ctrl-C ends the wait for vm1: another`)
	start.send("\x03")
	require.ErrorContains(t, <-start.ended, "130")
}

// TestTypeAhead types while a command runs: the keys have no echo, and stand in the next line. Ctrl-C drops them.
func TestTypeAhead(t *testing.T) {
	s := named(t, "vm")
	answer := make(chan struct{})
	s.Handle("stop", func(r *qmptest.Request) (any, error) {
		select {
		case <-answer:
		case <-r.Context().Done():
		}
		return struct{}{}, nil
	})
	quit := make(chan struct{})
	s.Handle("quit", func(*qmptest.Request) (any, error) { close(quit); return struct{}{}, nil })
	term := startTerminal(t, nil, "vm1="+s.Addr())
	sent := 0
	run := func() {
		term.wait(`vm1> `)
		term.send("stop\r")
		sent++
		require.Eventually(t, func() bool { return len(requestsOf(s, "stop")) == sent }, 30*time.Second, 5*time.Millisecond)
	}
	run()
	term.send("geheimm\x7f\x01# \x05\rquery-na\t") // keys of the line editor, too
	term.wait(`Ctrl-C ends the wait`)
	term.mu.Lock()
	require.NotContains(t, term.output.String(), "geheim")
	term.mu.Unlock()
	answer <- struct{}{}
	term.wait(`ok\r\n`)
	term.wait(`vm1> .*\r\n`)
	term.wait(`vm1> .*query-name`)
	term.send("\r")
	term.wait(`name +vm`)

	run()
	term.send("query-nothing\r")
	term.send("\x03")
	term.wait(`interrupted`)
	term.wait(`vm1> `)
	term.send("\r")
	term.wait(`vm1> `)
	term.mu.Lock()
	require.NotContains(t, term.output.String(), "query-nothing")
	term.mu.Unlock()

	// A shell of the system that stops and continues the program has changed the modes. (The test cannot stop it: it is in
	// its own session.)
	answer <- struct{}{} // to the command that was interrupted
	term.send("\r")
	run()
	modes := term.mode()
	cooked := modes
	cooked.Lflag |= unix.ECHO | unix.ICANON
	require.NoError(t, unix.IoctlSetTermios(int(term.master.Fd()), unix.TCSETS, &cooked))
	require.NoError(t, term.process.Signal(syscall.SIGCONT))
	require.Eventually(t, func() bool { return term.mode() == modes }, 30*time.Second, 5*time.Millisecond)
	answer <- struct{}{}
	term.wait(`ok\r\n`)
	term.wait(`vm1> `)

	// What was typed before a question is no answer to it.
	term.send("quit\ry\r")
	term.wait(`End vm1\? \[y/N\] `)
	term.send("\r")
	term.wait(`vm1> `)
	select {
	case <-quit:
		require.FailNow(t, "quit was sent")
	default:
	}
	term.send("\x04")
	term.end()
}

// TestFreezeInterrupted freezes a real guest whose QEMU is stopped, presses Ctrl-C, and later kills the QEMU of a frozen
// guest.
func TestFreezeInterrupted(t *testing.T) {
	vm := qemutest.Get(t, "11.1").Start(t, qemutest.Config{Machine: "pc", Guest: true, Agent: true})
	require.NoError(t, vm.WaitGuest(t.Context()))
	socket := filepath.Join(t.TempDir(), "a")
	term := startTerminal(t, nil, "vm1="+vm.Socket())
	do := func(line, want string) {
		t.Helper()
		term.wait(`> `)
		term.send(line + "\r")
		term.wait(want)
	}
	do("add device serial0 virtio-serial-pci", "added device serial0")
	do("chardev-add id=agent backend.type=socket backend.data.addr.type=unix backend.data.addr.data.path="+socket+" backend.data.wait=off", "ok|return|{}")
	do("device_add driver=virtserialport id=port1 bus=serial0.0 chardev=agent name="+qemutest.AgentPort, "ok")
	for begin := time.Now(); ; { // until the agent runs
		term.wait(`> `)
		term.send("open vm1-agent=agent:" + socket + "\r")
		if term.wait(`qmpsh: |vm1-agent> `) == "vm1-agent> " {
			break
		}
		require.Less(t, time.Since(begin), time.Minute)
	}
	term.send("use vm1\r")
	do("agent status", `thawed`)

	require.NoError(t, syscall.Kill(vm.Pid(), syscall.SIGSTOP))
	do("agent freeze", `freeze\r\n`)
	time.Sleep(200 * time.Millisecond)
	term.send("\x03")
	term.wait(`still undoing`)
	require.NoError(t, syscall.Kill(vm.Pid(), syscall.SIGCONT))
	term.wait(`the file systems are thawed again`)
	do("agent status", `thawed`)

	do("agent freeze", `file systems are frozen`)
	require.NoError(t, syscall.Kill(vm.Pid(), syscall.SIGKILL))
	do("agent thaw", `qmpsh: `)
	term.wait(`> `)
	term.send("\x04")
	term.end()
}
