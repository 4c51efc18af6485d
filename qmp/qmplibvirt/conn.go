package qmplibvirt

import (
	"bufio"
	"context"
	"errors"
	"iter"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qmpkit/qmpkit/internal/fdconn"
	"github.com/qmpkit/qmpkit/internal/libvirt"
	"github.com/qmpkit/qmpkit/internal/wait"
	"github.com/qmpkit/qmpkit/qmp"
)

// Options configures a [Conn]. nil and the zero value mean the defaults.
type Options struct {
	// URI is the driver that the daemon opens, without a host. "" means "qemu:///system". A daemon that runs for a user
	// has "qemu:///session".
	URI string

	// SASL logs in if the daemon asks for SASL. Package sasl has logins by a user's name and password. nil means that
	// connecting to such a daemon fails.
	SASL SASL

	// InFlight is the number of calls that the daemon gets at a time; 0 means 4. Further commands wait. A machine that
	// hangs keeps a call until it answers or ends. The daemon stops reading the connection if a client has as many calls
	// in flight as max_client_requests of its configuration says, which is 5 by default. So keep one less.
	InFlight int

	// Forwarded says that a program, such as ssh -L, forwards the UNIX socket to the daemon. Files do not pass, and the
	// Conn pings. A program that forwards a socket drops files, and the daemon then closes the connection.
	Forwarded bool

	// EventQueue is the number of events that a subscription keeps for a slow consumer; 0 means 1024. See
	// [qmp.EventsLostError].
	EventQueue int

	// KeepAlive is the time of silence after which the Conn pings the daemon. 0 means 5 seconds, and no pings on a UNIX
	// socket. A negative value means no pings. The Conn always answers the daemon's pings.
	KeepAlive time.Duration

	// KeepAliveCount is the number of pings without an answer that end the connection; 0 means 5.
	KeepAliveCount int
}

const (
	defaultURI            = "qemu:///system"
	defaultPort           = "16509"
	defaultInFlight       = 4
	defaultKeepAlive      = 5 * time.Second
	defaultKeepAliveCount = 5
)

// withDefaults returns a copy of the options, complete.
func (o *Options) withDefaults(conn net.Conn) Options {
	var all Options
	if o != nil {
		all = *o
	}
	if all.URI == "" {
		all.URI = defaultURI
	}
	if all.InFlight <= 0 {
		all.InFlight = defaultInFlight
	}
	if _, local := conn.(*net.UnixConn); all.KeepAlive == 0 && (!local || all.Forwarded) {
		all.KeepAlive = defaultKeepAlive
	}
	if all.KeepAliveCount <= 0 {
		all.KeepAliveCount = defaultKeepAliveCount
	}
	return all
}

// A Conn is a connection to a libvirt daemon, and through it to all machines that the daemon runs. Any number of
// goroutines can call its methods and those of its machines.
type Conn struct {
	conn    net.Conn
	out     fdconn.Conn
	files   bool // descriptors pass
	options Options
	slots   chan struct{} // holds one for each call in flight
	opening wait.Locks    // machines that are being looked up, by UUID
	working sync.WaitGroup
	goodbye sync.Once
	heard   atomic.Bool // something came since the last look
	calling string      // the program's function that the reading goroutine is calling, "" for none

	watching wait.Mutex    // held while the events of all machines are being registered
	wake     chan struct{} // holds an element when there may be something to write

	mu       sync.Mutex
	serial   uint32
	calls    map[uint32]*pending // sent, or to be sent
	queue    []*pending          // to be written
	machines map[key]*machine    // that run, and have a Domain
	watches  []*Watch
	all      *int32 // the callback of the events of all machines
	opened   bool   // the driver is open
	closing  bool   // Close was called
	err      error  // why the connection has ended

	done chan struct{}
}

