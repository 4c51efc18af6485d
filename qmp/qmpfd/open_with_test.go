package qmpfd_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

func TestOpenWith(t *testing.T) {
	qemutest.CheckFds(t)
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	var asked []int
	open := func(path string, flags int) (*os.File, error) {
		asked = append(asked, flags)
		return os.OpenFile(path, flags, 0)
	}
	files, err := qmpfd.Use{AutoReadOnly: true}.OpenWith(open, path)
	require.NoError(t, err)
	require.Equal(t, []int{os.O_RDONLY, os.O_RDWR}, asked)
	require.Len(t, files, 2)
	require.NoError(t, files.Close())

	gone := errors.New("gone")
	calls := 0
	_, err = qmpfd.Use{AutoReadOnly: true}.OpenWith(func(path string, flags int) (*os.File, error) {
		if calls++; calls == 2 {
			return nil, gone
		}
		return os.OpenFile(path, flags, 0)
	}, path)
	require.ErrorIs(t, err, gone)

	_, err = qmpfd.Use{}.OpenWith(func(path string, _ int) (*os.File, error) { return os.Open(path) }, path)
	var wrong *qmpfd.FlagsError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "O_RDONLY", wrong.Have)
	_, err = qmpfd.Use{}.OpenWith(func(string, int) (*os.File, error) { return nil, nil }, path)
	require.ErrorIs(t, err, qmp.ErrNotSent)
}
