package qmpfd_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ro     = os.O_RDONLY
	rw     = os.O_RDWR
	direct = qmpfd.DirectFlag
)

const imageName = "disk.img"

// image makes a file for a disk.
func image(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), imageName)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Truncate(path, 1<<20))
	return path
}

// open opens a file once for each of the flags, until the end of the test.
func open(t *testing.T, path string, flags ...int) (files qmpfd.Files) {
	t.Helper()
	t.Cleanup(func() { require.NoError(t, files.Close()) })
	for _, flag := range flags {
		f, err := os.OpenFile(path, flag, 0)
		require.NoError(t, err)
		files = append(files, f)
	}
	return files
}

// needsDirect skips a test where there is no O_DIRECT, or the file system of the temporary folder
// has none.
func needsDirect(t *testing.T, path string) {
	t.Helper()
	files, err := qmpfd.Use{Direct: true}.Open(path)
	if err != nil {
		t.Skipf("set TMPDIR to a folder whose file system has O_DIRECT: %v", err)
	}
	files.Close()
}
