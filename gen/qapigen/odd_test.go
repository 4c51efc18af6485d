package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// oddAnswer is what a server could answer. Up to QEMU 2.5 the values of BlkdebugEvent had dots; the
// other names are such as no QEMU has had.
const oddAnswer = `[
	{"name": "blockdev-add", "meta-type": "command", "arg-type": "1", "ret-type": "0"},
	{"name": "3com.reset", "meta-type": "command", "arg-type": "7", "ret-type": "7", "features": ["Fast.1"]},
	{"name": "3com-reset", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
	{"name": "3com_reset", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
	{"name": "gone.now", "meta-type": "event", "arg-type": "7"},
	{"name": "GONE_NOW", "meta-type": "event", "arg-type": "0"},
	{"name": "0", "meta-type": "object", "members": []},
	{"name": "1", "meta-type": "object", "members": [{"name": "options", "type": "2"}]},
	{"name": "2", "meta-type": "object", "members": [{"name": "driver", "type": "3"}], "tag": "driver",
		"variants": [{"case": "blkdebug", "type": "4"}, {"case": "2nd", "type": "0"}, {"case": "a.b", "type": "7"}]},
	{"name": "3", "meta-type": "enum", "values": ["blkdebug", "2nd", "a.b"]},
	{"name": "4", "meta-type": "object", "members": [{"name": "inject-error", "type": "[5]", "default": null}]},
	{"name": "[5]", "meta-type": "array", "element-type": "5"},
	{"name": "5", "meta-type": "object", "members": [{"name": "event", "type": "6"}]},
	{"name": "6", "meta-type": "enum", "values": ["l1_update", "l1_grow.alloc_table", "l1_grow_alloc_table",
		"l1_grow.write_table", "", ".", "2.5", "-x", "u", "q_x", "UP"]},
	{"name": "7", "meta-type": "object", "members": [{"name": "9lives", "type": "int", "features": ["un.usual"]},
		{"name": "a.b", "type": "int"}, {"name": "a-b", "type": "int"}, {"name": "a_b", "type": "int", "default": null},
		{"name": "", "type": "str"}, {"name": "u", "type": "str"}, {"name": "has_u", "type": "str"}, {"name": "UP", "type": "8"}]},
	{"name": "8", "meta-type": "alternate", "members": [{"type": "str"}, {"type": "[str]"}]},
	{"name": "[str]", "meta-type": "array", "element-type": "str"},
	{"name": "str", "meta-type": "builtin", "json-type": "string"},
	{"name": "int", "meta-type": "builtin", "json-type": "int"}
]`

