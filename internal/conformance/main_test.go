package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

// TestSuite judges a suite of three cases: two on which we agree, and one that QEMU refuses in
// this made-up world only.
func TestSuite(t *testing.T) {
	dir := t.TempDir()
	suite := filepath.Join(dir, "tests", "qapi-schema")
	require.NoError(t, os.MkdirAll(suite, 0o777))
	for name, text := range map[string]string{
		"meson.build": "schemas = [\n  'good.json',\n  'bad.json',\n  'strange.json',\n]\n",
		"good.json":   "{ 'command': 'go' }\n", "good.err": "",
		"bad.json": "\n{ 'struct': 'Aa' }\n", "bad.err": "bad.json: In struct 'Aa':\nbad.json:2: struct misses key 'data'\n",
		"strange.json": "{ 'command': 'go' }\n", "strange.err": "strange.json:1:3: no\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(suite, name), []byte(text), 0o600))
	}
	var out strings.Builder
	require.NoError(t, run(dir, &out))
	require.Equal(t, "strange: QEMU refuses strange.json:1, qapi accepts it\nverdict: agree 2 of 3\nline: agree 2 of 3\n", out.String())
	require.Error(t, run(t.TempDir(), &out))
}

// TestQEMUs judges those of QEMU. Whatever one version accepts is accepted, so the verdicts on
// another cannot all be the same. 5.2 had no rules for the case of types' and events' names, nor
// for some documentation: what no schema of QEMU has made use of is refused.
func TestQEMUs(t *testing.T) {
	for _, version := range qemutest.SourceVersions {
		t.Run(version, func(t *testing.T) {
			var out strings.Builder
			require.NoError(t, run(qemutest.Source(t, version), &out))
			t.Log("\n" + out.String())
			if version != "5.2" {
				require.NotContains(t, out.String(), "QEMU accepts it", "nothing that a QEMU accepts is refused")
			}
		})
	}
}
