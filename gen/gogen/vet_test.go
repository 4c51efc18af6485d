package gogen_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// userModule is a module of a user's, in a folder of its own, with packages that were generated.
type userModule struct {
	dir string
}

func newUserModule(t *testing.T) *userModule {
	root := moduleRoot(t)
	m := &userModule{t.TempDir()}
	own, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	_, version, ok := strings.Cut(string(own), "\ngo ")
	require.True(t, ok)
	version, _, _ = strings.Cut(version, "\n")
	m.add(t, "go.mod", fmt.Appendf(nil, "module user\n\ngo %s\n\nrequire %s v0.0.0\n\nreplace %[2]s => %s\n", version, module, root))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	m.add(t, "go.sum", sums)
	return m
}

func (m *userModule) add(t *testing.T, name string, data []byte) {
	path := filepath.Join(m.dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	require.NoError(t, os.WriteFile(path, data, 0o666))
}

// vet builds all packages and vets them.
func (m *userModule) vet(t *testing.T) {
	for _, command := range []string{"build", "vet"} {
		cmd := exec.CommandContext(t.Context(), "go", command, "./...")
		cmd.Dir = m.dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %s: %s", command, out)
	}
}
