package gogen_test

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/golden"
)

// TestGoldensCompile compiles what is generated from each archive of TestGolden.
func TestGoldensCompile(t *testing.T) {
	o := newOverlay(t, moduleRoot(t), "goldens")
	imports := ""
	for file, archive := range golden.Archives(t, "testdata/golden/*.txtar") {
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
