package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// TestCapture writes what a server says to standard output: an array that can be read.
func TestCapture(t *testing.T) {
	s := qemutest.Get(t, "").Start(t, qemutest.Config{})
	var out, errs strings.Builder
	require.Zero(t, run([]string{"capture", "unix:" + s.Socket()}, &out, &errs), errs.String())
	view, err := introspect.Read([]byte(out.String()))
	require.NoError(t, err)
	require.NotNil(t, view.Lookup("query-status"))
	require.Regexp(t, `^captured \d+ entries of the schema of QEMU \d+\.\d+\.\d+\n$`, errs.String())
	var again strings.Builder
	require.NoError(t, printView(&again, view))
	require.Equal(t, out.String(), again.String())
}

func TestCaptureErrors(t *testing.T) {
	file := writeSchema(t, "")
	s := qemutest.Get(t, "").Start(t, qemutest.Config{})
	for _, c := range []struct {
		args   []string
		want   string
		status int
	}{
		{[]string{file}, file + ": this is a file: capture takes the address of a server", exitFailure},
		{[]string{"unix:/nowhere"}, "unix:/nowhere: ", exitFailure},
		{[]string{"-out", filepath.Join(t.TempDir(), "no", "folder"), s.Socket()}, "no such file or directory", exitFailure},
		{nil, "capture takes ADDRESS; given: nothing", exitUsage},
	} {
		status, stderr := runQapigen(t, append([]string{"capture"}, c.args...)...)
		require.Equal(t, c.status, status, stderr)
		require.Contains(t, stderr, c.want)
	}
}

// TestNoGreeting asks what does not greet: a guest agent, and a socket that nobody serves.
func TestNoGreeting(t *testing.T) {
	defer func(before time.Duration) { serverLimit = before }(serverLimit)
	serverLimit = 100 * time.Millisecond
	silent := filepath.Join(t.TempDir(), "silent")
	l, err := net.Listen("unix", silent)
	require.NoError(t, err)
	defer l.Close()
	for _, socket := range []string{silent, qemutest.Get(t, "").StartAgent(t).Socket()} {
		for _, args := range [][]string{
			{"capture", socket},
			{"generate", "-schema", socket, "-package", "p", "-out", filepath.Join(t.TempDir(), "out")},
		} {
			status, stderr := runQapigen(t, args...)
			require.Equal(t, exitFailure, status)
			require.Contains(t, stderr, socket+": no greeting: another client holds this monitor")
			require.Contains(t, stderr, "a guest agent does not greet, and has no introspection: generate from its schema, qga/qapi-schema.json")
		}
	}
}
