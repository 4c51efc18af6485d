package qmplibvirt

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"

	"github.com/qmpkit/qmpkit/internal/libvirt"
	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
)

// largePacket is the length of a buffer that is not kept for the next packet.
const largePacket = 64 << 10

var (
	errSilent    = &wrappedError{"qmplibvirt: the daemon does not answer pings", os.ErrDeadlineExceeded}
	errNoCall    = errors.New("it answers no call")
	errOther     = errors.New("it answers a call of another procedure")
	errBadStatus = errors.New("its status is unknown")
	errBadType   = errors.New("a client does not get such a message")
)

// A pending is a packet to be sent, usually a call.
type pending struct {
	procedure libvirt.Procedure
	serial    uint32 // 0 for what has no answer
	packet    []byte
	files     []*os.File // to be sent after the packet, and then closed

	// answered, if it is not nil, gets the answer of the daemon on the reading goroutine, before the caller does. abandoned
	// reports that there is no caller any more. It returns a call to be sent in place of this one, which takes over release.
	answered func(a answer, abandoned bool) *pending
	release  func() // gives back what the call holds; nil if it holds nothing

	answer chan answer // has room for one

	// Guarded by Conn.mu.
	stage     stage
	abandoned bool // the caller does not wait
}

// An answer is how a call has ended.
type answer struct {
	body []byte
	sent bool
	err  error // an *Error, or why the connection has ended
}

type stage uint8

const (
	queued stage = iota
	writing
	sent
	finished
)

// newCall makes a call. The error means that the arguments are too long.
func (c *Conn) newCall(procedure libvirt.Procedure, args libvirt.Message, files []*os.File) (*pending, error) {
	c.mu.Lock()
	for c.serial++; c.serial == 0 || c.calls[c.serial] != nil; c.serial++ {
	}
	p := &pending{procedure: procedure, serial: c.serial, files: files, answer: make(chan answer, 1)}
	c.mu.Unlock()
	h := libvirt.Header{Procedure: procedure, Serial: p.serial}
	if procedure == libvirt.MonitorCommandWithFiles {
		h.Type = libvirt.CallWithFiles
	}
	var err error
	p.packet, err = libvirt.AppendPacket(nil, h, args, len(files))
	return p, err
}

// signal sends a message of the keepalive program, unless one like it waits to be sent.
func (c *Conn) signal(procedure libvirt.Procedure) {
	packet, _ := libvirt.AppendPacket(nil, libvirt.Header{Procedure: procedure, Type: libvirt.Event}, nil, 0) // no body is too long
	c.mu.Lock()
	defer c.mu.Unlock()
	like := func(p *pending) bool { return p.procedure == procedure }
	if c.err == nil && !slices.ContainsFunc(c.queue, like) {
		c.push(&pending{procedure: procedure, packet: packet, abandoned: true})
	}
}

// push lets the writing goroutine write p. The caller holds mu.
func (c *Conn) push(p *pending) {
	c.queue = append(c.queue, p)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// send sends a call on its way. If the connection has ended, the call ends with its error.
func (c *Conn) send(p *pending) {
	c.mu.Lock()
	err := c.err
	if err == nil {
		c.calls[p.serial] = p
		c.push(p)
	}
	c.mu.Unlock()
	if err != nil {
		c.finish(p, answer{err: err})
	}
}

// call sends a call and waits for its answer. sent reports whether the daemon may have got it. The error is an *Error,
// why the connection has ended, or why ctx has ended.
func (c *Conn) call(ctx context.Context, p *pending) (body []byte, wasSent bool, err error) {
	c.send(p)
	select {
	case a := <-p.answer:
		return a.body, a.sent, a.err
	case <-ctx.Done():
	}
	c.mu.Lock()
	switch p.stage {
	case queued:
		delete(c.calls, p.serial)
		c.queue = slices.DeleteFunc(c.queue, func(other *pending) bool { return other == p })
		c.mu.Unlock()
		c.finish(p, answer{})
		return nil, false, because("the daemon does not read earlier calls", wait.Err(ctx))
	case finished:
		c.mu.Unlock()
		a := <-p.answer
		return a.body, a.sent, a.err
	default:
		p.abandoned = true
		c.mu.Unlock()
		return nil, true, wait.Err(ctx)
	}
}

// finish ends a call.
func (c *Conn) finish(p *pending, a answer) {
	c.mu.Lock()
	p.stage = finished
	c.mu.Unlock()
	if p.answer != nil {
		p.answer <- a
	}
	if p.release != nil {
		p.release()
	}
	if !a.sent {
		closeFiles(p.files)
	}
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // a duplicate
	}
}

// ask makes a call that concerns no machine's monitor. result may be nil.
func (c *Conn) ask(ctx context.Context, procedure libvirt.Procedure, args, result libvirt.Message) error {
	return c.askWith(ctx, procedure, args, result, nil)
}

// askWith is ask with a function that gets the answer on the reading goroutine.
func (c *Conn) askWith(ctx context.Context, procedure libvirt.Procedure, args, result libvirt.Message,
	answered func(answer, bool) *pending) error {
	if ctx.Err() != nil {
		return wait.Err(ctx)
	}
	if err := c.enter(ctx, c.done, c.Err); err != nil {
		return err
	}
	p, err := c.newCall(procedure, args, nil)
	if err != nil {
		c.leave()
		return err
	}
	p.release, p.answered = c.leave, answered
	body, _, err := c.call(ctx, p)
	if err != nil || result == nil {
		return err
	}
	if err := libvirt.Decode(body, result); err != nil {
		return broken(procedure.String(), err)
	}
	return nil
}

