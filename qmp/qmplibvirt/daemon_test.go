package qmplibvirt_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qmpkit/qmpkit/internal/fdconn"
	"github.com/qmpkit/qmpkit/internal/libvirt"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

// TestMain fails when a goroutine is left over.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is a context for what must not take long.
func limit(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A daemon is a libvirt daemon for one connection. Its fields are set before it serves.
type daemon struct {
	conn net.Conn
	out  fdconn.Conn

	auth     []libvirt.IntBody
	monitor  func(d *libvirt.Domain, request string, files []*os.File) (reply string, err *libvirt.Error)
	agent    func(args *libvirt.AgentArgs) (reply *string, err *libvirt.Error)
	override func(h libvirt.Header, body []byte) (handled bool) // is asked first
	wire     func(packet []byte) [][]byte                       // what is written for a packet; nil: the packet

	mu       sync.Mutex
	domains  map[string]*libvirt.Domain
	callback int32
	calls    []libvirt.Header // that came
	all      int32            // the registration for all domains, 0 for none
	own      map[libvirt.UUID]int32
	pongs    int

	write   sync.Mutex
	working sync.WaitGroup
}

// newDaemon makes a daemon with a machine, web1.
func newDaemon(t testing.TB) (d *daemon, client net.Conn) {
	server, client := net.Pipe()
	return daemonOn(t, server), client
}

// newUNIXDaemon is newDaemon on sockets on which descriptors pass.
func newUNIXDaemon(t testing.TB) (d *daemon, client net.Conn) {
	t.Helper()
	a, b, err := fdconn.Pair()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("no descriptors pass on this platform")
	}
	require.NoError(t, err)
	defer a.Close()
	defer b.Close()
	server, err := net.FileConn(a)
	require.NoError(t, err)
	client, err = net.FileConn(b)
	require.NoError(t, err)
	return daemonOn(t, server), client
}

func daemonOn(t testing.TB, server net.Conn) *daemon {
	d := &daemon{
		conn: server, out: fdconn.New(server), own: map[libvirt.UUID]int32{},
		domains: map[string]*libvirt.Domain{"web1": {Name: "web1", UUID: libvirt.UUID{1}, ID: 7}},
		monitor: func(*libvirt.Domain, string, []*os.File) (string, *libvirt.Error) { return `{"return":{}}` + "\n", nil },
	}
	t.Cleanup(func() { _ = server.Close(); d.working.Wait() })
	return d
}

// serve answers until the connection ends. Calls run side by side.
func (d *daemon) serve() {
	d.working.Go(func() {
		defer d.conn.Close()
		in := &filesReader{from: d.out}
		for {
			packet, err := libvirt.ReadPacket(in, nil)
			if err != nil {
				return
			}
			h, body, n, err := libvirt.ParsePacket(packet)
			if err != nil {
				return
			}
			files := in.take(n)
			d.mu.Lock()
			d.calls = append(d.calls, h)
			d.mu.Unlock()
			d.working.Go(func() { d.handle(h, body, files) })
		}
	})
}

// A filesReader reads bytes, and keeps the descriptors that come with them.
type filesReader struct {
	from  fdconn.Conn
	files []*os.File
}

func (r *filesReader) Read(b []byte) (int, error) {
	n, files, err := r.from.Read(b)
	r.files = append(r.files, files...)
	return n, err
}

// take reads the bytes behind a packet, each with a descriptor.
func (r *filesReader) take(n int) []*os.File {
	_, _ = io.ReadFull(r, make([]byte, n)) // an error comes again
	files := r.files
	r.files = nil
	return files
}

func (d *daemon) handle(h libvirt.Header, body []byte, files []*os.File) {
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	d.mu.Lock()
	override := d.override
	d.mu.Unlock()
	if override != nil && override(h, body) {
		return
	}
	result, failure := d.answer(h, body, files)
	if h.Program != libvirt.KeepAlive {
		d.reply(h, result, failure)
	}
	if h.Procedure == libvirt.ConnectClose {
		_ = d.conn.Close()
	}
}

// reply answers a call.
func (d *daemon) reply(h libvirt.Header, result libvirt.Message, failure *libvirt.Error) {
	h.Type = libvirt.Reply
	if failure != nil {
		h.Status, result = libvirt.Failed, failure
	}
	d.send(h, result)
}

func (d *daemon) send(h libvirt.Header, body libvirt.Message) {
	packet, err := libvirt.AppendPacket(nil, h, body, 0)
	if err != nil {
		panic(err)
	}
	d.write.Lock()
	defer d.write.Unlock()
	pieces := [][]byte{packet}
	if d.wire != nil {
		pieces = d.wire(packet)
	}
	for _, piece := range pieces {
		if _, err := d.conn.Write(piece); err != nil {
			return
		}
	}
}

// failure is an error of libvirt.
func failure(code int32, text string) *libvirt.Error {
	return &libvirt.Error{Code: code, Message: &text}
}

