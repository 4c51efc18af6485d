package main

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// TestAdvice looks at what is said of errors that not every machine makes.
func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		address string
		err     error
		want    string
	}{
		{"unix:/run/qmp", os.ErrPermission, "run qapigen as the user that the server runs as"},
		{"vsock:3:5", &net.OpError{Op: "dial", Err: os.ErrNotExist}, "check the CID and the port, and that a QMP server listens there"},
		{"tcp:10.0.0.1:1", &net.OpError{Op: "dial", Err: context.DeadlineExceeded}, "an address is unix:PATH, tcp:HOST:PORT or vsock:CID:PORT"},
		{"unix:/run/qmp", context.DeadlineExceeded, "end the other client, or start QEMU with one more -qmp; a guest agent does not greet"},
		{"unix:/run/qmp", errors.New("other"), ""},
	} {
		advice := dialAdvice(c.address, c.err)
		require.True(t, strings.HasPrefix(advice, c.want), advice)
		require.Equal(t, c.want == "", advice == "")
	}
	require.Empty(t, queryAdvice(errors.New("other")))
	require.Equal(t, errors.New("other"), advise(errors.New("other"), ""))
	require.NoError(t, advise(nil, "do it"))
	require.Equal(t, errors.New("other"), notWritten(errors.New("other")))
}

// TestSilentServer asks a server that greets and does not answer.
func TestSilentServer(t *testing.T) {
	defer func(before time.Duration) { serverLimit = before }(serverLimit)
	serverLimit = time.Second
	s := qmptest.NewServer(t, nil)
	s.Handle("query-qmp-schema", func(*qmptest.Request) (any, error) { return nil, qmptest.ErrNoReply })
	status, stderr := runQapigen(t, "capture", s.Addr())
	require.Equal(t, exitFailure, status)
	require.Contains(t, stderr, "the server is stopped or very busy: try again")
}
