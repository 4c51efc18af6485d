package operate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/operate"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
)

// An ending is a way in which a server goes wrong.
type ending string

const (
	hangs   ending = "hangs"   // it answers no more, and the user presses Ctrl-C
	killed  ending = "killed"  // the connection ends
	refuses ending = "refuses" // it answers one command with an error
	busy    ending = "busy"    // it answers one command late
)

var endings = []ending{hangs, killed, refuses, busy}

var errCtrlC = errors.New("interrupted")

// A troubled is the connections to a QEMU and to a guest agent that go wrong at one command. A real QEMU answers
// queries; other commands succeed without an effect, and cause no events.
type troubled struct {
	real   *outside
	server qmp.Server

	ending ending
	at     int // the number of the command, counting from 1

	mu    sync.Mutex
	count int
	met   string        // the command
	begun chan struct{} // closed when it is sent
}

func (c *troubled) Server() *qmp.Server { return &c.server }

func (c *troubled) Execute(ctx context.Context, call *qmp.Call) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", qmp.ErrNotSent, wait.Err(ctx))
	}
	c.mu.Lock()
	c.count++
	n := c.count
	if n == c.at {
		c.met = call.Command
		close(c.begun)
	}
	c.mu.Unlock()
	switch {
	case c.ending == hangs && n >= c.at:
		<-ctx.Done()
		return fmt.Errorf("%w: %w", qmp.ErrOutcomeUnknown, wait.Err(ctx))
	case c.ending == killed && n == c.at:
		return fmt.Errorf("%w: %w", qmp.ErrOutcomeUnknown, errEnded)
	case c.ending == killed && n > c.at:
		return fmt.Errorf("%w: %w", qmp.ErrNotSent, errEnded)
	case c.ending == refuses && n == c.at:
		return &qmp.Error{Command: call.Command, Class: qmp.ErrGeneric, Desc: "injected"}
	case c.ending == busy && n == c.at:
		time.Sleep(3 * time.Second)
	}
	if result, ok := madeUp[call.Command]; ok {
		return call.Decode([]byte(result))
	}
	if strings.HasPrefix(call.Command, "query-") || strings.HasPrefix(call.Command, "qom-list") || call.Command == "qom-get" ||
		call.Command == "device-list-properties" {
		return c.real.Execute(ctx, call)
	}
	return call.Decode([]byte("{}"))
}

var errEnded = fmt.Errorf("the server ended the connection: %w", io.EOF)

// madeUp are answers of commands that are not sent.
var madeUp = map[string]string{
	"add-fd": `{"fdset-id": 0, "fd": 0}`, "ringbuf-read": `""`, "human-monitor-command": `""`, "snapshot-save": "{}",
	"guest-ping": "{}", "guest-info": `{"version": "1", "supported_commands": []}`, "guest-fsfreeze-status": `"thawed"`,
	"guest-network-get-interfaces": "[]", "guest-get-time": "0", "guest-exec": `{"pid": 1}`,
	"guest-exec-status": `{"exited": true, "exitcode": 0}`, "guest-file-open": "1", "guest-file-flush": "{}", "guest-file-close": "{}",
	"guest-file-read": `{"count": 0, "buf-b64": "", "eof": true}`, "guest-file-write": `{"count": 1048576, "eof": false}`,
	"guest-fsfreeze-freeze": "2", "guest-fsfreeze-thaw": "2",
}

// Events returns a stream without events, which ends with the connection.
func (c *troubled) Events(...string) qmp.EventStream { return silent{c} }

type silent struct{ c *troubled }

func (s silent) Next(ctx context.Context) (qmp.RawEvent, error) {
	ended := s.c.begun
	if s.c.ending != killed {
		ended = nil
	}
	select {
	case <-ctx.Done():
		return qmp.RawEvent{}, wait.Err(ctx)
	case <-ended:
		return qmp.RawEvent{}, errEnded
	}
}

func (silent) Close() error { return nil }

// An outside executes queries outside of a bubble.
type outside struct {
	mu        sync.Mutex
	questions chan qmp.Raw
	answers   chan answer
}

type answer struct {
	result qmp.RawJSON
	err    error
}

