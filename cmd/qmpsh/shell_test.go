package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestPreview prints requests with -n: nothing is sent.
func TestPreview(t *testing.T) {
	for _, c := range []struct {
		args           []string
		status         int
		stdout, stderr string
	}{
		{[]string{"blockdev-del", "node-name=dr", "-n"}, exitOK, `blockdev-del {"node-name":"dr"}` + "\n", ""},
		{[]string{"-n", "blockdev-del", "node-name=dr"}, exitOK, `blockdev-del {"node-name":"dr"}` + "\n", ""},
		{[]string{"blockdev-del", "node-name=dr", "--dry-run", "-json"}, exitOK, `{"execute":"blockdev-del","arguments":{"node-name":"dr"}}` + "\n", ""},
		{[]string{`blockdev-del node-name=dr -n | tr a-z A-Z`}, exitOK, `blockdev-del {"node-name":"dr"}` + "\n", ""},
		{[]string{`{"exec-oob": "migrate-pause"}`, "-n", "-json"}, exitOK, `{"exec-oob":"migrate-pause","arguments":{}}` + "\n", ""},
		{[]string{"watch", "blockdev-del", "node-name=dr", "-dry-run"}, exitOK, `blockdev-del {"node-name":"dr"}` + "\n", ""},
		{[]string{"object-add", "qom-type=secret", "id=s", "data=geheim", "-n"}, exitOK, `object-add {"data":"***","id":"s","qom-type":"secret"}` + "\n", ""},
		{[]string{"on", "all", "stop", "-n"}, exitOK, "stop {}\n", ""},
		{[]string{"stop", "-n", "5"}, exitUsage, "", "-n 5 is for events and watch"},
		{[]string{"events", "-n"}, exitUsage, "", "events: -n wants a number"},
		{[]string{"blockdev-del", "-n"}, exitUsage, "", "node-name"},
	} {
		for _, script := range []bool{false, true} {
			s := named(t, "vm")
			args, stdin := append([]string{"vm=" + s.Addr()}, c.args...), ""
			if script && c.args[0] != "-n" {
				args, stdin = args[:1], joinWords(c.args)
				if strings.Contains(c.args[0], " ") {
					stdin = strings.Join(c.args, " ")
				}
			}
			status, stdout, stderr := runShell(t, stdin, args...)
			require.Equal(t, c.status, status, "%q: %s", args, stderr)
			require.Equal(t, c.stdout, stdout, stdin)
			require.Contains(t, stderr, c.stderr)
			for _, r := range s.Requests() {
				require.Contains(t, []string{"qmp_capabilities", "query-qmp-schema", "query-version"}, r.Command)
			}
		}
	}
}

// TestLines executes scripts with comments and mistakes.
func TestLines(t *testing.T) {
	s, other := named(t, "vm"), named(t, "other")
	s.Handle("query-status", qmptest.Return([]any{}))
	s.Handle("stop", qmptest.Return(nil))
	for _, c := range []struct {
		stdin          string
		status         int
		stdout, stderr string
	}{
		{"\ufeffquery-name -json\n", exitOK, `{"name":"vm"}` + "\n", ""},
		{"# don't {\nquery-name -json   # why, don't\n#\n", exitOK, `{"name":"vm"}` + "\n", ""},
		{"query-name -json # a\t\n  # b\nquery-name -json", exitOK, strings.Repeat(`{"name":"vm"}`+"\n", 2), ""},
		{"query-name \\\n -json # why\n", exitOK, `{"name":"vm"}` + "\n", ""},
		{"block_resize node-name=#block1 size=x", exitUsage, "", "size=x\n"},
		{"\n# a\nquery-name \\\n-json\nnothing\n", exitUsage, `{"name":"vm"}` + "\n", "qmpsh: line 5:\nnothing\n^^^^^^^\n"},
		{"query-name -json\nuse z\n", exitUsage, `{"name":"vm"}` + "\n", "qmpsh: line 2: z: no such session"},
		{"stop\nquery-status\n", exitOK, "", ""}, // neither "ok" nor "none"
		{"query-name | jq -r .name\n", exitOK, "vm\n", ""},
		{"query-name | jq -c .\n", exitOK, `{"name":"vm"}` + "\n", ""},
		{"query-name | jq -rc '{a: .name}'\n", exitOK, `{"a":"vm"}` + "\n", ""},
		{"query-name | jq '.name | length'\n", exitOK, "2\n", ""},
		{"query-name | jq .name + \"2\"\n", exitOK, "vm2\n", ""},
		{"query-name | jq -r .name | tr a-z A-Z\n", exitOK, "VM\n", ""},
		{"query-name | grep name\n", exitOK, "  \"name\": \"vm\"\n", ""},
		{"query-name | grep -q nothing\n", 1, "", ""},
		{"query-name | jq .a | .b\n", exitUsage, "", "needs quotes around the program: jq '.a | .b'"},
		{"query-name | jq --arg a\n", exitUsage, "", "jq: --arg: want -r, -c and a program"},
		{"query-name | jq\n", exitUsage, "", "jq: want a program"},
		{"query-name |\n", exitUsage, "", "a program is missing after the bar"},
		{"watch query-name -n 1 | jq -r .name\n", exitOK, "vm\n", ""},
		{"watch query-name -n 1 | cat\n", exitUsage, "", "watch: want jq PROGRAM"},
		{"close\n", exitUsage, "", "close: want the name of a session"},
		{"close z\n", exitUsage, "", "z: no such session"},
		{"close vm\n", exitUsage, "", "close: vm is the only session"},
		{"open b=" + other.Addr() + "\nclose vm\nsessions\n", exitOK, "* b ", ""},
	} {
		status, stdout, stderr := runShell(t, c.stdin, "vm="+s.Addr())
		require.Equal(t, c.status, status, "%q: %s", c.stdin, stderr)
		require.Contains(t, strings.ReplaceAll(stdout, `": "v`, `":"v`)+"|", strings.ReplaceAll(c.stdout, `": "v`, `":"v`), c.stdin)
		require.Contains(t, stderr, c.stderr, c.stdin)
		if c.stderr == "" {
			require.Empty(t, stderr)
		}
		if c.stdout == "" {
			require.Empty(t, stdout, c.stdin)
		}
	}
}