func (d *daemon) answer(h libvirt.Header, body []byte, files []*os.File) (libvirt.Message, *libvirt.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch h.Procedure {
	case libvirt.Pong:
		d.pongs++
		return nil, nil
	case libvirt.Ping:
		d.working.Go(func() { d.send(libvirt.Header{Procedure: libvirt.Pong, Type: libvirt.Event}, nil) })
		return nil, nil
	case libvirt.AuthList:
		return &libvirt.AuthListResult{Types: d.auth}, nil
	case libvirt.AuthSASLInit:
		return &libvirt.StringBody{Value: "SCRAM-SHA-256,PLAIN"}, nil
	case libvirt.SupportsFeature:
		return &libvirt.IntBody{Value: 1}, nil
	case libvirt.RegisterLifecycle, libvirt.AuthPolkit:
		return &libvirt.IntBody{Value: 1}, nil
	case libvirt.DomainLookupByName:
		var name libvirt.StringBody
		decode(body, &name)
		return d.found(d.domains[name.Value])
	case libvirt.DomainLookupByUUID:
		var uuid libvirt.UUIDBody
		decode(body, &uuid)
		for _, domain := range d.domains {
			if domain.UUID == uuid.UUID {
				return d.found(domain)
			}
		}
		return d.found(nil)
	case libvirt.AllDomainStats:
		var result libvirt.StatsResult
		for _, domain := range d.domains {
			result.Records = append(result.Records, libvirt.StatsRecord{Domain: *domain, Params: []libvirt.Param{
				{Name: "state.state", Type: libvirt.ParamInt, Int: 3}, {Name: "state.reason", Type: libvirt.ParamInt, Int: 1}}})
		}
		return &result, nil
	case libvirt.RegisterMonitorEvents:
		var args libvirt.RegisterMonitorArgs
		decode(body, &args)
		d.callback++
		if args.Domain == nil {
			d.all = d.callback
		} else {
			d.own[args.Domain.UUID] = d.callback
		}
		return &libvirt.IntBody{Value: d.callback}, nil
	case libvirt.MonitorCommand, libvirt.MonitorCommandWithFiles:
		var args libvirt.CommandArgs
		decode(body, &args)
		d.mu.Unlock()
		defer d.mu.Lock()
		text, failed := d.monitor(&args.Domain, args.Command, files)
		return &libvirt.StringBody{Value: text}, failed
	case libvirt.AgentCommand:
		var args libvirt.AgentArgs
		decode(body, &args)
		d.mu.Unlock()
		defer d.mu.Lock()
		text, failed := d.agent(&args)
		return &libvirt.OptStringBody{Value: text}, failed
	case libvirt.ConnectOpen, libvirt.ConnectClose, libvirt.DeregisterMonitorEvents:
		return nil, nil
	}
	return nil, failure(1, "unknown procedure")
}

func (d *daemon) found(domain *libvirt.Domain) (libvirt.Message, *libvirt.Error) {
	if domain == nil {
		return nil, failure(42, "Domain not found")
	}
	return &libvirt.DomainBody{Domain: *domain}, nil
}

func decode(body []byte, into libvirt.Message) {
	if err := libvirt.Decode(body, into); err != nil {
		panic(err)
	}
}

// event sends an event of a machine, once for each registration.
func (d *daemon) event(domain libvirt.Domain, name string, details *string) {
	d.mu.Lock()
	callbacks := []int32{d.own[domain.UUID], d.all}
	d.mu.Unlock()
	for _, callback := range callbacks {
		if callback != 0 {
			d.send(libvirt.Header{Procedure: libvirt.MonitorEvent, Type: libvirt.Event}, &libvirt.MonitorEventBody{
				Callback: callback, Domain: domain, Event: name, Seconds: 1_700_000_000, Micros: 5, Details: details})
		}
	}
}

// stopped tells that a machine has stopped.
func (d *daemon) stopped(name string, detail int32) {
	d.mu.Lock()
	domain := *d.domains[name]
	d.domains[name].ID = -1
	d.mu.Unlock()
	domain.ID = -1
	d.send(libvirt.Header{Procedure: libvirt.LifecycleEvent, Type: libvirt.Event},
		&libvirt.LifecycleBody{Callback: 1, Domain: domain, Event: 5, Detail: detail})
}

// came counts the calls of a procedure.
func (d *daemon) came(p libvirt.Procedure) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.calls {
		if h.Procedure == p {
			n++
		}
	}
	return n
}

// connect returns a connection to a daemon that serves.
func connect(t testing.TB, d *daemon, client net.Conn, opts *qmplibvirt.Options) *qmplibvirt.Conn {
	t.Helper()
	d.serve()
	c, err := qmplibvirt.NewConn(limit(t), client, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// web1 returns the machine of a new daemon.
func web1(t testing.TB, c *qmplibvirt.Conn) *qmplibvirt.Domain {
	t.Helper()
	vm, err := c.Domain(limit(t), "web1")
	require.NoError(t, err)
	return vm
}

// commandOf returns the name of the command in a request.
func commandOf(request string) string {
	_, rest, _ := strings.Cut(request, `"execute":"`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}
