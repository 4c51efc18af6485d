package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMutate looks at mutants of one text: they differ, they are near, and a seed says which they
// are.
func TestMutate(t *testing.T) {
	const text = "##\n# @go:\n#\n# Since: 1.0\n##\n{ 'command': 'go', 'data': { 'a': 'int' } }\n"
	mutants := func(seed uint64) map[string]int {
		m := mutator{rand.New(rand.NewPCG(seed, 0))}
		of := map[string]int{}
		for range 2000 {
			of[m.mutate(text)]++
		}
		return of
	}
	first := mutants(1)
	require.Equal(t, first, mutants(1))
	require.NotEqual(t, first, mutants(2))
	require.Greater(t, len(first), 500)
	for mutant := range first {
		require.InDelta(t, len(text), len(mutant), 100)
	}
	for _, short := range []string{"", "{", "#", "\n"} {
		for range 100 {
			mutator{rand.New(rand.NewPCG(1, 0))}.mutate(short)
		}
	}
}

// fakePython makes a program stand for QEMU's front end.
func fakePython(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "python3"), []byte("#!/bin/sh\n"+script), 0o700))
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

// mutantSource makes a source tree with little in it.
func mutantSource(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"VERSION":                      "7.2.0\n",
		"qapi/qapi-schema.json":        "{ 'include': 'more.json' }\n",
		"qapi/more.json":               "{ 'command': 'go' }\n",
		"qga/qapi-schema.json":         "{ 'command': 'go' }\n",
		"tests/qapi-schema/wrong.json": "{ 'command': }\n",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

// TestMutants counts with a front end that refuses nothing but one case, and breaks down on what
// has an @ in it.
func TestMutants(t *testing.T) {
	fakePython(t, `while read -r path; do
	if grep -q @ "$path"; then echo '!no'; elif [ "${path##*/}" = wrong.json ]; then echo "$path:1:14"; else echo; fi
done`)
	source := mutantSource(t)
	var out strings.Builder
	require.NoError(t, runMutants(t.Context(), source, 400, 1, &out))
	require.Regexp(t, `(?s)qga/qapi-schema.json: QEMU accepts it, qapi refuses qga/qapi-schema.json:1:\d+:
  line 1 was:    "{ 'command': 'go' }"
          is now: "[^\n]*"
.*
dialect: 7.2
QEMU accepts \d+ of \d+ mutants and breaks down on [1-9]\d* others, which qapi refuses
verdict: agree \d+ of \d+
line: agree \d+ of \d+
column: agree \d+ of \d+
$`, out.String())
	text, err := os.ReadFile(filepath.Join(source, "qapi/more.json"))
	require.NoError(t, err)
	require.Equal(t, "{ 'command': 'go' }\n", string(text), "the source tree is not touched")
}

func TestMutantsErrors(t *testing.T) {
	var out strings.Builder
	source := mutantSource(t)
	fakePython(t, "while read -r path; do echo; done")
	require.ErrorContains(t, runMutants(t.Context(), source, 1, 1, &out), "mutants need schemas that QEMU accepts and schemas that it refuses")
	fakePython(t, "exit 3")
	require.ErrorContains(t, runMutants(t.Context(), source, 1, 1, &out), "QEMU's front end has ended")
	require.ErrorContains(t, runMutants(t.Context(), t.TempDir(), 1, 1, &out), "no such file")
	t.Setenv("PATH", "")
	require.ErrorContains(t, runMutants(t.Context(), source, 1, 1, &out), "QEMU's front end needs python3")
	require.Empty(t, out.String())
}
