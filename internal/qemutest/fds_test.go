package qemutest_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

func TestCheckFds(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("descriptors cannot be listed")
	}
	require.Equal(t, "passed", verdict(t, func(t testing.TB) {
		qemutest.CheckFds(t)
		f := open(t)
		time.AfterFunc(20*time.Millisecond, func() { f.Close() })
	}))
	var kept *os.File
	require.Regexp(t, "^failed: descriptors left open:\n.*/fds_test.go$", verdict(t, func(t testing.TB) {
		qemutest.CheckFds(t)
		kept = open(t)
	}))
	require.NoError(t, kept.Close())
}

func open(t testing.TB) *os.File {
	f, err := os.Open("fds_test.go")
	require.NoError(t, err)
	return f
}
