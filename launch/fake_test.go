//go:build linux

package launch_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qmpkit/qmpkit/launch"
)

// asQEMU has the test binary be a QEMU with a behaviour, see beQEMU.
const asQEMU = "LAUNCH_AS_QEMU"

// beQEMU is a QEMU with a monitor that knows five commands. behaviour has the words:
//   - "listens": the guest powers the machine off at the second press of the button
//   - "stays": the process stays after that, as with -no-shutdown
//   - "silent": it does so without STOP, like a machine that did not run
//   - "half": before the process ends, the monitor takes nothing more, and the client cannot read the end yet; SHUTDOWN comes
//     only with "told"
//   - "stuck": it answers no command after that, not even the press, and ends when it gets SIGTERM
//   - "paused": the machine does not run
//   - "no-quit", "no-term": quit has no effect, or SIGTERM
//   - "hangs": the process stops itself when it gets a command
func beQEMU(behaviour string) {
	does := func(word string) bool { return strings.Contains(behaviour, word) }
	if does("no-term") {
		signal.Ignore(syscall.SIGTERM)
	}
	fd, _ := strconv.Atoi(regexp.MustCompile(`unix:fd=(\d+)$`).FindStringSubmatch(os.Args[len(os.Args)-1])[1])
	monitor := os.NewFile(uintptr(fd), "monitor")
	status, presses := "running", 0
	if does("paused") {
		status = "paused"
	}
	event := func(name, data string) {
		fmt.Fprintf(monitor, `{"timestamp":{"seconds":1,"microseconds":1},"event":%q,"data":%s}`+"\n", name, data)
	}
	terminated := make(chan os.Signal, 1)
	fmt.Fprintln(monitor, `{"QMP":{"version":{"qemu":{"micro":0,"minor":1,"major":11},"package":""},"capabilities":[]}}`)
	for commands := json.NewDecoder(monitor); ; {
		var command struct {
			Execute string
			ID      json.RawMessage
		}
		if commands.Decode(&command) != nil {
			time.Sleep(time.Minute) // the client is closed
		}
		result := `{}`
		switch command.Execute {
		case "query-status":
			if does("hangs") {
				_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			}
			result = fmt.Sprintf(`{"running":%t,"status":%q}`, status == "running", status)
		case "system_powerdown":
			if presses++; presses < 2 || !does("listens") {
				break
			}
			if does("half") {
				_ = syscall.Shutdown(fd, syscall.SHUT_RD)
				time.AfterFunc(200*time.Millisecond, func() { os.Exit(0) })
			}
			if !does("half") || does("told") {
				event("SHUTDOWN", `{"guest":true,"reason":"guest-shutdown"}`)
			}
			switch {
			case does("half"):
			case does("stuck"):
				signal.Notify(terminated, syscall.SIGTERM)
				<-terminated
				os.Exit(0)
			case does("silent"):
				status = "shutdown"
			case does("stays"):
				status = "shutdown"
				event("STOP", "{}")
			default:
				monitor.Close()
				time.Sleep(20 * time.Millisecond)
				os.Exit(0)
			}
		case "quit":
			if !does("no-quit") {
				event("SHUTDOWN", `{"guest":false,"reason":"host-qmp-quit"}`)
				os.Exit(0)
			}
		}
		id := ""
		if command.ID != nil {
			id = `,"id":` + string(command.ID)
		}
		fmt.Fprintf(monitor, `{"return":%s%s}`+"\n", result, id)
	}
}

// startFake starts a QEMU with a behaviour.
func startFake(t *testing.T, behaviour string) *launch.Process {
	t.Helper()
	return startWith(t, launch.Config{Binary: os.Args[0], Prepare: func(cmd *exec.Cmd) {
		cmd.Env = append(os.Environ(), asQEMU+"="+behaviour)
	}})
}
