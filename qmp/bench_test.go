package qmp_test

import (
	"bytes"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// standIn is a server that answers every command at once with the same result, so that the
// client's own cost shows.
func standIn(b *testing.B, result string) net.Conn {
	b.Helper()
	l, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
	require.NoError(b, err)
	client, err := net.Dial("unix", l.Addr().String())
	require.NoError(b, err)
	server, err := l.Accept()
	require.NoError(b, err)
	require.NoError(b, l.Close())
	b.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	go func() {
		_, _ = server.Write([]byte(greeting))
		in, out := make([]byte, 1<<16), []byte(nil)
		n := 0
		for {
			m, err := server.Read(in[n:])
			if err != nil {
				return
			}
			n += m
			out = out[:0]
			rest := in[:n]
			for {
				// Each request ends with its id and a brace.
				_, after, found := bytes.Cut(rest, []byte(`"id":`))
				id, next, complete := bytes.Cut(after, []byte(`}`))
				if !found || !complete {
					break
				}
				out = append(out, `{"return": `...)
				out = append(out, result...)
				out = append(out, `, "id": `...)
				out = append(out, id...)
				out = append(out, "}\r\n"...)
				rest = next
			}
			n = copy(in, rest)
			if _, err := server.Write(out); err != nil {
				return
			}
		}
	}()
	return client
}

// statusInfo is a result's type, as generated code has them.
type statusInfo struct {
	running bool
	status  string
}

func (v *statusInfo) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "running":
		v.running = d.Bool()
		return 1
	case "status":
		v.status = d.Enum()
		return 2
	}
	return 0
}

const statusResult = `{"status": "running", "singlestep": false, "running": true}`

func BenchmarkExecute(b *testing.B) {
	for _, goroutines := range []int{1, 8, 64} {
		b.Run(strconv.Itoa(goroutines), func(b *testing.B) {
			c, err := qmp.NewClient(b.Context(), standIn(b, statusResult), nil)
			require.NoError(b, err)
			defer c.Close()
			b.ReportAllocs()
			b.SetParallelism(goroutines)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					var v statusInfo
					call := &qmp.Call{Command: "query-status", Result: func(d *wire.Decoder) { d.Object(&v) }}
					if err := c.Execute(b.Context(), call); err != nil || !v.running {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkSocket measures the socket alone: BenchmarkExecute without the client.
func BenchmarkSocket(b *testing.B) {
	conn := standIn(b, statusResult)
	in := make([]byte, 1<<12)
	_, err := conn.Read(in)
	require.NoError(b, err)
	request := []byte(`{"execute":"query-status","id":1}`)
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := conn.Read(in); err != nil {
			b.Fatal(err)
		}
	}
}
