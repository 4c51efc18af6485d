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

// TestGoldensCompile compiles what is generated from each archive of TestGolden, with the one
// codec and with both.
func TestGoldensCompile(t *testing.T) {
	paths, err := filepath.Glob("testdata/golden/*.txtar")
	require.NoError(t, err)
	o := newOverlay(t, moduleRoot(t), "goldens")
	imports := ""
	for _, file := range paths {
		archive, err := txtar.ParseFile(file)
		require.NoError(t, err)
		name := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".txtar"), "-", "")
		for _, comment := range []string{"", "codec: both"} {
			archive.Comment = []byte(comment)
			files, err := generateArchive(archive)
			require.NoError(t, err)
			folder := name + strings.TrimPrefix(comment, "codec: ")
			for base, data := range files {
				o.add(path.Join(folder, base), data)
			}
			imports += fmt.Sprintf("import _ %q\n", o.path+"/"+folder)
		}
	}
	o.add("goldens_test.go", []byte("package overlay\n\n"+imports))
	o.run()
}
