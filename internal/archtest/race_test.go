package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRaceCovers: make race has each package whose code or tests start goroutines.
func TestRaceCovers(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	recipe := regexp.MustCompile(`(?m)^race:.*\n((?:\t.*\n)+)`).FindSubmatch(makefile)
	require.NotNil(t, recipe)
	var covered []string
	for word := range strings.FieldsSeq(string(recipe[1])) {
		if room, ok := strings.CutPrefix(word, "./"); ok && room != "internal/testsummary" {
			covered = append(covered, room)
		}
	}
	isCovered := func(room string) bool {
		return slices.ContainsFunc(covered, func(c string) bool {
			below, all := strings.CutSuffix(c, "/...")
			return room == below || all && strings.HasPrefix(room, below+"/")
		})
	}
	for room := range concurrent(t) {
		require.True(t, isCovered(room), "%s starts goroutines, and make race leaves it out", room)
	}
}

// concurrent returns the packages with tests that start goroutines, in the tests or outside.
func concurrent(t *testing.T) map[string]bool {
	t.Helper()
	starts, tested := map[string]bool{}, map[string]bool{}
	noteFiles(t)
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch name := filepath.Base(path); {
		case err != nil:
			return err
		case d.IsDir() && path != root && (name == "testdata" || strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		room, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		room = filepath.ToSlash(room)
		tested[room] = tested[room] || strings.HasSuffix(path, "_test.go")
		starts[room] = starts[room] || startsGoroutine(file)
		return nil
	}))
	for room := range starts {
		if !starts[room] || !tested[room] {
			delete(starts, room)
		}
	}
	require.Contains(t, starts, "hotplug")
	require.NotContains(t, starts, "qapi")
	return starts
}

// startsGoroutine reports whether a file has a go statement, or a function for a WaitGroup's Go.
func startsGoroutine(file *ast.File) (starts bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			starts = true
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Go" && len(n.Args) == 1 {
				starts = true
			}
		}
		return !starts
	})
	return starts
}
