package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi"
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
	require.NoError(t, runSuite(dir, &out))
	require.Equal(t, "strange: QEMU refuses strange.json:1, qapi accepts it\ndialect: any\nverdict: agree 2 of 3\nline: agree 2 of 3\n", out.String())
	require.Error(t, runSuite(t.TempDir(), &out))
}

// TestQEMUs judges those of QEMU. There is nothing on which the two disagree.
func TestQEMUs(t *testing.T) {
	for _, version := range qemutest.SourceVersions {
		t.Run(version, func(t *testing.T) {
			var out strings.Builder
			require.NoError(t, runSuite(qemutest.Source(t, version), &out))
			var verdicts, lines, of int
			_, err := fmt.Sscanf(out.String(), "dialect: "+version+"\nverdict: agree %d of %d\nline: agree %d of %d",
				&verdicts, &of, &lines, &of)
			require.NoError(t, err, out.String())
			require.Greater(t, of, 150)
			require.Equal(t, of, verdicts)
			require.Equal(t, of, lines)
		})
	}
}

func TestDialectOf(t *testing.T) {
	dir := t.TempDir()
	d, err := dialectOf(dir)
	require.NoError(t, err)
	require.Equal(t, qapi.DialectAny, d)
	for version, want := range map[string]qapi.Dialect{
		"5.2.0": qapi.QEMU5_2, "7.1.93": qapi.QEMU5_2, "7.2.0": qapi.QEMU7_2, "9.2.4": qapi.QEMU7_2,
		"10.0.2": qapi.QEMU10_0, "10.2.2": qapi.QEMU10_2, "11.1.0": qapi.QEMU10_2,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "VERSION"), []byte(version+"\n"), 0o600))
		d, err := dialectOf(dir)
		require.NoError(t, err)
		require.Equal(t, want, d, version)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "VERSION"), []byte("new\n"), 0o600))
	_, err = dialectOf(dir)
	require.ErrorContains(t, err, "VERSION does not begin with a version")
}
