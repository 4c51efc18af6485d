package machine

import (
	"context"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// HumanMonitor executes a command of the human monitor (HMP), and returns its output. Use it for commands that QMP does not
// have, such as "info mtree": QEMU changes the texts from version to version.
//
// In QMP, a command of HMP succeeds even if it fails. HumanMonitor recognizes a failure by the output, and returns an
// [*HMPError] if the output begins with "Error:", or says that the command or an argument is wrong. It does so for most
// commands in all versions, but not for all: "qemu-io" prints its errors elsewhere, "hostfwd_add" prints "user mode network
// stack not in use". So a command may have failed even if the error is nil. If QMP has a command, use that one.
//
// Source: human-monitor-command.
func HumanMonitor(ctx context.Context, x qmp.Executor, line string) (output string, err error) {
	output, err = qemu.HumanMonitorCommand{CommandLine: line}.Do(ctx, x)
	if err != nil {
		return "", failed(nameOf(line), err)
	}
	output = strings.ReplaceAll(output, "\r\n", "\n")
	if reason(output) != "" {
		err = &HMPError{Line: line, Output: output}
	}
	return output, err
}

// nameOf returns the name of a command.
func nameOf(line string) string {
	words := strings.Fields(line)
	switch {
	case len(words) == 0:
		return "empty command"
	case words[0] == "info" && len(words) > 1:
		return "info " + words[1]
	}
	return words[0]
}

// reason returns the line of an output that says why the command has failed, or "" if no line does.
func reason(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	for len(lines) > 1 && strings.HasPrefix(lines[0], "warning: ") {
		lines = lines[1:]
	}
	first, last := lines[0], lines[len(lines)-1]
	switch {
	case strings.HasPrefix(first, "Error: "):
		return strings.TrimPrefix(first, "Error: ")
	case strings.HasPrefix(first, "unknown command: '"),
		strings.HasPrefix(first, "Command '") && strings.HasSuffix(first, "not available until machine initialization has completed."),
		strings.HasPrefix(last, "Try \"help ") && strings.HasSuffix(last, "\" for more information"):
		return first
	}
	return ""
}
