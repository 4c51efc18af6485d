package qmp

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qmpkit/qmpkit/internal/wait"
)

// A Client is a connection to a QMP server: QEMU's monitor or qemu-storage-daemon's. It is an
// [Executor] for the generated commands and an [EventSource] for [Subscribe].
//
// Any number of goroutines can call its methods at once. The client sends a command without waiting for the
// replies to others, and the server answers in the order of the commands. No caller can block the client, even
// by abandoning a command or by not reading events.
type Client struct {
	conn    net.Conn
	options Options
	server  Server
	in      receiver // used by the goroutine that has the turn to read
	calling string   // the function of the program that this goroutine is calling, "" for none
	out     sender   // the writing goroutine's, see inflight
	calls   inflight

	sinkMu sync.Mutex               // to make the sink
	sink   atomic.Pointer[heldSink] // made when somebody first subscribes

	events, refused atomic.Uint64 // see Stats

	fileMu wait.Mutex    // held while a command with files is in flight
	inBand chan struct{} // holds one for each ordinary command in flight, with oob; else nil
	oob    bool

	greeted  chan struct{} // closed when greeting is set; nil when that is known
	greeting []byte        // the value of its member QMP

	ending sync.Once
	done   chan struct{} // closed when the connection has ended
}

// maxInBand is the number of commands that a QEMU with oob queues (QMP_REQ_QUEUE_LEN_MAX of
// monitor/qmp.c): with one more it stops reading, and out-of-band commands wait as well.
const maxInBand = 8

// newClient makes a client that does not read yet.
func newClient(conn net.Conn, opts *Options) *Client {
	c := &Client{
		conn:    conn,
		options: opts.withDefaults(),
		greeted: make(chan struct{}),
		done:    make(chan struct{}),
	}
	c.out.init(conn)
	c.in.init(conn, c.out.raw, c.options.MaxMessage)
	c.calls.turn.conn, c.calls.turn.shared, c.calls.turn.taken = conn, c.out.raw != nil, true
	c.calls.working.Add(2)
	// A deadline from before would end reading or writing at any time. An error means that the
	// connection has no deadlines or has ended.
	c.guard(callSetDeadline, func() { _ = conn.SetDeadline(time.Time{}) })
	return c
}

// start begins to read, on a goroutine of the client's own.
func (c *Client) start() { go c.readIdle() }

// OOB reports whether out-of-band execution is on: [Options.OOB] asked for it, and the server offers it.
func (c *Client) OOB() bool { return c.oob }

// Done returns a channel that is closed when the connection has ended, for whatever reason. When writing has failed, the
// client still reads what the server has left, for up to a second: until then commands return an error that matches
// [ErrNotSent], and the connection has not ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection has ended:
//   - nil: it has not ended.
//   - [ErrClosed]: Close was called.
//   - an error that matches [io.EOF]: the server closed the connection.
//   - a [*ProtocolError]: the server sent something that is not QMP.
//   - a [*CallbackError]: a function of the program did not return to the client.
//   - any other error: reading or writing failed.
func (c *Client) Err() error {
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	return c.calls.err
}

// Close ends the connection and waits until the client's goroutines have ended. Commands in flight return an
// error that matches [ErrClosed]. Close can be called more than once, and returns nil.
func (c *Client) Close() error {
	c.end(ErrClosed)
	c.calls.working.Wait()
	return nil
}

// end ends the connection, unless it has ended already.
func (c *Client) end(err error) {
	c.ending.Do(func() {
		if failed := c.logEnd(err); failed != nil {
			err = join(err, failed)
		}
		if c.calls.end(err) { // first, so that whoever is writing fails for this reason
			c.in.close() // nobody reads, nor will
		}
		// It has ended, whatever Close says.
		if failed := apart(callClose, func() { _ = c.conn.Close() }); failed != nil {
			err = join(err, failed)
			c.calls.setReason(err)
		}
		if sink := c.eventSink(); sink != nil {
			sink.End(err)
		}
		close(c.done)
	})
}
