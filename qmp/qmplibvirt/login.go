package qmplibvirt

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/internal/libvirt"
)

// A SASL logs in to daemons that ask for SASL. Package sasl has one. It is not part of this package because cryptography
// makes programs larger.
type SASL interface {
	// Begin chooses one of the mechanisms that the daemon offers and begins a login. private reports that nobody else can
	// read the connection: it is a UNIX socket that is not forwarded, or has TLS. The mechanism must not negotiate a
	// security layer: the Conn does not encrypt. SCRAM and PLAIN do not.
	Begin(ctx context.Context, offered []string, private bool) (mechanism string, login SASLLogin, err error)
}

// A SASLLogin is one login.
type SASLLogin interface {
	// Next returns the answer to what the daemon has said; at first, that is nil. For SASL, nil and no bytes differ. done
	// reports that the login needs nothing more: the daemon has proved what the mechanism makes it prove.
	Next(challenge []byte) (answer []byte, done bool, err error)
}

// login logs in by the first way that the daemon lists, as libvirt's own client does.
func (c *Conn) login(ctx context.Context, ways []libvirt.IntBody) error {
	if len(ways) == 0 {
		return nil
	}
	switch way := ways[0].Value; way {
	case libvirt.AuthNone:
		return nil
	case libvirt.AuthIsPolkit:
		err := c.ask(ctx, libvirt.AuthPolkit, nil, &libvirt.IntBody{})
		switch {
		case errors.Is(err, os.ErrPermission):
			return because("polkit refused the action org.libvirt.unix.manage", err)
		case err != nil:
			return because("polkit", err)
		}
		return nil
	case libvirt.AuthSASL:
		if err := c.loginBySASL(ctx); err != nil {
			return because("SASL", err)
		}
		return nil
	default:
		return &wrappedError{"the daemon asks for an unknown login, number " + strconv.Itoa(int(way)), errors.ErrUnsupported}
	}
}

var (
	errEarly = errors.New("the daemon ended the login before it was complete")
	errLate  = errors.New("the daemon goes on with a login that is complete")
)

// loginBySASL logs in with Options.SASL. The login is complete when both sides say so.
func (c *Conn) loginBySASL(ctx context.Context) error {
	var offered libvirt.StringBody
	if err := c.ask(ctx, libvirt.AuthSASLInit, nil, &offered); err != nil {
		return err
	}
	if c.options.SASL == nil {
		return &wrappedError{"the daemon asks for a login (" + offered.Value + "), and Options.SASL is nil", errors.ErrUnsupported}
	}
	separates := func(r rune) bool { return r == ',' || r == ' ' }
	mechanism, login, err := c.options.SASL.Begin(ctx, strings.FieldsFunc(offered.Value, separates), c.private())
	if err != nil {
		return err
	}
	said, done, err := login.Next(nil)
	if err != nil {
		return err
	}
	var result libvirt.SASLResult
	args := libvirt.SASLStartArgs{Mechanism: mechanism, Data: libvirt.NewSASLData(said)}
	err = c.ask(ctx, libvirt.AuthSASLStart, &args, &result)
	for err == nil {
		complete := result.Complete != 0
		switch {
		case complete && done:
			return nil
		case done:
			return errLate
		case complete && result.Data.IsNil != 0:
			return errEarly
		}
		if said, done, err = login.Next(result.Data.Bytes()); err != nil {
			return err
		}
		switch {
		case complete && done:
			return nil
		case complete:
			return errEarly
		}
		data := libvirt.NewSASLData(said)
		result = libvirt.SASLResult{}
		err = c.ask(ctx, libvirt.AuthSASLStep, &data, &result)
	}
	return err
}

// private reports whether nobody else can read the connection. Of a forwarded socket, that is not known.
func (c *Conn) private() bool {
	if _, local := c.conn.(*net.UnixConn); local {
		return !c.options.Forwarded
	}
	_, secured := c.conn.(handshaker)
	return secured
}
