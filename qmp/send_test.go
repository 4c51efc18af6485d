//go:build linux

package qmp

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// A reply to a command that is not written yet is for another command.
func TestReplyToAQueuedCommand(t *testing.T) {
	c, s := newTurnClient(t)
	big := make(chan error, 1)
	go func() {
		big <- c.Execute(turnLimit(t), &Call{Command: "big", Args: Args{"x": strings.Repeat("x", 8<<20)}})
	}()
	c.awaitTurn(t, func(*turn) bool { return c.calls.writing })
	got := ""
	queued := make(chan error, 1)
	go func() {
		queued <- c.Execute(turnLimit(t), &Call{Command: "queued", Result: func(d *wire.Decoder) { got = d.String() }})
	}()
	c.awaitTurn(t, func(*turn) bool { return len(c.calls.queue) == 1 })
	events := c.Events()
	s.write(`{"return": "forged", "id": 2}{"event": "STOP"}`)
	_, err := events.Next(turnLimit(t)) // the reply has been read
	require.NoError(t, err)
	s.expect(`{"execute":"big","arguments":{"x":"` + strings.Repeat("x", 8<<20) + `"},"id":1}`)
	s.expect(`{"execute":"queued","id":2}`)
	s.write(`{"return": "right", "id": 2}{"return": {}, "id": 1}`)
	require.NoError(t, <-queued)
	require.Equal(t, "right", got)
	require.NoError(t, <-big)
}

// Files go with their command, and with its first byte, also if the socket is full when it is sent.
func TestFilesOnAFullSocket(t *testing.T) {
	c, s := newTurnClient(t)
	big := make(chan error, 1)
	go func() {
		big <- c.Execute(turnLimit(t), &Call{Command: "big", Args: Args{"x": strings.Repeat("x", 8<<20)}})
	}()
	c.awaitTurn(t, func(*turn) bool { return c.calls.writing })
	f, err := os.Open(os.DevNull)
	require.NoError(t, err)
	getfd := make(chan error, 1)
	go func() { getfd <- c.Execute(turnLimit(t), &Call{Command: "getfd", Files: []*os.File{f}}) }()
	c.awaitTurn(t, func(*turn) bool { return len(c.calls.queue) == 1 })
	require.NoError(t, f.Close()) // the client has its own

	before := `{"execute":"big","arguments":{"x":"` + strings.Repeat("x", 8<<20) + `"},"id":1}`
	s.expect(before)
	text := ""
	var fds []int
	for !strings.HasSuffix(text, "}") {
		b, oob := make([]byte, 100), make([]byte, 100)
		n, oobn, _, _, err := s.ReadMsgUnix(b, oob)
		require.NoError(t, err)
		if oobn > 0 {
			require.Empty(t, text, "the file came with the first byte")
			messages, err := unix.ParseSocketControlMessage(oob[:oobn])
			require.NoError(t, err)
			fds, err = unix.ParseUnixRights(&messages[0])
			require.NoError(t, err)
		}
		text += string(b[:n])
	}
	require.Equal(t, `{"execute":"getfd","id":2}`, text)
	require.Len(t, fds, 1)
	var got, want unix.Stat_t
	require.NoError(t, unix.Fstat(fds[0], &got))
	require.NoError(t, unix.Stat(os.DevNull, &want))
	require.Equal(t, want.Rdev, got.Rdev)
	require.NoError(t, unix.Close(fds[0]))
	s.write(`{"return": {}, "id": 1}{"return": {}, "id": 2}`)
	require.NoError(t, <-big)
	require.NoError(t, <-getfd)
}
