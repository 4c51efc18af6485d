package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

// guide is what a user reads who generates in a module of their own.
const guide = "../../docs/generate.md"

var fenced = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// TestGuide finds each command and each file of the page in the scripts that are run. The page
// has a go:generate line for each kind of source.
func TestGuide(t *testing.T) {
	text, err := os.ReadFile(guide)
	require.NoError(t, err)
	commands, files := scriptsParts(t)
	kinds := map[string]int{}
	for _, block := range fenced.FindAllStringSubmatch(string(text), -1) {
		kind, body := block[1], block[2]
		kinds[kind]++
		switch kind {
		case "sh":
			for line := range strings.Lines(body) {
				require.Contains(t, commands, strings.TrimSpace(line))
			}
		case "go":
			require.Contains(t, files, body)
		case "text": // what the compiler says
			_, message, ok := strings.Cut(strings.TrimSpace(body), ": ")
			require.True(t, ok)
			require.True(t, slices.ContainsFunc(commands, func(command string) bool {
				pattern, ok := strings.CutPrefix(command, "stderr '^vm/package_gen\\.go:[0-9]+:[0-9]+: ")
				return ok && regexp.MustCompile("^"+strings.TrimSuffix(pattern, "'")).MatchString(message)
			}), message)
		default:
			t.Errorf("a block of the kind %q", kind)
		}
	}
	require.Greater(t, kinds["sh"], 4)
	require.Greater(t, kinds["go"], 5)
	require.Equal(t, 2, kinds["text"])
	for _, script := range []string{"tree", "snapshot", "captured", "also", "live", "storage"} {
		for _, file := range parse(t, script).Files {
			if strings.HasSuffix(file.Name, "/generate.go") && !strings.HasPrefix(file.Name, "guest/") {
				require.Contains(t, string(text), string(file.Data), script)
			}
		}
	}
}

// TestVetGuide finds each command of docs/vet.md in the scripts that are run.
func TestVetGuide(t *testing.T) {
	text, err := os.ReadFile("../../docs/vet.md")
	require.NoError(t, err)
	commands, _ := scriptsParts(t)
	found := 0
	for _, block := range fenced.FindAllStringSubmatch(string(text), -1) {
		if block[1] == "sh" {
			found++
			require.Contains(t, commands, strings.TrimSpace(block[2]))
		}
	}
	require.Equal(t, 2, found)
}

// scriptsParts returns the commands of all scripts and the text of their files.
func scriptsParts(t *testing.T) (commands, files []string) {
	t.Helper()
	for name := range scripts {
		archive := parse(t, name)
		for line := range strings.Lines(string(archive.Comment)) {
			command := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(line), "! "), "exec ")
			if script, ok := strings.CutPrefix(command, "sh -c '"); ok {
				command = strings.TrimSuffix(script, "'")
			}
			commands = append(commands, command)
		}
		for _, file := range archive.Files {
			files = append(files, string(file.Data), strings.TrimSuffix(string(file.Data), "\n"))
		}
	}
	return commands, files
}

func parse(t *testing.T, script string) *txtar.Archive {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata/script", script+".txtar"))
	require.NoError(t, err)
	return archive
}
