package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

const documented = `
##
# @stop:
#
# Halts what @force names.
#
# @force: by ` + "``force``" + `
##
{ 'command': 'stop', 'data': { 'force': 'bool' } }
##
# @cont:
##
{ 'command': 'cont' }
`

// TestGenerateDocs generates with the schema's documentation, and without.
func TestGenerateDocs(t *testing.T) {
	path, out := writeSchema(t, documented), t.TempDir()
	args := []string{"generate", "-schema", path, "-package", "p", "-out", out}
	status, stderr := runQapigen(t, args...)
	require.Zero(t, status, stderr)
	for _, text := range generatedFiles(t, out) {
		require.NotContains(t, text, "Halts")
		require.NotContains(t, text, "GPL")
	}
	status, stderr = runQapigen(t, append(args, "-docs")...)
	require.Zero(t, status, stderr)
	files := generatedFiles(t, out)
	require.Contains(t, files["schema_gen.go"], "// Halts what Force names.\n")
	require.Contains(t, files["schema_gen.go"], "\t// By force.\n\tForce bool `json:\"force\"`\n")
	for name, text := range files {
		require.Contains(t, text, "// SPDX-License-Identifier: GPL-2.0-or-later\n", name)
	}
	// A selection that leaves the prose out is not an error: the schema has some.
	status, stderr = runQapigen(t, append(args, "-docs", "-only", "cont")...)
	require.Zero(t, status, stderr)
}

// TestGenerateDocsNoProse asks for documentation of a copy without prose.
func TestGenerateDocsNoProse(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	status, stderr := runQapigen(t, "generate", "-docs", "-package", "p", "-out", out,
		"-schema", filepath.Join("../../testdata/schema/10.2", schema.QEMU))
	require.Equal(t, exitFailure, status)
	require.Contains(t, stderr, "qapigen: there is no prose in the schema: QEMU's documentation is in the schema files of its source only")
	require.NoDirExists(t, out)
}

// TestGenerateDocsOfQEMU generates from QEMU's own files, and from a copy that print made of them.
func TestGenerateDocsOfQEMU(t *testing.T) {
	main := filepath.Join(qemutest.Source(t, "10.0"), schema.QEMU)
	copied, out := t.TempDir(), t.TempDir()
	generate := func(main string) (int, string) {
		return runQapigen(t, "generate", "-docs", "-only", "device_add", "-package", "p", "-out", out, "-schema", main)
	}
	status, stderr := generate(main)
	require.Zero(t, status, stderr)
	require.Contains(t, generatedFiles(t, out)["qdev_gen.go"], "//	-> { \"execute\": \"device_add\",\n")

	status, stderr = runQapigen(t, "print", "-out", copied, main)
	require.Zero(t, status, stderr)
	status, stderr = generate(filepath.Join(copied, schema.QEMU))
	require.Equal(t, exitFailure, status)
	require.Contains(t, stderr, "there is no prose")
}
