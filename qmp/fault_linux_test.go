package qmp_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// playOnSocket is playSession on a socket, where callers read.
func playOnSocket(t *testing.T, fault func(int, []byte) ([]byte, bool)) outcomes {
	ends := qmp.SocketPair(t)
	return playOn(t, ends[0], ends[1], fault)
}

func TestSocketCutAtEachByte(t *testing.T) { cutAtEachByte(t, playOnSocket) }

func TestSocketGarbageAtEachByte(t *testing.T) {
	garbageAtEachByte(t, []byte{0xff, '"', '}'}, playOnSocket)
}

// A mixer answers each command with its name, now and then late, twice, without the one before,
// or not at all.
type mixer struct {
	*peer
	random *rand.Rand
	late   []string
	mu     sync.Mutex
}

// answer answers a command.
func (m *mixer) answer(command, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	reply := fmt.Sprintf(`{"return": %q, "id": %s}`+"\r\n", command, id)
	switch m.random.IntN(10) {
	case 0: // dropped
	case 1:
		m.write(reply + reply)
	case 2, 3: // with a later one, in another order
		m.late = append(m.late, reply)
	default:
		m.write(reply)
		for len(m.late) > 0 {
			i := m.random.IntN(len(m.late))
			m.write(m.late[i])
			m.late = append(m.late[:i], m.late[i+1:]...)
		}
	}
}

// TestRepliesMixedUp: replies that are late, doubled, dropped and in another order. Each caller gets
// its own reply or none. Ids are used in rotation, so that a second reply within the next eight
// calls has no receiver.
func TestRepliesMixedUp(t *testing.T) {
	ends := qmp.SocketPair(t)
	p := &peer{ends[0], t}
	go p.negotiate()
	c, err := qmp.NewClient(limit(t), ends[1], nil)
	require.NoError(t, err)
	m := &mixer{peer: p, random: rand.New(rand.NewPCG(3, 4))}
	go func() {
		for {
			p.until('"')
			if p.until('"') != "execute" {
				return
			}
			p.until('"')
			command := p.until('"')
			p.until(':')
			m.answer(command, p.until('}'))
		}
	}()
	for i := range 300 {
		ctx, cancel := contextOf(t, 20*time.Millisecond)
		want, got := fmt.Sprint("c", i), ""
		err := c.Execute(ctx, &qmp.Call{Command: want, Result: func(d *wire.Decoder) { got = d.String() }})
		cancel()
		if err != nil {
			require.True(t, errors.Is(err, qmp.ErrOutcomeUnknown), err)
			continue
		}
		require.Equal(t, want, got)
	}
	require.NoError(t, c.Err())
	require.NoError(t, c.Close())
	require.NoError(t, ends[0].Close())
}
