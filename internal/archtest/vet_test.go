package archtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestVet vets what users import, on all platforms. Without tests: these need much that is
// to be compiled anew for each platform, and go vet sees them on the platform at hand.
func TestVet(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: compiling the standard library for all platforms takes a minute when nothing is cached")
	}
	for _, p := range platforms {
		t.Run(p.String(), func(t *testing.T) {
			packages := list(t, p)
			absent := map[string]string{}
			args := []string{"vet", "-overlay", filepath.Join(t.TempDir(), "overlay.json")}
			for _, r := range rooms {
				found := packages[module+"/"+r.path]
				if !r.library {
					continue
				}
				require.NotNil(t, found, "%s has no file for %s", r.path, p)
				args = append(args, found.ImportPath)
				for _, file := range append(found.TestGoFiles, found.XTestGoFiles...) {
					absent[filepath.Join(found.Dir, file)] = ""
				}
			}
			overlay, err := json.Marshal(map[string]any{"Replace": absent})
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(args[2], overlay, 0o600))
			out, err := goTool(p, args...).CombinedOutput()
			require.NoError(t, err, "%s", out)
		})
	}
}