// TestOddNames captures, queries, compares and generates from a server's names as they are.
func TestOddNames(t *testing.T) {
	s := qmptest.NewServer(t, nil)
	s.Handle("query-qmp-schema", qmptest.Return(json.RawMessage(oddAnswer)))
	answer := filepath.Join(t.TempDir(), "answer.json")
	status, stderr := runQapigen(t, "capture", "-out", answer, "unix:"+s.Addr())
	require.Zero(t, status, stderr)
	text, err := os.ReadFile(answer)
	require.NoError(t, err)
	captured, err := introspect.Read(text)
	require.NoError(t, err)
	direct, err := introspect.Read([]byte(oddAnswer))
	require.NoError(t, err)
	require.Equal(t, direct.Infos, captured.Infos)

	for path, want := range map[string]string{
		"blockdev-add/arg-type/options/+blkdebug/inject-error/event/^l1_grow.alloc_table": "true\n",
		"blockdev-add/arg-type/options/+blkdebug/inject-error/event/^l1_grow.table":       "false\n",
		"blockdev-add/arg-type/options/+blkdebug/inject-error/event/^":                    "true\n",
		"blockdev-add/arg-type/options/+a.b/a.b":                                          "true\n",
		"3com.reset/ret-type/ 9lives/$$un.usual":                                          "true\n",
		"3com.reset/$Fast.1":                                                              "true\n",
		"gone.now/arg-type/ /!string":                                                     "true\n",
	} {
		var out, errs strings.Builder
		run([]string{"query", "unix:" + s.Addr(), path}, &out, &errs)
		require.Equal(t, want, out.String(), "%s: %s", path, errs.String())
	}

	module := newModule(t)
	for name, args := range map[string][]string{
		"odd":  {"generate", "-schema", answer},
		"live": {"generate", "-schema", "unix:" + s.Addr()},
		"some": {"generate", "-schema", answer, "-only", "3com_reset,gone.now"},
	} {
		status, stderr := runQapigen(t, append(args, "-package", name, "-out", filepath.Join(module, name))...)
		require.Zero(t, status, stderr)
	}
	require.NoError(t, os.WriteFile(filepath.Join(module, "main.go"), []byte(oddProgram), 0o666))
	goIn(t, module, "vet", "./...")
	require.Equal(t, `{"options":{"driver":"blkdebug","inject-error":[`+
		`{"event":"l1_grow.alloc_table"},{"event":"l1_grow_alloc_table"},{"event":""},{"event":"."},{"event":"2.5"}]}}
<nil> 9 1 2 empty {"9lives":9,"a.b":1,"a-b":2,"":"empty","u":"u","has_u":"x","UP":["3"]}
{"options":{"driver":"a.b","9lives":9,"a.b":1,"a-b":2,"":"empty","u":"u","has_u":"x","UP":["3"]}}
3com.reset/$Fast.1 3com.reset/arg-type/ 9lives/$$un.usual
`, goIn(t, module, "run", "."))

	// A schema that was joined with the server's says the same of it.
	joined := filepath.Join(t.TempDir(), "joined")
	status, stderr = runQapigen(t, "join", "-schema", writeSchema(t, "{ 'command': 'old' }"), "-qemu-version", "2.5", "-out", joined, answer)
	require.Zero(t, status, stderr)
	var out, errs strings.Builder
	require.Zero(t, run([]string{"diff", answer, filepath.Join(joined, "schema.json")}, &out, &errs), errs.String())
	require.Contains(t, out.String(), "0 breaking, 1 compatible\n")
}

// oddProgram uses what was generated.
const oddProgram = `package main

import (
	"encoding/json"
	"fmt"

	"example.com/live/live"
	"example.com/live/odd"
	"example.com/live/some"
	"github.com/qmpkit/qmpkit/qmp"
)

func main() {
	add := odd.BlockdevAdd{Options: odd.BlockdevAddOptions{
		Driver: odd.BlockdevAddOptionsDriverBlkdebug,
		Branch: &odd.BlockdevAddOptionsBlkdebug{InjectError: []odd.BlockdevAddOptionsBlkdebugInjectError{
			{Event: odd.BlockdevAddOptionsBlkdebugInjectErrorEventL1GrowAllocTable},
			{Event: odd.BlockdevAddOptionsBlkdebugInjectErrorEventL1GrowAllocTable2},
			{Event: odd.BlockdevAddOptionsBlkdebugInjectErrorEventEmpty},
			{Event: odd.BlockdevAddOptionsBlkdebugInjectErrorEventEmpty2},
			{Event: odd.BlockdevAddOptionsBlkdebugInjectErrorEvent2_5},
		}},
	}}
	fmt.Println(qmp.Redacted(add))
	reply := ` + "`" + `{"9lives":9,"a.b":1,"a-b":2,"":"empty","u":"u","has_u":"x","UP":["3"]}` + "`" + `
	var options odd.X3comResetOptions
	err := json.Unmarshal([]byte(reply), &options)
	fmt.Println(err, options.X9lives, options.AB, options.AB2, options.X, qmp.Redacted(options))
	fmt.Println(qmp.Redacted(odd.BlockdevAdd{Options: odd.BlockdevAddOptions{Branch: &options}}))
	fmt.Println(odd.FeatureX3comResetFast1, odd.FeatureX3comResetOptionsX9livesUnUsual)
	_, _, _ = live.X3comReset2{}, some.X3comReset3{}, some.GoneNowEvent2{}
}
`
