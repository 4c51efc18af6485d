package qmpschema_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var fenced = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// TestPage finds each Go block of docs/versions.md in the examples.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/versions.md")
	require.NoError(t, err)
	examples, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	blocks := fenced.FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(blocks), 4)
	for _, block := range blocks {
		if block[1] != "go" {
			continue
		}
		require.Contains(t, flat(string(examples)), flat(block[2]))
	}
}

// flat returns a text without the indentation and the marks of comments.
func flat(text string) string {
	lines := ""
	for line := range strings.Lines(text) {
		lines += strings.TrimPrefix(strings.TrimSpace(line), "// ") + "\n"
	}
	return lines
}
