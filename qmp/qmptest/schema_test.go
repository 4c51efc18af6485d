package qmptest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// requests are what a client sends, and what a schema has against it.
var requests = []struct {
	command, args string
	want          string // "" when the request is right
	beyond        string // a QEMU's own words, for what no schema tells
}{
	// Commands.
	{"query-status", `{}`, "", ""},
	{"nope", `{"x":1}`, "The command nope has not been found", ""},
	{"", `{}`, "The command  has not been found", ""},
	{"SHUTDOWN", `{}`, "The command SHUTDOWN has not been found", ""},
	{"str", `{}`, "The command str has not been found", ""},
	{"0", `{}`, "The command 0 has not been found", ""},

	// Members of the arguments.
	{"query-status", `{"x":1}`, "Parameter 'x' is unexpected", ""},
	{"query-status", `{"":1}`, "Parameter '' is unexpected", ""},
	{"qom-list", `{"path":"/"}`, "", ""},
	{"qom-get", `{"path":"/machine"}`, "Parameter 'property' is missing", ""},
	{"qom-get", `{"path":"/machine","property":true}`, "Invalid parameter type for 'property', expected: string", ""},
	{"qom-list", `{"path":["/"]}`, "Invalid parameter type for 'path', expected: string", ""},
	{"qom-list", `{"path":null}`, "Invalid parameter type for 'path', expected: string", ""},
	{"qom-list-types", `{"implements":"device","abstract":1}`, "Invalid parameter type for 'abstract', expected: boolean", ""},
	{"qom-set", `{"path":"/machine","property":"x"}`, "Parameter 'value' is missing", ""},
	{"qom-set", `{"path":"/nope","property":"x","value":null}`, "", "Device '/nope' not found"},
	{"qom-set", `{"path":"/nope","property":"x","value":{"any":[1]}}`, "", "Device '/nope' not found"},

	// Numbers.
	{"human-monitor-command", `{"command-line":"help","cpu-index":"0"}`, "Invalid parameter type for 'cpu-index', expected: integer", ""},
	{"human-monitor-command", `{"command-line":"help","cpu-index":1.0}`, "Invalid parameter type for 'cpu-index', expected: integer", ""},
	{"human-monitor-command", `{"command-line":"help","cpu-index":18446744073709551616}`, "Invalid parameter type for 'cpu-index', expected: integer", ""},
	{"block_resize", `{"node-name":"nope","size":-9223372036854775809}`, "Invalid parameter type for 'size', expected: integer", ""},
	{"block_resize", `{"node-name":"nope","size":9223372036854775807}`, "", "nope"},
	{"migrate-set-parameters", `{"max-bandwidth":-1}`, "", ""},
	{"migrate-set-parameters", `{"max-bandwidth":18446744073709551615}`, "", "max-bandwidth"},
	{"migrate-set-parameters", `{"max-bandwidth":"1"}`, "Invalid parameter type for 'max-bandwidth', expected: integer",
		"Parameter 'max-bandwidth' expects uint64"}, // introspection does not tell one with a sign from one without
	{"migrate-set-parameters", `{"cpu-throttle-initial":300}`, "", "Parameter 'cpu-throttle-initial' expects uint8_t"},

	// Enums.
	{"migrate-set-capabilities", `{"capabilities":[{"capability":"xbzrle","state":true}]}`, "", ""},
	{"migrate-set-capabilities", `{"capabilities":[{"capability":"nope","state":true}]}`, "Parameter 'capability' does not accept value 'nope'", ""},
	{"migrate-set-capabilities", `{"capabilities":[{"capability":7,"state":true}]}`, "Invalid parameter type for 'capabilities[0].capability', expected: string", ""},
	{"migrate-set-capabilities", `{"capabilities":[{"capability":"xbzrle","state":"on"}]}`, "Invalid parameter type for 'capabilities[0].state', expected: boolean", ""},
	{"migrate-set-capabilities", `{"capabilities":[{"capability":"xbzrle","state":true},{"state":true}]}`, "Parameter 'capabilities[1].capability' is missing", ""},
	{"migrate-set-capabilities", `{"capabilities":{}}`, "Invalid parameter type for 'capabilities', expected: array", ""},
	{"migrate-set-capabilities", `{"capabilities":[[]]}`, "Invalid parameter type for 'capabilities[0]', expected: object", ""},
	{"transaction", `{"actions":[],"properties":{"completion-mode":"some"}}`, "Parameter 'completion-mode' does not accept value 'some'", ""},

	// Unions.
	{"blockdev-add", `{"driver":"null-co","node-name":"n0"}`, "", ""},
	{"blockdev-add", `{"node-name":"n1"}`, "Parameter 'driver' is missing", ""},
	{"blockdev-add", `{"driver":"nope"}`, "Parameter 'driver' does not accept value 'nope'", ""},
	{"blockdev-add", `{"driver":1}`, "Invalid parameter type for 'driver', expected: string", ""},
	{"blockdev-add", `{"driver":"raw","node-name":"n1"}`, "Parameter 'file' is missing", ""},
	{"blockdev-add", `{"driver":"null-co","node-name":"n1","filename":"x"}`, "Parameter 'filename' is unexpected", ""},
	{"blockdev-add", `{"driver":"null-co","node-name":"n1","read-only":"true"}`, "Invalid parameter type for 'read-only', expected: boolean", ""},
	{"blockdev-add", `{"driver":"null-co","node-name":"n1","cache":{"direct":1}}`, "Invalid parameter type for 'cache.direct', expected: boolean", ""},
	{"blockdev-add", `{"driver":"null-co","node-name":"n1","cache":{"direkt":true}}`, "Parameter 'cache.direkt' is unexpected", ""},
	{"blockdev-add", `{"driver":"null-co","node-name":"n1","cache":[]}`, "Invalid parameter type for 'cache', expected: object", ""},
	{"blockdev-add", `{"driver":"null-co","node-name":"n1","size":1.5}`, "Invalid parameter type for 'size', expected: integer", ""},
	{"object-add", `{"qom-type":"secret","id":"s0","data":"x","format":"raw"}`, "", ""},
	{"object-add", `{"qom-type":"throttle-group","id":"t","limits":{"iops-total":"x"}}`, "Invalid parameter type for 'limits.iops-total', expected: integer", ""},
	{"object-add", `{"qom-type":"secret"}`, "Parameter 'id' is missing", ""},
	{"netdev_add", `{"type":"user","id":"u","x":1}`, "Parameter 'x' is unexpected", ""},
	{"chardev-add", `{"id":"c0","backend":{"type":"null","data":{}}}`, "", ""},
	{"chardev-add", `{"id":"c1","backend":{"type":"null"}}`, "Parameter 'backend.data' is missing", ""},
	{"chardev-add", `{"id":"c1","backend":{"type":"socket","data":{"addr":{"type":"unix","data":{"path":5}}}}}`,
		"Invalid parameter type for 'backend.data.addr.data.path', expected: string", ""},
	{"transaction", `{"actions":[{"type":"abort","data":{}}]}`, "", "Transaction aborted using Abort action"},
	{"transaction", `{"actions":[{"type":"abort","data":{}},{"type":"abort","data":{},"x":1}]}`, "Parameter 'actions[1].x' is unexpected", ""},
	{"transaction", `{"actions":[{"type":"blockdev-snapshot","data":{"node":"a"}}]}`, "Parameter 'actions[0].data.overlay' is missing", ""},
	{"input-send-event", `{"events":[{"type":"key","data":{"down":true,"key":{"type":"qcode","data":"nokey"}}}]}`,
		"Parameter 'data' does not accept value 'nokey'", ""},

	// Alternates.
	{"blockdev-add", `{"driver":"raw","node-name":"n2","file":"n0"}`, "", ""},
	{"blockdev-add", `{"driver":"raw","node-name":"n3","file":1}`, "Invalid parameter type for 'file', expected: BlockdevRef", ""},
	{"blockdev-add", `{"driver":"raw","node-name":"n3","file":null}`, "Invalid parameter type for 'file', expected: BlockdevRef", ""},
	{"blockdev-add", `{"driver":"raw","node-name":"n3","file":{}}`, "Parameter 'file.driver' is missing", ""},
	{"blockdev-add", `{"driver":"raw","node-name":"n3","file":{"driver":"x"}}`, "Parameter 'driver' does not accept value 'x'", ""},
	{"blockdev-add", `{"driver":"raw","node-name":"n3","file":{"driver":"null-co","size":"x"}}`, "Invalid parameter type for 'file.size', expected: integer", ""},
	{"blockdev-add", `{"driver":"quorum","node-name":"q","vote-threshold":1,"children":["n0",1]}`, "Invalid parameter type for 'null', expected: BlockdevRef", ""},
	{"blockdev-add", `{"driver":"quorum","node-name":"q","vote-threshold":1,"children":["n0",{"driver":"null-co","size":true}]}`,
		"Invalid parameter type for 'children[1].size', expected: integer", ""},
	{"blockdev-add", `{"driver":"qcow2","node-name":"q","file":"n0","backing":5}`, "Invalid parameter type for 'backing', expected: BlockdevRefOrNull", ""},
	{"blockdev-add", `{"driver":"qcow2","node-name":"q","file":"n0","overlap-check":5}`, "Invalid parameter type for 'overlap-check', expected: Qcow2OverlapChecks", ""},
	{"blockdev-add", `{"driver":"qcow2","node-name":"q","file":"n0","overlap-check":"five"}`, "Parameter 'overlap-check' does not accept value 'five'", ""},
	{"blockdev-add", `{"driver":"qcow2","node-name":"q","file":"n0","overlap-check":{"template":"five"}}`, "Parameter 'template' does not accept value 'five'", ""},
	{"block-dirty-bitmap-merge", `{"node":"n0","target":"t","bitmaps":[{"node":"x"}]}`, "Parameter 'bitmaps[0].name' is missing", ""},
	{"migrate-set-parameters", `{"tls-creds":5}`, "Invalid parameter type for 'tls-creds', expected: StrOrNull", ""},
	{"migrate-set-parameters", `{"tls-creds":null}`, "", ""},

	// A command whose arguments QEMU reads itself.
	{"device_add", `{}`, "Parameter 'driver' is missing", ""},
	{"device_add", `{"id":"x"}`, "Parameter 'driver' is missing", ""},
	{"device_add", `{"driver":null}`, "Parameter 'driver' is missing", ""},
	{"device_add", `{"driver":"nope","any":1}`, "", "'nope' is not a valid device model name"},
	{"device_add", `{"driver":"nope","bus":"b","any":{"x":[1]}}`, "", "'nope' is not a valid device model name"},
}

