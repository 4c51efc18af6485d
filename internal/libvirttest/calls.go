package libvirttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/qmpkit/qmpkit/internal/libvirt"
)

// A caller makes calls one after the other. It is not a qmplibvirt.Conn, which is what tests test.
type caller struct {
	conn   net.Conn
	serial uint32
}

// with connects to the daemon, opens its QEMU driver and calls f.
func (d *Daemon) with(ctx context.Context, f func(*caller) error) error {
	conn, err := d.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c := &caller{conn: conn}
	uri := "qemu:///system"
	if err := c.call(libvirt.AuthList, nil, &libvirt.AuthListResult{}); err != nil {
		return err
	}
	if err := c.call(libvirt.ConnectOpen, &libvirt.OpenArgs{URI: &uri}, nil); err != nil {
		return err
	}
	if err := f(c); err != nil {
		return err
	}
	_ = c.call(libvirt.ConnectClose, nil, nil) // otherwise libvirtd logs an error; virt-ssh-helper can end before the reply
	return nil
}

// dial connects as root without a login. polkit is asked about a process, so it must be one of the daemon's namespace.
func (d *Daemon) dial(ctx context.Context) (net.Conn, error) {
	var dialer net.Dialer
	switch {
	case d.cfg.Polkit != "":
		return d.Connect(ctx, "virt-ssh-helper", "qemu:///system")
	case d.cfg.SASL:
		return dialer.DialContext(ctx, "tcp", d.TCP())
	}
	return dialer.DialContext(ctx, "unix", d.Socket())
}

// The parts of libvirt's interface that are used only here.
const (
	startPaused = 1
	noDomain    = 42
)

func (c *caller) create(xml string, paused bool) error {
	args := &libvirt.CreateXMLArgs{XML: xml}
	if paused {
		args.Flags = startPaused
	}
	return c.call(libvirt.DomainCreateXML, args, &libvirt.DomainBody{})
}

func (c *caller) destroy(name string) error {
	var domain libvirt.DomainBody
	if err := c.call(libvirt.DomainLookupByName, &libvirt.StringBody{Value: name}, &domain); err != nil {
		return err
	}
	err := c.call(libvirt.DomainDestroy, &domain, nil)
	if refused, ok := errors.AsType[*refusal](err); ok && refused.reply.Code == noDomain {
		return nil // it ended at this moment
	}
	return err
}

// A refusal is an error of the daemon.
type refusal struct{ reply libvirt.Error }

func (r *refusal) Error() string {
	if r.reply.Message == nil {
		return fmt.Sprintf("error %d", r.reply.Code)
	}
	return fmt.Sprintf("%s (error %d)", *r.reply.Message, r.reply.Code)
}

// call makes a call and waits for its reply. A nil body is empty.
func (c *caller) call(p libvirt.Procedure, args, result libvirt.Message) error {
	c.serial++
	packet, err := libvirt.AppendPacket(nil, libvirt.Header{Procedure: p, Type: libvirt.Call, Serial: c.serial}, args, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	if _, err := c.conn.Write(packet); err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	packet, err = libvirt.ReadPacket(c.conn, nil)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	header, body, _, err := libvirt.ParsePacket(packet)
	switch {
	case err != nil:
	case header.Serial != c.serial || header.Type != libvirt.Reply:
		err = errors.New("daemon sent something else than a reply")
	case header.Status != libvirt.OK:
		refused := new(refusal)
		if err = libvirt.Decode(body, &refused.reply); err == nil {
			err = refused
		}
	case result != nil:
		err = libvirt.Decode(body, result)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	return nil
}
