package gogen_test

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

// TestGoldensCompile compiles what is generated from each archive of TestGolden.
func TestGoldensCompile(t *testing.T) {
	paths, err := filepath.Glob("testdata/golden/*.txtar")
	require.NoError(t, err)
	o := newOverlay(t, moduleRoot(t), "goldens")
	imports := ""
	for _, file := range paths {
		archive, err := txtar.ParseFile(file)
		require.NoError(t, err)
		name := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".txtar"), "-", "")
		archive.Comment = nil // all of it
		files, err := generateArchive(archive)
		require.NoError(t, err)
		for base, data := range files {
			o.add(path.Join(name, base), data)
		}
		imports += fmt.Sprintf("import _ %q\n", o.path+"/"+name)
	}
	o.add("goldens_test.go", []byte("package overlay\n\n"+imports))
	o.run()
}