// checked returns a client of a server with that schema, which answers all that it takes.
func checked(t *testing.T, s *introspect.Schema, v qmp.Version) *qmp.Client {
	t.Helper()
	server := qmptest.NewServer(t, &qmptest.Options{Schema: s, Version: v})
	for command := range s.Commands() {
		server.Handle(command.Name, qmptest.Return(nil))
	}
	return server.Dial()
}

// send returns class and description of a request's error, or "", "".
func send(t *testing.T, c *qmp.Client, command, args string) (class qmp.ErrorClass, desc string) {
	t.Helper()
	var values map[string]json.RawMessage // null too, which a qmp.RawJSON would not see
	require.NoError(t, json.Unmarshal([]byte(args), &values))
	given := qmp.Args{}
	for name, value := range values {
		given[name] = qmp.RawJSON(value)
	}
	_, err := run(t, c, command, given)
	if err == nil {
		return "", ""
	}
	var refused *qmp.Error
	require.ErrorAs(t, err, &refused)
	return refused.Class, refused.Desc
}

func snapshot(t *testing.T, main string) *introspect.Schema {
	t.Helper()
	s, err := qapi.LoadFS(schema.FS, "10.2/"+main, nil)
	require.NoError(t, err)
	return s.Introspect(qapi.IntrospectOptions{})
}

