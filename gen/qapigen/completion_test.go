package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

// completions returns what the last of some words may become, and the directive.
func completions(t *testing.T, words ...string) ([]string, string) {
	t.Helper()
	var out, errs strings.Builder
	require.Zero(t, run(append([]string{"__completeNoDesc"}, words...), &out, &errs), errs.String())
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	last := len(lines) - 1
	require.Regexp(t, `^:\d+$`, lines[last])
	return lines[:last], lines[last]
}

const (
	anyFile   = ":0"
	noFile    = ":4"
	noSpace   = ":6" // and no file
	jsonFiles = ":8"
	folders   = ":16"
)

// TestCompletion completes words of every kind.
func TestCompletion(t *testing.T) {
	path := writeSchema(t, selectable)
	answer := writeAnswer(t, writeSchema(t, "{ 'command': 'go' }"))
	vm := qemutest.Get(t, "").Start(t, qemutest.Config{})
	busy := vm.Dial(t) // who asks now waits
	defer busy.Close()
	for _, c := range []struct {
		words     string
		want      []string // they are among those that come
		not       string
		directive string
	}{
		{"ge", []string{"generate"}, "", noFile},
		{"?", []string{"capture", "check", "completion", "diff", "generate", "help", "introspect", "join", "print", "query", "version"}, "", noFile},
		{"generate -sch", []string{"-schema"}, "--schema", noFile},
		{"generate --sch", []string{"--schema"}, "-schema", noFile},
		{"generate -", []string{"-schema", "-package", "-out"}, "--schema", noFile}, // what is required,
		{"generate -on", []string{"-only"}, "-out", noFile},
		{"generate -schema ?", []string{"json"}, "", jsonFiles},
		{"generate -out ?", nil, "", folders},
		{"generate -schema " + path + " -only st", []string{"stop"}, "cont", noSpace},
		{"generate -schema " + path + " -only stop,", []string{"stop,cont", "stop,STOPPED"}, "stop", noSpace},
		{"generate -only device_", []string{"device_add", "device_del"}, "", noSpace},
		{"generate -schema " + vm.Socket() + " -only device_", []string{"device_add"}, "", noSpace},
		{"generate -schema " + answer + " -only device_", []string{"device_add"}, "go", noSpace},
		{"generate -schema nowhere.json -only device_", []string{"device_add"}, "", noSpace},
		{"generate -only @", nil, "", anyFile},
		{"generate -modules block-", []string{"block-core"}, "qdev", noSpace},
		{"generate -schema " + path + " -define CONFIG_", []string{"CONFIG_LINUX", "CONFIG_WIN32"}, "", noSpace},
		{"check -dialect ?", []string{"any", "5.2", "10.2"}, "", noFile},
		{"check ?", []string{"json"}, "", jsonFiles},
		{"diff a.json ?", []string{"json"}, "", jsonFiles},
		{"query ?", []string{"json"}, "", jsonFiles},
		{"query " + path + " s", []string{"stop", "spin"}, "cont", noSpace},
		{"query " + path + " stop/a", []string{"stop/arg-type"}, "stop/ret-type", noFile},
		{"query " + path + " stop ?", nil, "", noFile},
		{"completion ?", []string{"bash", "zsh", "fish", "powershell"}, "", noFile},
		{"help ge", []string{"generate"}, "", noFile},
	} {
		words := strings.Fields(c.words)
		if last := len(words) - 1; words[last] == "?" {
			words[last] = ""
		}
		got, directive := completions(t, words...)
		require.Subset(t, got, c.want, c.words)
		require.NotContains(t, got, c.not, c.words)
		require.Equal(t, c.directive, directive, c.words)
	}
}

// TestCompletionScripts writes the script of each shell; bash, which is everywhere, reads its own.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range shells {
		var out, errs strings.Builder
		require.Zero(t, run([]string{"completion", shell}, &out, &errs), errs.String())
		require.Contains(t, out.String(), "qapigen")
		if shell == "bash" {
			cmd := exec.Command("bash", "-c", out.String()+"\ncomplete -p qapigen")
			text, err := cmd.CombinedOutput()
			require.NoError(t, err, string(text))
			require.Contains(t, string(text), "__start_qapigen qapigen")
		}
	}
}

// TestCompletionOfBadSchema completes names of a schema that is wrong: there are none.
func TestCompletionOfBadSchema(t *testing.T) {
	path := writeSchema(t, "{ 'command': 'x', 'data': 'Nowhere' }")
	got, directive := completions(t, "generate", "-schema", path, "-only", "")
	require.Empty(t, got)
	require.Equal(t, noFile, directive)
	got, directive = completions(t, "query", path, "")
	require.Empty(t, got)
	require.Equal(t, noFile, directive)
	_, directive = completions(t, "query", filepath.Dir(path), "device_")
	require.Equal(t, noSpace, directive)
}
