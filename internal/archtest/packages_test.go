package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module = "github.com/qmpkit/qmpkit"
	root   = "../.." // its folder
)

// platform is what Go builds for.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// goTool returns a go command that builds for a platform as any other platform builds for it.
func goTool(p platform, args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+p.os, "GOARCH="+p.arch, "CGO_ENABLED=0")
	return cmd
}

// pkg is a package as go list -json tells it.
type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	Standard     bool
	Module       *struct{ Path string }
	Imports      []string
	Deps         []string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
}

// room is the package's path below the module's; ok is false for packages of others.
func (p *pkg) room() (path string, ok bool) {
	if p.ImportPath == module {
		return "", true
	}
	return strings.CutPrefix(p.ImportPath, module+"/")
}

// list returns all packages of the module and all that they import, by path.
func list(t *testing.T, p platform) map[string]*pkg {
	t.Helper()
	noteFiles(t)
	cmd := goTool(p, "list", "-deps", "-json=ImportPath,Dir,Name,Standard,Module,Imports,Deps,GoFiles,TestGoFiles,XTestGoFiles", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s: %s", p, &stderr)
	packages := map[string]*pkg{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		found := new(pkg)
		err := d.Decode(found)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		packages[found.ImportPath] = found
	}
}

// noteFiles reads all folders, so that go test knows what its result depends on, and runs the
// test again when a file has changed.
func noteFiles(t *testing.T) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		return err
	}))
}
