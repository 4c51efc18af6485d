package address

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

// The sockets of libvirt's daemons on this host, in the order in which they are tried. The second one is that of a host
// with a daemon for each driver.
var libvirtSockets = []string{"/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock"}

// libvirtPort is the port of a daemon that listens without TLS.
const libvirtPort = "16509"

// A Server is a connection to a QEMU: a *qmp.Client or a *Machine.
type Server interface {
	qmp.Conn
	EventsFunc(match func(qmp.RawEvent) bool, names ...string) qmp.EventStream
	Version() qmp.Version
	Done() <-chan struct{}
	Err() error
	Close() error
}

// A Machine is a connection to a machine of a libvirt daemon.
type Machine struct {
	*qmplibvirt.Domain
	daemon  *qmplibvirt.Conn
	version qmp.Version
}

// Version returns the version of the machine's QEMU.
func (m *Machine) Version() qmp.Version { return m.version }

// Close ends the connection to the daemon. The machine runs on.
func (m *Machine) Close() error { return m.daemon.Close() }

// AllowUntracked returns the same connection for commands that libvirt does not notice; see [qmplibvirt.ErrUntracked].
func (m *Machine) AllowUntracked() *Machine {
	return &Machine{m.Domain.AllowUntracked(), m.daemon, m.version}
}

// A GuestOfMachine is a connection to the guest agent of a machine of a libvirt daemon.
type GuestOfMachine struct {
	*qmplibvirt.Guest
	machine *Machine
}

// Done returns a channel that is closed when the machine has stopped, or the connection has ended.
func (g *GuestOfMachine) Done() <-chan struct{} { return g.machine.Done() }

// Close ends the connection to the daemon.
func (g *GuestOfMachine) Close() error { return g.machine.Close() }

// Guest is a connection to a guest agent: a *qmp.GuestClient or a *GuestOfMachine.
type Guest interface {
	qmp.Executor
	Done() <-chan struct{}
	Close() error
}

// isLibvirt cuts libvirt: from an address.
func isLibvirt(address string) (rest string, ok bool) { return strings.CutPrefix(address, "libvirt:") }

// splitLibvirt splits what is behind libvirt: into the daemon and the name of the machine, which has no slash. daemon is
// empty for that of this host.
func splitLibvirt(rest string) (daemon, machine string) {
	i := strings.LastIndexByte(rest, '/')
	return rest[:max(i, 0)], rest[i+1:]
}

// MachineName returns the name of the machine if an address is one of libvirt.
func MachineName(address string) (name string, ok bool) {
	rest, ok := isLibvirt(address)
	_, name = splitLibvirt(rest)
	return name, ok
}

// DialDaemon connects to a libvirt daemon: "" for that of this host, the path of a socket, a host with or without a port, or
// tls: and such a host. The name of a user and @ can come before it; see [NeedsPassword].
func DialDaemon(ctx context.Context, daemon string, opts *qmplibvirt.Options) (c *qmplibvirt.Conn, err error) {
	defer func() { forget(daemon, err) }()
	opts, rest := withLogin(daemon, opts)
	if rest != "" {
		return dialDaemon(ctx, rest, opts)
	}
	for _, socket := range libvirtSockets {
		if c, err = dialDaemon(ctx, socket, opts); !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
	}
	return nil, err
}

func dialDaemon(ctx context.Context, daemon string, opts *qmplibvirt.Options) (*qmplibvirt.Conn, error) {
	if strings.HasPrefix(daemon, "/") {
		return qmplibvirt.Dial(ctx, daemon, opts)
	}
	if host, ok := strings.CutPrefix(daemon, "tls:"); ok {
		conn, err := dialTLS(ctx, host)
		if err != nil {
			return nil, err
		}
		return qmplibvirt.NewConn(ctx, conn, opts)
	}
	if _, _, err := net.SplitHostPort(daemon); err != nil {
		daemon = net.JoinHostPort(strings.Trim(daemon, "[]"), libvirtPort)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", daemon)
	if err != nil {
		return nil, err
	}
	return qmplibvirt.NewConn(ctx, conn, opts)
}

// dialMachine connects to the machine of an address without libvirt:.
func dialMachine(ctx context.Context, rest string, opts *qmp.Options) (*Machine, error) {
	daemon, name := splitLibvirt(rest)
	if name == "" {
		return nil, errors.New("libvirt:" + rest + ": the name of the machine is missing")
	}
	var options qmplibvirt.Options
	if opts != nil {
		options.EventQueue = opts.EventQueue
	}
	c, err := DialDaemon(ctx, daemon, &options)
	if err != nil {
		return nil, err
	}
	domain, err := c.Domain(ctx, name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, qmplibvirt.ErrStopped) {
			err = &plainError{"no machine with the name " + name + " runs there; " + running(ctx, c), err}
		}
		c.Close()
		return nil, err
	}
	return &Machine{Domain: domain, daemon: c}, nil
}

