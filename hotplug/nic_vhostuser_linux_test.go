package hotplug_test

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func unmarshal(raw []byte, value any) error { return json.Unmarshal(raw, value) }

// Requests of vhost-user that are answered, by their numbers.
const (
	getFeatures         = 1
	getVringBase        = 11
	getProtocolFeatures = 15
	getQueueNum         = 17
	getConfig           = 24
)

// serveVhostUser serves vhost-user as far as a device needs to be there, and returns the socket's
// path: it answers what is asked and does nothing.
func serveVhostUser(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vhost-user")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	var open sync.Map
	var all sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		open.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
		all.Wait()
	})
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Store(conn, nil)
			all.Go(func() {
				defer conn.Close()
				for answerVhostUser(conn) == nil {
				}
			})
		}
	})
	return path
}

// answerVhostUser reads a message and answers it if it has to be. Descriptors that come along are
// the kernel's to close: reading without asking for them gives them up.
func answerVhostUser(conn io.ReadWriter) error {
	var header struct{ Request, Flags, Size uint32 }
	if err := binary.Read(conn, binary.LittleEndian, &header); err != nil {
		return err
	}
	payload := make([]byte, header.Size)
	if _, err := io.ReadFull(conn, payload); err != nil {
		return err
	}
	answer := make([]byte, 8)
	switch header.Request {
	case getFeatures:
		binary.LittleEndian.PutUint64(answer, 1<<32|1<<30) // VIRTIO_F_VERSION_1, protocol features
	case getProtocolFeatures:
		binary.LittleEndian.PutUint64(answer, 1<<9) // the configuration of a device
	case getConfig:
		answer = payload
	case getQueueNum:
		binary.LittleEndian.PutUint64(answer, 1)
	case getVringBase:
		copy(answer, payload[:4])
	default:
		return nil
	}
	header.Flags, header.Size = 5, uint32(len(answer)) // version 1, a reply
	if err := binary.Write(conn, binary.LittleEndian, header); err != nil {
		return err
	}
	_, err := conn.Write(answer)
	return err
}
