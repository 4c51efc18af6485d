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
