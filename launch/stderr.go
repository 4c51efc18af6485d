package launch

import (
	"fmt"
	"io"
	"sync"
)

// kept is how much of the beginning and of the end of its standard error a process keeps.
const kept = 32 << 10

// A tail keeps the beginning and the end of a text, and passes the text on to a Writer that may block.
type tail struct {
	mu    sync.Mutex
	first []byte
	last  []byte // at most twice kept
	lost  int64  // between the two

	out     io.Writer
	pending []byte // for out, at most maxPending
	missing int64  // of pending
	more    chan struct{}
}

// maxPending is how much text waits for a Writer that blocks.
const maxPending = 256 << 10

func newTail(out io.Writer) *tail { return &tail{out: out, more: make(chan struct{}, 1)} }

// readFrom reads r to its end.
func (t *tail) readFrom(r io.Reader) {
	if t.out != nil {
		go t.copyOut()
		defer close(t.more)
	}
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		t.add(buf[:n])
		if err != nil {
			return
		}
	}
}

func (t *tail) add(b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out != nil {
		if len(t.pending)+len(b) <= maxPending {
			t.pending = append(t.pending, b...)
		} else {
			t.missing += int64(len(b))
		}
		select {
		case t.more <- struct{}{}:
		default:
		}
	}
	n := min(len(b), kept-len(t.first))
	t.first = append(t.first, b[:n]...)
	t.last = append(t.last, b[n:]...)
	if over := len(t.last) - kept; over > kept {
		t.lost += int64(over)
		t.last = append(t.last[:0], t.last[over:]...)
	}
}

// copyOut passes the text on, until more is closed and everything is written, or the Writer fails.
func (t *tail) copyOut() {
	for open := true; open; {
		_, open = <-t.more
		t.mu.Lock()
		b, missing := t.pending, t.missing
		t.pending, t.missing = nil, 0
		t.mu.Unlock()
		if _, err := t.out.Write(b); err != nil {
			return
		}
		if missing > 0 {
			fmt.Fprintf(t.out, "\n[%d bytes are missing: the Writer was too slow]\n", missing)
		}
	}
}

// String returns the text.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, lost := t.last, t.lost
	if over := len(last) - kept; over > 0 {
		last, lost = last[over:], lost+int64(over)
	}
	if lost > 0 {
		return fmt.Sprintf("%s\n[%d bytes are missing]\n%s", t.first, lost, last)
	}
	return string(t.first) + string(last)
}
