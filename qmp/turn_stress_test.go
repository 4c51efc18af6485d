//go:build linux

package qmp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// TestTurnStress: many callers, whose contexts end at random, use a server that answers late and
// in pieces, and sends events between them. Each caller gets its own reply.
func TestTurnStress(t *testing.T) {
	c, s := newTurnClient(t)
	go echo(s)
	events := c.Events("TICK")
	var wg sync.WaitGroup
	for g := range 1000 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 1))
			for i := range 12 {
				ctx, cancel := context.WithCancel(turnLimit(t))
				if random.IntN(4) == 0 {
					time.AfterFunc(time.Duration(random.IntN(500))*time.Microsecond, cancel)
				}
				want := fmt.Sprintf("%d-%d", g, i)
				got := ""
				err := c.Execute(ctx, &Call{Command: want, Result: func(d *wire.Decoder) { got = d.String() }})
				cancel()
				switch {
				case err == nil && got != want:
					t.Errorf("%s has the reply of %s", want, got)
				case err != nil && !errors.Is(err, context.Canceled):
					t.Error(err)
				}
				if random.IntN(50) == 0 {
					time.Sleep(3 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	_, err := events.Next(turnLimit(t))
	require.ErrorIs(t, err, ErrEventsLost) // nobody took them
	require.NoError(t, c.Err())
	require.NoError(t, <-start(turnLimit(t), c, "last"))
	c.awaitTurn(t, isIdle)
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	for _, p := range c.calls.byID {
		require.Nil(t, p)
	}
}

// echo answers each command with its name, in pieces, and with events between.
func echo(conn net.Conn) {
	var in []byte
	b := make([]byte, 4096)
	random := rand.New(rand.NewPCG(1, 2))
	for {
		n, err := conn.Read(b)
		if err != nil {
			return
		}
		in = append(in, b[:n]...)
		var out []byte
		for {
			r := receiver{max: 1 << 20, in: &buffer{b: in}}
			m, ok, err := r.buffered()
			if !ok || err != nil {
				break
			}
			name := wire.NewDecoder(m.text)
			var req echoRequest
			name.Object(&req)
			out = fmt.Appendf(out, `{"return": %q, "id": %s}`+"\r\n", req.command, m.part(m.id))
			if random.IntN(8) == 0 {
				out = append(out, `{"event": "TICK"}`...)
			}
			in = append([]byte(nil), in[r.start:]...)
		}
		for len(out) > 0 {
			n := min(len(out), 1+random.IntN(200))
			if _, err := conn.Write(out[:n]); err != nil {
				return
			}
			out = out[n:]
		}
	}
}

type echoRequest struct{ command string }

func (r *echoRequest) DecodeMember(d *wire.Decoder, name []byte) int {
	if string(name) != "execute" {
		return 0
	}
	r.command = d.String()
	return 1
}