// running says which machines run.
func running(ctx context.Context, c *qmplibvirt.Conn) string {
	const most = 8
	var names []string
	for info, err := range c.Domains(ctx) {
		if err != nil {
			return "its machines cannot be listed: " + err.Error()
		}
		names = append(names, info.Name)
	}
	slices.Sort(names)
	switch n := len(names); {
	case n == 0:
		return "no machine runs"
	case n > most:
		return fmt.Sprintf("%s and %d others run", strings.Join(names[:most], ", "), n-most)
	}
	return "running: " + strings.Join(names, ", ")
}

// askVersion asks the machine's QEMU for its version, which is in the greeting of a monitor.
func (m *Machine) askVersion(ctx context.Context) error {
	answer, err := qmp.Raw{Command: "query-version"}.Do(ctx, m)
	if err != nil {
		return err
	}
	var version struct {
		QEMU    struct{ Major, Minor, Micro int }
		Package string
	}
	if err := json.Unmarshal(answer, &version); err != nil {
		return fmt.Errorf("query-version: %w", err)
	}
	m.version = qmp.Version{Major: version.QEMU.Major, Minor: version.QEMU.Minor, Micro: version.QEMU.Micro, Package: version.Package}
	return nil
}

// MachinesOf completes an address of a machine: it returns the addresses of all machines that run on the daemon of a
// prefix such as "libvirt:host1/w", sorted, and their states.
func MachinesOf(ctx context.Context, prefix string) (addresses, states []string, err error) {
	rest, ok := isLibvirt(prefix)
	if !ok {
		return nil, nil, nil
	}
	daemon, name := splitLibvirt(rest)
	c, err := DialDaemon(ctx, daemon, nil)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	var infos []qmplibvirt.Info
	for info, err := range c.Domains(ctx) {
		if err != nil {
			return nil, nil, err
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b qmplibvirt.Info) int { return strings.Compare(a.Name, b.Name) })
	for _, info := range infos {
		addresses = append(addresses, strings.TrimSuffix(prefix, name)+info.Name)
		states = append(states, info.State.String())
	}
	return addresses, states, nil
}

// libvirtAdvice is Advice for a machine of a libvirt daemon.
func libvirtAdvice(program, address string, err error) string {
	rest, _ := isLibvirt(address)
	daemon, name := splitLibvirt(rest)
	_, answered := errors.AsType[*qmplibvirt.Error](err)
	switch {
	case errors.Is(err, qmplibvirt.ErrStopped), answered && errors.Is(err, fs.ErrNotExist):
		return "" // the error says it
	case errors.Is(err, os.ErrPermission) && strings.Contains(daemon, "@"):
		return "the name or the password is wrong, or polkit forbids it"
	case errors.Is(err, os.ErrPermission):
		return "run " + program + " as root or as a member of the group libvirt"
	case errors.Is(err, fs.ErrNotExist) && daemon == "":
		return "no libvirt daemon runs on this host; write libvirt:SOCKET/NAME or libvirt:HOST/NAME for another one"
	case errors.Is(err, errors.ErrUnsupported) && !strings.Contains(daemon, "@"):
		return "if the daemon asks for SASL, write the name of a user: libvirt:USER@" + daemon + "/" + name
	case IsDial(err):
		return "check that a libvirt daemon listens there; on a host, it needs listen_tcp or listen_tls of libvirtd.conf"
	}
	return ""
}
