package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

func TestIntrospect(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.json")
	require.NoError(t, os.WriteFile(file, []byte(`
{ 'command': 'go', 'data': { 'to': 'Place' }, 'if': 'LEGS' }
{ 'event': 'GONE', 'if': { 'not': 'WALLS' } }
{ 'struct': 'Place', 'data': { 'x': 'int32' } }
`), 0o600))
	for _, c := range []struct {
		flags []string
		want  []string
	}{
		{nil, []string{
			`{"arg-type":"0","meta-type":"command","name":"go","ret-type":"1"}`,
			`{"arg-type":"1","meta-type":"event","name":"GONE"}`,
			`{"members":[{"name":"to","type":"2"}],"meta-type":"object","name":"0"}`,
			`{"members":[],"meta-type":"object","name":"1"}`,
			`{"members":[{"name":"x","type":"int"}],"meta-type":"object","name":"2"}`,
			`{"json-type":"int","meta-type":"builtin","name":"int"}`,
		}},
		{[]string{"-define", "OTHER", "-unmask"}, []string{
			`{"arg-type":"q_empty","meta-type":"event","name":"GONE"}`,
			`{"members":[],"meta-type":"object","name":"q_empty"}`,
			`{"members":[{"name":"x","type":"int"}],"meta-type":"object","name":"Place"}`,
			`{"json-type":"int","meta-type":"builtin","name":"int"}`,
		}},
	} {
		var out, errs strings.Builder
		status := run(append(append([]string{"introspect"}, c.flags...), file), &out, &errs)
		require.Zero(t, status, errs.String())
		require.Equal(t, "[\n"+strings.Join(c.want, ",\n")+"\n]\n", out.String())
		require.True(t, json.Valid([]byte(out.String())))
	}
}

// A list of features stays when conditions leave none in it, as in QEMU's own generator.
func TestIntrospectFeatures(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.json")
	require.NoError(t, os.WriteFile(file, []byte(`{ 'command': 'go', 'features': [ { 'name': 'fast', 'if': 'LEGS' } ] }`), 0o600))
	var out, errs strings.Builder
	require.Zero(t, run([]string{"introspect", "-define", "WALLS", file}, &out, &errs), errs.String())
	require.Contains(t, out.String(), `{"arg-type":"0","features":[],"meta-type":"command","name":"go","ret-type":"0"}`)
	s, err := introspect.Read([]byte(out.String()))
	require.NoError(t, err)
	var again strings.Builder
	require.NoError(t, printView(&again, s))
	require.Equal(t, out.String(), again.String())
}

func TestIntrospectNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.json")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	var out, errs strings.Builder
	require.Zero(t, run([]string{"introspect", file}, &out, &errs), errs.String())
	require.Equal(t, "[]\n", out.String())
}

// What is printed can be asked and compared.
func TestIntrospectSource(t *testing.T) {
	main := filepath.Join(snapshots, schema.Mains[0])
	var array, errs strings.Builder
	require.Zero(t, run([]string{"introspect", "-unmask", main}, &array, &errs), errs.String())
	file := filepath.Join(t.TempDir(), "answer.json")
	require.NoError(t, os.WriteFile(file, []byte(array.String()), 0o600))
	var out strings.Builder
	require.Zero(t, run([]string{"query", file, "query-status/ret-type/running"}, &out, &errs), errs.String())
	require.Zero(t, run([]string{"diff", file, main}, &out, &errs), errs.String())
	require.Equal(t, "true\n0 breaking, 0 compatible\n", out.String())
}

func TestIntrospectErrors(t *testing.T) {
	var out, errs strings.Builder
	require.Equal(t, exitFailure, run([]string{"introspect", "nowhere.json"}, &out, &errs))
	require.Contains(t, errs.String(), "nowhere.json")
	require.Equal(t, exitUsage, run([]string{"introspect"}, &out, &errs))
	require.Empty(t, out.String())
}