// Dial connects to a daemon and opens its driver, as [NewConn] does. It gives up when ctx ends. The address is one of
// these:
//
//	/run/libvirt/libvirt-sock     the path of a UNIX socket; also libvirt's virtqemud-sock
//	tcp:127.0.0.1, tcp:[::1]:99   TCP without encryption; the port is 16509 by default
//
// Other forms are those of [qmp.Dial]. As there, a host is an IP address or localhost. For TLS, SSH and host names,
// connect first and call [NewConn].
//
// Dial returns an error that matches:
//   - [os.ErrNotExist], [os.ErrPermission] or [syscall.ECONNREFUSED]: there is no such socket, the program may not use
//     it, or no daemon listens.
//   - [errors.ErrUnsupported]: the daemon asks for SASL, and there is no [Options.SASL], or it asks for a login that this
//     package does not have.
//   - [os.ErrPermission]: the daemon refused the login.
//   - [*Error]: the daemon refused the connection.
func Dial(ctx context.Context, address string, opts *Options) (*Conn, error) {
	conn, err := qmp.Connect(ctx, withPort(address))
	if err != nil {
		return nil, &wrappedError{"qmplibvirt: " + strings.TrimPrefix(err.Error(), "qmp: "), err}
	}
	c, err := NewConn(ctx, conn, opts)
	if err != nil {
		return nil, because("qmplibvirt: dial "+address, err)
	}
	return c, nil
}

// withPort adds libvirt's port to an address of TCP that has none.
func withPort(address string) string {
	host, ok := strings.CutPrefix(address, "tcp:")
	if ok && (!strings.Contains(host, ":") || strings.HasSuffix(host, "]")) {
		return address + ":" + defaultPort
	}
	return address
}

// NewConn makes a Conn of a connection to a daemon: a UNIX socket, TCP, TLS, or a stream through SSH to the daemon's
// socket. It logs in if the daemon asks for polkit or SASL ([Options.SASL]), and opens the driver. It gives up when ctx ends. The Conn does not
// use ctx after that. The connection belongs to the Conn, which closes it if NewConn fails. NewConn clears the deadlines
// of the connection. Do not set one later.
//
// On a connection of TLS (a *tls.Conn: anything with its method HandshakeContext), NewConn performs the handshake and
// waits until the daemon has accepted the client's certificate.
func NewConn(ctx context.Context, conn net.Conn, opts *Options) (*Conn, error) {
	c := &Conn{
		conn:     conn,
		out:      fdconn.New(conn),
		options:  opts.withDefaults(conn),
		wake:     make(chan struct{}, 1),
		calls:    make(map[uint32]*pending),
		machines: make(map[key]*machine),
		done:     make(chan struct{}),
	}
	_, local := conn.(*net.UnixConn)
	c.files = local && !c.options.Forwarded
	c.slots = make(chan struct{}, c.options.InFlight)
	_ = conn.SetDeadline(time.Time{})
	if err := welcome(ctx, conn); err != nil {
		_ = conn.Close()
		return nil, because("qmplibvirt: TLS", err)
	}
	c.working.Go(c.read)
	c.working.Go(c.write)
	if err := c.open(ctx); err != nil {
		_ = c.Close()
		return nil, because("qmplibvirt: open "+c.options.URI, err)
	}
	if c.options.KeepAlive > 0 {
		c.background(c.ping)
	}
	return c, nil
}

// A handshaker is a connection of TLS.
type handshaker interface{ HandshakeContext(context.Context) error }

// welcome performs the handshake of TLS, and reads the byte with which the daemon accepts the client.
func welcome(ctx context.Context, conn net.Conn) error {
	secured, ok := conn.(handshaker)
	if !ok {
		return nil
	}
	if err := secured.HandshakeContext(ctx); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	var accepted [1]byte
	_, err := conn.Read(accepted[:])
	switch {
	case !stop():
		return wait.Err(ctx)
	case err != nil:
		return because("the daemon has not accepted the client's certificate", err)
	case accepted[0] != 1:
		return errors.New("the daemon refused the client's certificate")
	}
	return nil
}

// open logs in, and opens the driver.
func (c *Conn) open(ctx context.Context) error {
	var auth libvirt.AuthListResult
	if err := c.ask(ctx, libvirt.AuthList, nil, &auth); err != nil {
		return err
	}
	if err := c.login(ctx, auth.Types); err != nil {
		return err
	}
	var pings libvirt.IntBody // before open, as libvirt's own client does
	if err := c.ask(ctx, libvirt.SupportsFeature, &libvirt.IntBody{Value: libvirt.FeatureKeepAlive}, &pings); err != nil {
		return err
	}
	if pings.Value == 0 {
		c.options.KeepAlive = 0
	}
	if err := c.ask(ctx, libvirt.ConnectOpen, &libvirt.OpenArgs{URI: &c.options.URI}, nil); err != nil {
		return err
	}
	c.mu.Lock()
	c.opened = true
	c.mu.Unlock()
	return c.ask(ctx, libvirt.RegisterLifecycle, &libvirt.RegisterAnyArgs{}, &libvirt.IntBody{})
}