func TestRefusals(t *testing.T) {
	c := checked(t, snapshot(t, schema.QEMU), qmp.Version{})
	for _, r := range requests {
		class, desc := send(t, c, r.command, r.args)
		require.Equal(t, r.want, desc, "%s %s", r.command, r.args)
		switch {
		case strings.HasSuffix(r.want, "has not been found"):
			require.Equal(t, qmp.ErrCommandNotFound, class)
		case r.want != "":
			require.Equal(t, qmp.ErrGeneric, class)
		}
	}
}

// TestRefusalsAsQEMU compares class and description with those of a real QEMU, whose schema the
// server has. The table marks requests that the server accepts and the QEMU refuses.
func TestRefusalsAsQEMU(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "7.2", "10.0", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		real := q.Start(t, qemutest.Config{}).Dial(t)
		s, err := qmpschema.Query(t.Context(), real)
		require.NoError(t, err)
		ours := checked(t, s, real.Version())
		for _, r := range requests {
			wantClass, want := send(t, real, r.command, r.args)
			class, desc := send(t, ours, r.command, r.args)
			if q.Major < 6 && r.command == "object-add" && desc == "" { // QEMU reads the arguments itself there
				continue
			}
			if r.beyond != "" && strings.Contains(want, r.beyond) {
				require.Equal(t, r.want, desc, "%s %s", r.command, r.args)
				continue
			}
			require.Equal(t, want, desc, "%s %s", r.command, r.args)
			require.Equal(t, wantClass, class, "%s %s", r.command, r.args)
			if q.Release() == "10.0" {
				require.Equal(t, r.want, want, "%s %s", r.command, r.args)
			}
		}
	})
}
