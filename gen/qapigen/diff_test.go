package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/diff"
	"github.com/qmpkit/qmpkit/internal/qemutest"
)

// writeSources writes files of those names into a folder.
func writeSources(t *testing.T, texts map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range texts {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

// runDiff runs diff on two files of a folder.
func runDiff(dir string, args ...string) (status int, out, errs string) {
	n := len(args) - 2
	args = append([]string{"diff"}, append(args[:n:n], filepath.Join(dir, args[n]), filepath.Join(dir, args[n+1]))...)
	var stdout, stderr strings.Builder
	status = run(args, &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

// diffSources are a schema, its next version, and what a server of each answers.
var diffSources = map[string]string{
	"old.json": `{ 'command': 'stop', 'data': { 'name': 'str', '*force': 'bool' } }
{ 'command': 'query', 'returns': ['Status'] }
{ 'command': 'await', 'data': 'Status' }
{ 'struct': 'Status', 'data': { 'state': 'State' } }
{ 'enum': 'State', 'data': ['on'] }
`,
	"new.json": `{ 'command': 'stop', 'data': { 'name': 'Name' } }
{ 'command': 'query', 'returns': ['Status'] }
{ 'command': 'await', 'data': 'Status' }
{ 'struct': 'Status', 'data': { 'state': 'State' } }
{ 'enum': 'State', 'data': ['on', 'off'] }
{ 'enum': 'Name', 'data': ['x'] }
`,
	"old-answer.json": `[{"name": "stop", "meta-type": "command", "arg-type": "0", "ret-type": "9"},
{"name": "query", "meta-type": "command", "arg-type": "9", "ret-type": "[1]"},
{"name": "await", "meta-type": "command", "arg-type": "1", "ret-type": "9"},
{"name": "0", "meta-type": "object", "members": [{"name": "name", "type": "str"}, {"name": "force", "type": "bool", "default": null}]},
{"name": "1", "meta-type": "object", "members": [{"name": "state", "type": "2"}]},
{"name": "[1]", "meta-type": "array", "element-type": "1"}, {"name": "2", "meta-type": "enum", "values": ["on"]},
{"name": "9", "meta-type": "object", "members": []},
{"name": "str", "meta-type": "builtin", "json-type": "string"}, {"name": "bool", "meta-type": "builtin", "json-type": "boolean"}]`,
	"bad.json":  "{ 'command': 'x', 'data': 'Nowhere' }\n",
	"half.json": "[",
	"none.json": `[{"name": "c", "meta-type": "command", "arg-type": "0", "ret-type": "0"}]`,
}

const (
	diffBreaking = `breaking    removed  member  sent  stop/arg-type/force: optional boolean
breaking    retyped  member  sent  stop/arg-type/name: string -> enum
`
	diffCompatible = `compatible  added    value   both  await/arg-type/state/^off (and 1 other command or event)
`
)

func TestDiff(t *testing.T) {
	dir := writeSources(t, diffSources)
	for _, c := range []struct {
		args   string
		status int
		out    string
	}{
		{"old.json new.json", exitBreaking, diffBreaking + diffCompatible + "compatible  added    type          Name\n2 breaking, 2 compatible\n"},
		{"old-answer.json new.json", exitBreaking, diffBreaking + diffCompatible + "2 breaking, 1 compatible\n"},
		{"-breaking old-answer.json new.json", exitBreaking, strings.ReplaceAll(diffBreaking, "breaking  ", "breaking") + "2 breaking, 1 compatible\n"},
		{"-json -breaking new.json new.json", exitCompatible, "[]\n"},
		{"old.json old-answer.json", exitCompatible, "0 breaking, 0 compatible\n"},
	} {
		status, out, errs := runDiff(dir, strings.Fields(c.args)...)
		require.Equal(t, c.status, status, errs)
		require.Equal(t, c.out, out, c.args)
		require.Empty(t, errs)
	}
}

func TestDiffJSON(t *testing.T) {
	dir := writeSources(t, diffSources)
	status, out, _ := runDiff(dir, "-json", "old-answer.json", "new.json")
	require.Equal(t, exitBreaking, status)
	require.Equal(t, `[
  {
    "breaking": true,
    "kind": "removed",
    "what": "member",
    "path": "stop/arg-type/force",
    "direction": "sent",
    "old": "optional boolean",
    "users": [
      "stop"
    ]
  },
  {
    "breaking": true,
    "kind": "retyped",
    "what": "member",
    "path": "stop/arg-type/name",
    "direction": "sent",
    "old": "string",
    "new": "enum",
    "users": [
      "stop"
    ]
  },
  {
    "breaking": false,
    "kind": "added",
    "what": "value",
    "path": "await/arg-type/state/^off",
    "direction": "both",
    "users": [
      "await",
      "query"
    ]
  }
]
`, out)
}

func TestDiffErrors(t *testing.T) {
	dir := writeSources(t, diffSources)
	for _, c := range []struct{ old, new, want string }{
		{"old.json", "nowhere.json", "qapigen: " + dir + "/nowhere.json: "},
		{"nowhere.json", "old.json", "qapigen: " + dir + "/nowhere.json: "},
		{"bad.json", "old.json", dir + "/bad.json:1: command 'x': "},
		{"old.json", "half.json", "qapigen: " + dir + "/half.json: introspect: "},
		{"old.json", "none.json", "qapigen: diff: the new schema: introspect: malformed schema: c: there is no type 0"},
	} {
		status, out, errs := runDiff(dir, c.old, c.new)
		require.Equal(t, exitFailed, status)
		require.Contains(t, errs, c.want)
		require.Empty(t, out)
	}
	var out, errs strings.Builder
	require.Equal(t, exitUsage, run([]string{"diff", "x"}, &out, &errs))
}

// TestDiffServer compares a source with a server that is running.
func TestDiffServer(t *testing.T) {
	old := filepath.Join(qemutest.Source(t, "5.2"), "qapi", "qapi-schema.json")
	q := qemutest.Get(t, "10.0")
	if !q.AtLeast(10, 0) {
		t.Skipf("QEMU %s is too old", q.Release())
	}
	var out, errs strings.Builder
	require.Equal(t, exitBreaking, run([]string{"diff", "-json", old, q.Start(t, qemutest.Config{}).Socket()}, &out, &errs), errs.String())
	var changes []diff.Change
	require.NoError(t, json.Unmarshal([]byte(out.String()), &changes))
	require.Contains(t, changes, diff.Change{
		Breaking: true, Kind: diff.Removed, What: diff.Command, Path: "query-cpus", Direction: diff.Sent, Users: []string{"query-cpus"},
	})
}

// TestDiffUse compares what real servers say: of what went it says what to use instead.
func TestDiffUse(t *testing.T) {
	var stdout, stderr strings.Builder
	require.Equal(t, exitBreaking, run([]string{"diff", captured + "/5.2/qemu.json", captured + "/10.0/qemu.json"}, &stdout, &stderr))
	text := stdout.String()
	for _, want := range []string{
		`(?m)^breaking +removed +command +sent +change; replaced by blockdev-change-medium$`,
		`(?m)^breaking +removed +command +sent +query-cpus; replaced by query-cpus-fast$`,
		`(?m)^breaking +removed +member +received +query-cpus-fast/ret-type/arch: mandatory enum; replaced by target$`,
		`(?m)^breaking +removed +member +sent +migrate/arg-type/blk: optional boolean; replaced by blockdev-mirror$`,
		`(?m)^breaking +removed +command +sent +block_passwd$`,
		`(?m)^compatible +deprecated +command +sent +drive-backup; replaced by blockdev-backup$`,
	} {
		require.Regexp(t, want, text)
	}
	stdout.Reset()
	require.Equal(t, exitBreaking, run([]string{"diff", "-json", captured + "/5.2/qemu.json", captured + "/10.0/qemu.json"}, &stdout, &stderr))
	var rows []changeRow
	require.NoError(t, json.Unmarshal([]byte(stdout.String()), &rows))
	uses := map[string]string{}
	for _, r := range rows {
		uses[r.Path] = r.Use
	}
	require.Equal(t, "blockdev-change-medium", uses["change"])
	require.Empty(t, uses["block_passwd"])
}