// post makes a call without waiting for its answer, which answered gets on the reading goroutine; it may be nil. The
// daemon answers the call at once, whatever its machines do.
func (c *Conn) post(procedure libvirt.Procedure, args libvirt.Message, answered func(answer, bool) *pending) {
	if p, err := c.newCall(procedure, args, nil); err == nil {
		p.abandoned, p.answered = true, answered
		c.send(p)
	}
}

// enter waits until the daemon can get one more call. ended tells it to give up because of why.
func (c *Conn) enter(ctx context.Context, ended <-chan struct{}, why func() error) error {
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return because("too many calls are in flight", wait.Err(ctx))
	case <-ended:
		return why()
	}
}

func (c *Conn) leave() { <-c.slots }

// background runs f until the connection has ended, unless it has.
func (c *Conn) background(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.working.Go(f)
	}
}

// write writes what is queued.
func (c *Conn) write() {
	for {
		c.mu.Lock()
		var p *pending
		if len(c.queue) > 0 && c.err == nil {
			p = c.queue[0]
			c.queue = slices.Delete(c.queue, 0, 1)
			p.stage = writing
		}
		c.mu.Unlock()
		if p == nil {
			select {
			case <-c.wake:
				continue
			case <-c.done:
				return
			}
		}
		err := c.out.Write(p.packet, nil)
		for _, f := range p.files {
			if err == nil {
				err = c.out.Write([]byte{0}, []*os.File{f})
			}
			_ = f.Close()
		}
		p.packet = nil
		c.mu.Lock()
		if p.stage == writing { // the reply may have come before
			p.stage = sent
		}
		c.mu.Unlock()
		if err != nil {
			c.end(because("qmplibvirt: writing to the daemon failed", err))
		}
	}
}

// receive handles a packet. kept reports that it belongs to somebody else now.
func (c *Conn) receive(packet []byte) (kept bool, err error) {
	h, body, _, err := libvirt.ParsePacket(packet)
	if err != nil {
		return false, broken("packet", err)
	}
	switch {
	case h.Type == libvirt.Reply:
		return true, c.receiveReply(h, body)
	case h.Type != libvirt.Event:
		return false, broken(h.Procedure.String(), errBadType)
	}
	switch h.Procedure {
	case libvirt.Ping:
		c.signal(libvirt.Pong)
	case libvirt.MonitorEvent:
		err = c.receiveEvent(body)
	case libvirt.LifecycleEvent:
		err = c.receiveLifecycle(body)
	}
	if err != nil {
		return false, broken(h.Procedure.String(), err)
	}
	return false, nil
}

// receiveReply gives a reply to its call.
func (c *Conn) receiveReply(h libvirt.Header, body []byte) error {
	c.mu.Lock()
	p := c.calls[h.Serial]
	known := p != nil && p.stage != queued
	if known {
		delete(c.calls, h.Serial)
	}
	c.mu.Unlock()
	a := answer{body: body, sent: true}
	var err error
	switch {
	case !known:
		return broken(h.Procedure.String(), errNoCall)
	case h.Procedure != p.procedure:
		err = broken(h.Procedure.String(), errOther)
	case h.Status == libvirt.Failed:
		a.err = newError(body)
		if errors.Is(a.err, ErrProtocol) {
			err = a.err
		}
	case h.Status != libvirt.OK:
		err = broken(h.Procedure.String(), errBadStatus)
	}
	if err != nil {
		c.finish(p, answer{sent: true, err: err})
		return err
	}
	c.mu.Lock()
	p.stage = finished // from here on, the caller waits for it
	abandoned := p.abandoned
	c.mu.Unlock()
	if p.answered != nil {
		if next := p.answered(a, abandoned); next != nil {
			next.release, p.release = p.release, nil
			next.abandoned = true
			c.send(next)
		}
	}
	c.finish(p, a)
	return nil
}

// end ends the connection, unless it has ended already. Closing comes last: with TLS it can take seconds.
func (c *Conn) end(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	if _, panicked := err.(*qmp.CallbackError); c.closing && !panicked {
		err = errClosed // the daemon may close first
	}
	c.err = err
	calls, machines, watches := c.calls, c.machines, c.watches
	c.calls, c.machines, c.watches, c.queue = nil, nil, nil, nil
	var unsent []*pending
	for serial, p := range calls {
		if p.stage == queued {
			unsent = append(unsent, p)
			delete(calls, serial)
		}
		p.stage = finished // no caller whose context ends now finishes it a second time
	}
	c.mu.Unlock()
	for _, p := range unsent {
		c.finish(p, answer{err: err})
	}
	for _, p := range calls {
		c.finish(p, answer{sent: true, err: err})
	}
	for _, m := range machines {
		m.end(err)
	}
	for _, w := range watches {
		w.end(err)
	}
	close(c.done)
	_ = c.conn.Close() // it has ended, whatever Close says
}

// callbackError makes the error of a function of the program that has not returned to the reading goroutine. value is
// that of the panic. The error of this package is not hidden.
func (c *Conn) callbackError(value any) error {
	callback := c.calling
	switch {
	case callback == "" && value != nil:
		panic(value)
	case callback == "":
		callback = "the match function of EventsFunc"
	}
	stack := make([]byte, 16<<10)
	return &qmp.CallbackError{Callback: callback, Value: value, Stack: string(stack[:runtime.Stack(stack, false)])}
}

// whyEnded makes the error of the connection from that of reading.
func whyEnded(err error) error {
	if err == io.EOF {
		return because("qmplibvirt: the daemon closed the connection", err)
	}
	if _, malformed := err.(libvirt.FormatError); malformed {
		return broken("packet", err)
	}
	return because("qmplibvirt: reading from the daemon failed", err)
}
