//go:build unix

package fdconn

import (
	"io"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// ends returns both ends of a connection.
func ends(t *testing.T) (a, b Conn, close func()) {
	f, g, err := Pair()
	require.NoError(t, err)
	x, err := net.FileConn(f)
	require.NoError(t, err)
	y, err := net.FileConn(g)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, g.Close())
	t.Cleanup(func() { _ = x.Close(); _ = y.Close() })
	return New(x), New(y), func() { _ = x.Close() }
}

// TestBorders reads bytes up to those that have descriptors, although the system could return all at once.
func TestBorders(t *testing.T) {
	a, b, closeA := ends(t)
	files := make([]*os.File, 2)
	for i := range files {
		var err error
		files[i], err = os.Open(os.DevNull)
		require.NoError(t, err)
		defer files[i].Close()
	}
	require.NoError(t, a.Write([]byte("one"), nil))
	require.NoError(t, a.Write([]byte("two"), files))
	require.NoError(t, a.Write([]byte("three"), nil))
	require.NoError(t, a.Write([]byte("four"), files[:1]))
	closeA()
	for _, want := range []struct {
		text  string
		files int
	}{{"one", 0}, {"twothree", 2}, {"four", 1}} {
		buffer := make([]byte, 100)
		n, got, err := b.Read(buffer)
		if want.text != "four" {
			require.NoError(t, err)
		}
		require.Equal(t, want.text, string(buffer[:n]))
		require.Len(t, got, want.files)
		for _, f := range got {
			require.NoError(t, f.Close())
		}
	}
	_, _, err := b.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

// TestSmallBuffer reads as much as there is room for.
func TestSmallBuffer(t *testing.T) {
	a, b, _ := ends(t)
	require.NoError(t, a.Write([]byte("text"), nil))
	buffer := make([]byte, 3)
	n, _, err := b.Read(buffer)
	require.NoError(t, err)
	require.Equal(t, "tex", string(buffer[:n]))
	n, _, err = b.Read(buffer)
	require.NoError(t, err)
	require.Equal(t, "t", string(buffer[:n]))
}
