package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// deadly are commands that end a running QEMU, by both of their names, and what to send instead.
var deadly = map[string]string{
	"query-named-block-nodes": "query-blockstats with query-nodes",
	"QueryNamedBlockNodes":    "QueryBlockStats with QueryNodes",
}

// asked are the files that may name such a command: the table of how to print the answer, the shell, which asks the user
// first, and the picture of storage, which sends it only to a QEMU that survives it.
var asked = []string{filepath.Join(root, "internal/show/columns.go"), filepath.Join(root, "cmd/qmpsh/shell.go"),
	filepath.Join(root, "internal/picture/named_nodes.go")}

// TestDeadlyCommands holds that no hand-written code sends such a command. Its tests may.
func TestDeadlyCommands(t *testing.T) {
	read := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "generated" || d.Name() == ".git"):
			return fs.SkipDir
		case slices.Contains(asked, path):
			return nil
		case d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		read++
		report(t, deadlyFaults(t, path, nil))
		return nil
	}))
	require.Greater(t, read, 100)
}

func TestDeadlyFaults(t *testing.T) {
	require.Equal(t, []string{
		"x.go:3:17 names QueryNamedBlockNodes, which ends QEMU: send QueryBlockStats with QueryNodes",
		"x.go:4:11 names query-named-block-nodes, which ends QEMU: send query-blockstats with query-nodes",
	}, deadlyFaults(t, "x.go", `package x // query-named-block-nodes
import "qemu"
var a, b = qemu.QueryNamedBlockNodes{}, qemu.QueryBlock{}
const c = "query-named-block-nodes"`))
}

// deadlyFaults finds the commands in a file, or in its source if that is given. Comments may name them.
func deadlyFaults(t *testing.T, path string, source any) (faults []string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		name := ""
		switch n := n.(type) {
		case *ast.Ident:
			name = n.Name
		case *ast.BasicLit:
			name = strings.Trim(n.Value, "\"`")
		}
		if instead, ok := deadly[name]; ok {
			faults = append(faults, files.Position(n.Pos()).String()+" names "+name+", which ends QEMU: send "+instead)
		}
		return true
	})
	return faults
}
