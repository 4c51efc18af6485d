package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/testdata/schema"
)

// writeAnswer writes what a server built from a schema answers, beside a file with its version.
func writeAnswer(t *testing.T, main string) string {
	t.Helper()
	var out, errs strings.Builder
	require.Zero(t, run([]string{"introspect", main}, &out, &errs), errs.String())
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, versionFile), []byte("10.2.9\n"), 0o666))
	path := filepath.Join(dir, "answer.json")
	require.NoError(t, os.WriteFile(path, []byte(out.String()), 0o666))
	return path
}

// TestGenerateFromAnswer generates from the answers of servers that have no names but those of our
// own schemas: what comes out declares what the committed package does.
func TestGenerateFromAnswer(t *testing.T) {
	for name, main := range map[string]string{"qemu": schema.QEMU, "storage": schema.Storage} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			answer := writeAnswer(t, filepath.Join(snapshots, embeddedVersion, main))
			status, stderr := runQapigen(t, "generate", "-schema", answer, "-package", name, "-out", out)
			require.Zero(t, status, stderr)
			require.Regexp(t, `^recovered (\d+) of (\d+) type names from QEMU `+regexp.QuoteMeta(embeddedVersion)+`'s `+main+`\n$`, stderr)
			text := generatedFiles(t, out)["block_core_gen.go"]
			require.Contains(t, text, "QEMU 10.2.9")
			committed := generatedFiles(t, filepath.Join(generated, name))["block_core_gen.go"]
			declared := 0
			for line := range strings.Lines(committed) {
				if strings.HasPrefix(line, "func ") && strings.Contains(line, ") Do(") {
					declared++
					require.Contains(t, text, line)
				}
			}
			require.Greater(t, declared, 20)
		})
	}
}

// TestNamesFlag takes names from a schema that has few of them.
func TestNamesFlag(t *testing.T) {
	answer := writeAnswer(t, filepath.Join(snapshots, embeddedVersion, schema.Storage))
	names := writeSchema(t, `
{ 'command': 'blockdev-del', 'data': { 'node-name': 'str' } }
{ 'command': 'query-version', 'returns': 'TheVersion' }
{ 'struct': 'TheVersion', 'data': { 'qemu': 'TheTriple', 'package': 'str' } }
{ 'struct': 'TheTriple', 'data': { 'major': 'uint8', 'minor': 'int', 'micro': 'int' } }
`)
	out := t.TempDir()
	status, stderr := runQapigen(t, "generate", "-schema", answer, "-names", names, "-package", "p", "-out", out)
	require.Zero(t, status, stderr)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	require.Regexp(t, `^recovered 2 of \d+ type names from `+names+`; \d+ are new:$`, lines[0])
	require.Len(t, lines, 1+mostNewNames+1)
	require.Regexp(t, `^  and \d+ more$`, lines[1+mostNewNames])
	files := generatedFiles(t, out)
	require.Contains(t, files["schema_gen.go"], "type TheTriple struct {\n\tMajor uint8 ")
	require.Contains(t, files["block_core_gen.go"], "type BlockdevAdd BlockdevAddOptions\n")
}

// TestNamesOneIsNew looks at the report when there is little to say.
func TestNamesOneIsNew(t *testing.T) {
	answer := writeAnswer(t, writeSchema(t, "{ 'command': 'go', 'data': { 'to': 'Place' } }\n{ 'enum': 'Place', 'data': [ 'x' ] }"))
	names := writeSchema(t, "{ 'command': 'go' }")
	status, stderr := runQapigen(t, "generate", "-schema", answer, "-names", names, "-package", "p", "-out", t.TempDir())
	require.Zero(t, status, stderr)
	require.Equal(t, "recovered 0 of 1 type names from "+names+"; 1 is new:\n  GoTo (go/arg-type/to)\n", stderr)
}

func TestNamesErrors(t *testing.T) {
	file := writeSchema(t, "{ 'command': 'go' }")
	answer := writeAnswer(t, file)
	bad := writeSchema(t, "{ 'command': 'go', 'data': 'Nowhere' }")
	noSchema := filepath.Join(t.TempDir(), "no.json")
	require.NoError(t, os.WriteFile(noSchema, []byte(`[{"name": "1", "meta-type": "enum", "members": []}]`), 0o666))
	noType := filepath.Join(t.TempDir(), "no.json")
	require.NoError(t, os.WriteFile(noType, []byte(`[{"name": "X", "meta-type": "event", "arg-type": "1"}]`), 0o666))
	for _, c := range []struct {
		schema, names, want string
		status              int
	}{
		{file, file, "-names: " + file + " is a schema, which has its own names", exitUsage},
		{answer, answer, "-names " + answer + ": this is a server's answer, which has no names: give the main file", exitUsage},
		{answer, "nowhere.json", "-names nowhere.json: no such file", exitFailure},
		{answer, bad, bad + ":1: command 'go': ", exitFailure},
		{noSchema, "", noSchema + ": unmask: the answer has no commands and no events", exitFailure},
		{noType, "", noType + `: introspect: malformed schema: X uses "1"`, exitFailure},
		{"nowhere.json", "", "nowhere.json: no such file", exitFailure},
	} {
		out := filepath.Join(t.TempDir(), "out")
		args := []string{"generate", "-schema", c.schema, "-package", "p", "-out", out}
		if c.names != "" {
			args = append(args, "-names", c.names)
		}
		status, stderr := runQapigen(t, args...)
		require.Equal(t, c.status, status)
		require.Contains(t, stderr, c.want)
		require.NoDirExists(t, out)
	}
}