// Done returns a channel that is closed when the connection has ended, for whatever reason. A Conn does not reconnect.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection has ended:
//   - nil: it has not ended.
//   - an error that matches [qmp.ErrClosed]: Close was called.
//   - an error that matches [io.EOF]: the daemon closed the connection, for example because it was restarted.
//   - an error that matches [os.ErrDeadlineExceeded]: the daemon did not answer pings.
//   - an error that matches [ErrProtocol]: the daemon sent something else than libvirt's protocol.
//   - a [*qmp.CallbackError]: a function of the program did not return.
//   - any other error: reading or writing failed.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// closeLimit is how long Close waits for the daemon, which needs a millisecond unless its machines have all its calls.
const closeLimit = 500 * time.Millisecond

// Close ends the connection and waits until its goroutines have ended. The machines continue to run. Close tells the daemon,
// which would otherwise log an error, and waits for its answer for half a second at most. Close can be called more than once,
// and returns nil.
func (c *Conn) Close() error {
	c.goodbye.Do(c.sayGoodbye)
	c.end(errClosed)
	c.working.Wait()
	return nil
}

// sayGoodbye asks the daemon to close the connection.
func (c *Conn) sayGoodbye() {
	c.mu.Lock()
	tell := c.opened && c.err == nil
	c.closing = true
	c.mu.Unlock()
	if !tell {
		return
	}
	told := make(chan struct{})
	c.post(libvirt.ConnectClose, nil, func(answer, bool) *pending { close(told); return nil })
	limit := time.NewTimer(closeLimit)
	defer limit.Stop()
	select {
	case <-told:
	case <-c.done:
	case <-limit.C:
	}
}

// An Info describes a machine.
type Info struct {
	Name  string
	UUID  string
	ID    int // of this run
	State State
}

// A State is the state of a machine, as libvirt sees it. Newer daemons may have further values.
type State int

// The states of machines.
const (
	StateNone State = iota
	StateRunning
	StateBlocked
	StatePaused
	StateShuttingDown
	StateShutOff
	StateCrashed
	StateSuspended // by the guest's power management
)

var states = [...]string{"no state", "running", "blocked", "paused", "shutting down", "shut off", "crashed", "suspended"}

// String returns the state in words.
func (s State) String() string {
	if s >= 0 && int(s) < len(states) {
		return states[s]
	}
	return "state " + strconv.Itoa(int(s))
}

// Domains returns the machines that run. It asks the daemon once, when the loop begins; no QEMU needs to answer. If the
// call fails, the loop yields its error and ends.
func (c *Conn) Domains(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		var stats libvirt.StatsResult
		args := libvirt.StatsArgs{Stats: libvirt.StatsState, Flags: libvirt.StatsActive}
		if err := c.ask(ctx, libvirt.AllDomainStats, &args, &stats); err != nil {
			yield(Info{}, because("qmplibvirt: list machines", err))
			return
		}
		for _, r := range stats.Records {
			info := Info{Name: r.Domain.Name, UUID: r.Domain.UUID.String(), ID: int(r.Domain.ID)}
			for _, p := range r.Params {
				if p.Name == "state.state" {
					info.State = State(p.Int)
				}
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

// ping asks the daemon for a sign of life when it has been silent, and ends the connection if none comes.
func (c *Conn) ping() {
	tick := time.NewTicker(c.options.KeepAlive)
	defer tick.Stop()
	for missed := 0; ; {
		select {
		case <-c.done:
			return
		case <-tick.C:
		}
		switch {
		case c.heard.Swap(false):
			missed = 0
		case missed == c.options.KeepAliveCount:
			c.end(errSilent)
			return
		default:
			missed++
			c.signal(libvirt.Ping)
		}
	}
}

// read reads replies and events, in order. It never waits for a consumer.
func (c *Conn) read() {
	err, returned := error(nil), false
	defer func() {
		if !returned { // a function of the program panicked, or ended this goroutine
			err = c.callbackError(recover())
		}
		c.end(err)
	}()
	in := bufio.NewReader(c.conn)
	var packet []byte
	for err == nil {
		if packet, err = libvirt.ReadPacket(in, packet); err != nil {
			err = whyEnded(err)
			break
		}
		c.heard.Store(true)
		var kept bool
		if kept, err = c.receive(packet); kept || cap(packet) > largePacket {
			packet = nil
		}
	}
	returned = true
}
