package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// runJSON runs qapigen and decodes what it prints, strictly.
func runJSON[T any](t *testing.T, status int, args ...string) T {
	t.Helper()
	var out, errs strings.Builder
	require.Equal(t, status, run(args, &out, &errs), errs.String())
	require.Empty(t, errs.String())
	d := json.NewDecoder(strings.NewReader(out.String()))
	d.DisallowUnknownFields()
	var v T
	require.NoError(t, d.Decode(&v), out.String())
	require.NotContains(t, out.String(), "null")
	return v
}

func TestCheckJSON(t *testing.T) {
	good := writeSchema(t, "{ 'command': 'stop' }")
	bad := writeSchema(t, "{ 'command': 'x', 'data': 'Nowhere' }\n{ 'event': 'Y', 'data': 'Nowhere' }\n")
	cut := writeSchema(t, "{ 'command': 'x' ")
	require.Empty(t, runJSON[[]problem](t, exitOK, "check", "-json", good))
	got := runJSON[[]problem](t, exitFailure, "check", "-json", bad, good, cut, "nowhere")
	require.Len(t, got, 4)
	require.Equal(t, problem{File: bad, Line: 1, Message: "command 'x': command's 'data' uses unknown type 'Nowhere'"}, got[0])
	require.Equal(t, problem{File: bad, Line: 2, Message: "event 'Y': event's 'data' uses unknown type 'Nowhere'"}, got[1])
	require.Equal(t, problem{File: cut, Line: 1, Column: 18, Message: "expected ',' or '}'"}, got[2])
	require.Contains(t, got[3].Message, "nowhere: no such file or directory; ")
}

func TestQueryJSON(t *testing.T) {
	path := writeSchema(t, "{ 'command': 'stop' }")
	require.Equal(t, answer{path, "stop", true}, runJSON[answer](t, exitHas, "query", "-json", path, "stop"))
	require.Equal(t, answer{path, "go", false}, runJSON[answer](t, exitHasNot, "query", "-json", path, "go"))
}

// TestGenerateJSON generates three times into one folder.
func TestGenerateJSON(t *testing.T) {
	dir := t.TempDir()
	main, out := filepath.Join(dir, "main.json"), filepath.Join(dir, "out")
	write(t, dir, map[string]string{
		"main.json": "{ 'include': 'sub.json' }\n{ 'command': 'stop' }\n", "sub.json": "{ 'struct': 'Sub', 'data': {} }\n", "VERSION": "10.2.1\n",
	})
	args := []string{"generate", "-json", "-schema", main, "-package", "p", "-out", out}
	all := []string{"main_gen.go", "package_gen.go", "sub_gen.go"}
	want := outcome{Package: "p", Folder: out, Version: "10.2.1", Changed: all, Unchanged: []string{}, Removed: []string{}}
	require.Equal(t, want, runJSON[outcome](t, exitOK, args...))
	want.Changed, want.Unchanged = []string{}, all
	require.Equal(t, want, runJSON[outcome](t, exitOK, args...))
	require.NoError(t, os.WriteFile(main, []byte("{ 'command': 'stop', 'features': [ 'deprecated' ] }\n"), 0o666))
	want.Changed, want.Unchanged, want.Removed = all[:1], all[1:2], all[2:]
	require.Equal(t, want, runJSON[outcome](t, exitOK, args...))
}

// TestGenerateJSONNames generates from an answer: what was recovered is in the object.
func TestGenerateJSONNames(t *testing.T) {
	source := writeAnswer(t, writeSchema(t, "{ 'command': 'go', 'data': { 'to': 'Place' } }\n{ 'enum': 'Place', 'data': [ 'x' ] }"))
	names := writeSchema(t, "{ 'command': 'go' }")
	got := runJSON[outcome](t, exitOK, "generate", "-json", "-schema", source, "-names", names, "-package", "p", "-out", t.TempDir())
	require.Equal(t, "10.2.9", got.Version)
	require.Equal(t, &typeNames{From: names, Types: 1, New: []newName{{"GoTo", "go/arg-type/to"}}}, got.Names)
}

func TestVersion(t *testing.T) {
	got := runJSON[about](t, exitOK, "version", "-json")
	require.Equal(t, tellAbout(), got)
	require.Equal(t, []string{"any", "5.2", "7.2", "10.0", "10.2"}, got.Dialects)
	require.NotEmpty(t, got.Version)

	path, out := writeSchema(t, "{ 'command': 'stop' }"), t.TempDir()
	status, stderr := runQapigen(t, "generate", "-schema", path, "-package", "p", "-out", out)
	require.Zero(t, status, stderr)
	require.Contains(t, generatedFiles(t, out)["package_gen.go"], "\nconst _ = "+got.Runtime+"\n")

	var text, errs strings.Builder
	require.Zero(t, run([]string{"version"}, &text, &errs), errs.String())
	require.Contains(t, text.String(), "qapigen "+got.Version+", built with go1.")
	require.Contains(t, text.String(), "dialects: any, 5.2, 7.2, 10.0, 10.2\n")
}