// newOutside starts a goroutine that asks the server until the test ends.
func newOutside(t *testing.T, x qmp.Executor) *outside {
	o := &outside{questions: make(chan qmp.Raw), answers: make(chan answer)}
	t.Cleanup(func() { close(o.questions) })
	go func() {
		for question := range o.questions {
			result, err := question.Do(t.Context(), x)
			o.answers <- answer{result, err}
		}
	}()
	return o
}

func (o *outside) Execute(_ context.Context, call *qmp.Call) error {
	text, err := call.AppendArgs(nil)
	if err != nil {
		return err
	}
	question := qmp.Raw{Command: call.Command}
	var args map[string]qmp.RawJSON
	if err := json.Unmarshal(text, &args); len(text) > 0 && err != nil {
		return err
	}
	for name, value := range args {
		if question.Args == nil {
			question.Args = qmp.Args{}
		}
		question.Args[name] = value
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.questions <- question
	a := <-o.answers
	if a.err != nil {
		return a.err
	}
	return call.Decode(a.result)
}

// endLimit is how long an operation may undo its steps after Ctrl-C, if the server answers no more.
const endLimit = 6 * time.Second

// polls is the number of commands without a new one after which an operation asks again and again.
const polls = 5

// TestEndings: a server goes wrong at each command of each operation. The operation ends, leaves no goroutine and no
// descriptor, and its error says how it ended.
func TestEndings(t *testing.T) {
	vm := start(t, qemutest.Get(t, "10.0"), furniture...)
	vm.furnish(qemutest.Get(t, "10.0"))
	real := newOutside(t, vm.c)
	for _, run := range dryRuns {
		if run.words == "console pty0" || strings.HasPrefix(run.words, "dump memory ") {
			continue // a terminal and a pipe are no parts of a bubble
		}
		t.Run(run.words, func(t *testing.T) {
			for _, e := range endings {
				seen, again := map[string]bool{}, 0
				for at := 1; again < polls; at++ {
					met := vm.troubled(t, real, run.words, e, at)
					if met == "" {
						break
					}
					if again++; !seen[met] {
						seen[met], again = true, 0
					}
				}
			}
		})
	}
}

// troubled runs an operation on a server that goes wrong at a command, and returns its name, or "" if there is none.
func (s *session) troubled(t *testing.T, real *outside, line string, e ending, at int) (met string) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/d9.img", make([]byte, 1<<20), 0o600))
	op, values, err := operate.Parse(strings.Fields(strings.ReplaceAll(line, "$DIR", dir)))
	require.NoError(t, err)
	before := openFiles(t)
	synctest.Test(t, func(t *testing.T) {
		c := &troubled{real: real, ending: e, at: at, begun: make(chan struct{})}
		var out bytes.Buffer
		ctx, cancel := context.WithCancelCause(t.Context())
		var pressed time.Time
		press := func() {
			pressed = time.Now()
			cancel(errCtrlC)
		}
		patience := time.AfterFunc(10*time.Minute, press) // it may wait for an event that does not come
		go func() {
			select {
			case <-c.begun:
				if e == hangs {
					press()
				}
			case <-ctx.Done():
			}
		}()
		err := op.Run(ctx, &operate.Env{Conn: c, Agent: c, Out: &out}, values)
		took := time.Since(pressed)
		interrupted := !pressed.IsZero()
		cancel(nil)
		patience.Stop()
		synctest.Wait()
		if met = c.met; met == "" {
			return
		}
		if limit := endLimit; e == hangs {
			if met == "guest-fsfreeze-freeze" || met == "guest-fsfreeze-thaw" {
				limit = 30 * time.Second // it is worth trying again
			}
			require.Error(t, err, met)
			assert.LessOrEqual(t, took, limit, "%s at %d (%s)", e, at, met)
		}
		if !interrupted {
			took = 0
		}
		t.Logf("%-7s %2d %-24s %4v %v %q", e, at, met, took, err, out.String())
	})
	require.Equal(t, before, openFiles(t), "%s at %d (%s)", e, at, met)
	return met
}

// openFiles returns the number of open descriptors.
func openFiles(t *testing.T) int {
	names, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(names)
}
