package archtest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the table of rooms into ARCHITECTURE.md")

// TestArchitectureTable checks that ARCHITECTURE.md has the table of rooms.
func TestArchitectureTable(t *testing.T) {
	path := filepath.Join(root, "ARCHITECTURE.md")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	place := regexp.MustCompile(`(?ms)^\| room \|.*?\n\n`).FindIndex(text)
	require.NotNil(t, place)
	want := string(text[:place[0]]) + table(rooms) + "\n" + string(text[place[1]:])
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "write the table anew: go test ./internal/archtest -update")
}

// table returns the rooms as a table of Markdown.
func table(rooms []room) string {
	var b strings.Builder
	b.WriteString("| room | what it is | imports |\n|---|---|---|\n")
	for _, r := range rooms {
		imports := "–"
		switch {
		case r.top:
			imports = "any"
		case len(r.rooms) > 0:
			imports = "`" + strings.Join(r.rooms, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.path, r.why, imports)
	}
	return b.String()
}

// TestArchitectureFiles checks that ARCHITECTURE.md, CONTRIBUTING.md and SECURITY.md name files, folders and
// tests that exist.
func TestArchitectureFiles(t *testing.T) {
	noteFiles(t)
	named := regexp.MustCompile("`((?:[a-z0-9._]+/)+[A-Za-z0-9._]*)`")
	tests := regexp.MustCompile("`(?:[a-z0-9./]+: )?((?:Test|Fuzz)[A-Za-z0-9]+)`")
	declared := declaredTests(t)
	for _, page := range []string{"ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"} {
		text, err := os.ReadFile(filepath.Join(root, page))
		require.NoError(t, err)
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(m[1], ".cache/") || strings.Contains(strings.SplitN(m[1], "/", 2)[0], ".") && m[1][0] != '.' {
				continue // made by a target, or the path of a module
			}
			_, err := os.Stat(filepath.Join(root, m[1]))
			require.NoError(t, err, page)
		}
		for _, m := range tests.FindAllStringSubmatch(string(text), -1) {
			require.True(t, declared[m[1]], "%s names %s, which is no test", page, m[1])
		}
	}
}

// declaredTests returns the names of all tests and fuzz targets.
func declaredTests(t *testing.T) map[string]bool {
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)`)
	found := map[string]bool{}
	for _, depth := range []string{"*", "*/*", "*/*/*"} {
		files, err := filepath.Glob(filepath.Join(root, depth, "*_test.go"))
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, m := range declaration.FindAllSubmatch(text, -1) {
				found[string(m[1])] = true
			}
		}
	}
	return found
}