// TestEventsOfScript: events that came since the last command count.
func TestEventsOfScript(t *testing.T) {
	s := named(t, "vm")
	s.Handle("stop", func(*qmptest.Request) (any, error) {
		s.Event("STOP", nil)
		s.Event("RESUME", nil)
		return struct{}{}, nil
	})
	status, stdout, stderr := runShell(t, "stop\nevents STOP -n 1 -timeout 30s -json\nevents RESUME -n 1 -timeout 30s -json\n", s.Addr())
	require.Equal(t, exitOK, status, stderr)
	require.Contains(t, stdout, "STOP")
	require.Contains(t, stdout, "RESUME")
	status, _, stderr = runShell(t, "stop\nquery-name\nevents STOP -n 1 -timeout 100ms\n", s.Addr())
	require.Equal(t, exitTimeOver, status, stderr)
}

// A full is an output to which nothing can be written.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestStatusOfOutput: a result that cannot be written is no success, and not "not sent".
func TestStatusOfOutput(t *testing.T) {
	s := named(t, "vm")
	for _, args := range [][]string{{"query-name"}, {"query-name", "-json"}, {"sessions"}, {"help"}, {"query-name", "-jq", "."}, {"query-name | cat"}} {
		var errs bytes.Buffer
		require.Equal(t, exitOutput, run(append([]string{s.Addr()}, args...), os.Stdin, full{}, &errs), "%q: %s", args, &errs)
		require.Equal(t, "qmpsh: no space left on device\n", errs.String())
	}
	var errs bytes.Buffer
	require.Equal(t, exitOutput, run([]string{"man"}, os.Stdin, full{}, &errs), errs.String())

	status, _, stderr := runShell(t, "", "/path/not/there", "query-name")
	require.Equal(t, exitNotSent, status)
	require.Equal(t, "qmpsh: /path/not/there: there is no socket\n", stderr)
	status, _, stderr = runShell(t, "garbage\n", "fmt")
	require.Equal(t, exitUsage, status)
	require.Contains(t, stderr, "there is no message in it")
}

// TestKept keeps lines for the history.
func TestKept(t *testing.T) {
	sh := newShell(io.Discard, io.Discard)
	defer sh.close()
	require.NoError(t, sh.open(t.Context(), "vm="+named(t, "vm").Addr()))
	for line, want := range map[string]kept{
		"query-name":         {"query-name", true, false},
		"query-nothing":      {"query-nothing", false, false},
		"add disk d1 /srv/d": {"add disk d1 /srv/d", true, false},
		"agent run login pw": {"agent run login pw", false, false},
		"object-add qom-type=secret id=s data=geheim":                               {"object-add qom-type=secret id=s data=***", true, false},
		"on vm object-add qom-type=secret data='ge heim' id=s -json":                {"on vm object-add qom-type=secret data=*** id=s -json", true, false},
		"object-add qom-type=secret id=s data=***":                                  {"object-add qom-type=secret id=s data=***", true, true},
		`{"execute": "object-add", "arguments": {"qom-type": "secret", "data": 1}}`: {`{"execute": "object-add", "arguments": {"qom-type": "secret", "data": 1}}`, false, false},
		`object-add {"qom-type": "secret", "id": "s", "data": "geheim"}`:            {`{"execute":"object-add","arguments":{"data":"***","id":"s","qom-type":"secret"}}`, true, false},
	} {
		require.Equal(t, want, sh.withoutSecrets(sh.current, line), line)
	}
	require.Equal(t, []string{"a", "b {\n1}", "c"}, commands("a # x\n\n# don't\nb {\n1}\n  c"))
}

func TestLineOfWork(t *testing.T) {
	w := work{name: "mirror mir", status: "running", done: 16 << 20, total: 64 << 20}
	for width := 1; width < 140; width++ {
		require.Less(t, len([]rune(w.line(1<<20, width))), max(width, 2), width)
	}
	require.Equal(t, "mirror mir               running    [###------------]  25%  16.0 MiB of 64.0 MiB", w.line(0, 81))
	w.name, w.note = "x\x1b[31m", "\u009b\n"
	require.NotContains(t, w.line(0, 0), "\x1b")
	require.NotContains(t, w.line(0, 0), "\u009b")
}

// A status is a guest agent that answers guest-fsfreeze-status.
type status string

func (s status) Execute(_ context.Context, call *qmp.Call) error { return call.Decode([]byte(s)) }

func TestFrozen(t *testing.T) {
	refusal := &qmp.Error{Command: "guest-get-osinfo", Class: qmp.ErrCommandNotFound, Desc: "the command is not allowed"}
	require.Equal(t, error(refusal), frozen(t.Context(), status(`"thawed"`), refusal))
	require.Equal(t, error(refusal), frozen(t.Context(), status(`3`), refusal))
	err := frozen(t.Context(), status(`"frozen"`), refusal)
	require.ErrorIs(t, err, qmp.ErrCommandNotFound)
	require.ErrorContains(t, err, "agent thaw")
}
