// Package qmptls connects to QMP servers over TLS, such as a QEMU whose monitor is a socket with
// tls-creds.
//
//	c, err := qmptls.Dial(ctx, "host1.example:4444", &tls.Config{RootCAs: pool}, nil)
//
// It is not part of package qmp because crypto/tls adds a megabyte to each program that links it.
package qmptls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
)

// Dial connects to a QMP server at a TCP address, "host:port", performs the TLS handshake and makes a client of
// the connection, as [qmp.NewClient] does. It gives up when ctx ends. The server's certificate must have the
// name of the host, unless config has another ServerName. If QEMU asks for a client certificate
// (verify-peer=on), put it into config.
//
// Descriptors cannot be sent over TLS. Each reply wakes a goroutine, so a command takes longer than on a
// plain socket.
func Dial(ctx context.Context, address string, config *tls.Config, opts *qmp.Options) (*qmp.Client, error) {
	dialer := tls.Dialer{Config: config}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, failed(address, err)
	}
	c, err := qmp.NewClient(ctx, pushing{conn}, opts)
	if err != nil {
		return nil, failed(address, err)
	}
	return c, nil
}

// NewClient performs the TLS handshake on a connection of any kind and makes a client of it, as
// [qmp.NewClient] does. It gives up when ctx ends. config must have a ServerName or InsecureSkipVerify.
// NewClient clears the deadlines of the connection, and closes the connection if it fails.
func NewClient(ctx context.Context, conn net.Conn, config *tls.Config, opts *qmp.Options) (*qmp.Client, error) {
	if config == nil || config.ServerName == "" && !config.InsecureSkipVerify {
		_ = conn.Close()
		return nil, errors.New("qmptls: config has no ServerName to verify the certificate against")
	}
	secured := tls.Client(conn, config)
	agreed := false
	defer func() {
		if !agreed { // also if a function of config panics
			_ = conn.Close()
		}
	}()
	_ = conn.SetDeadline(time.Time{}) // as qmp.NewClient does: ctx is the limit
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, failed("", err)
	}
	agreed = true
	return qmp.NewClient(ctx, pushing{secured}, opts)
}

// A pushing connection sends a blank, in its own TLS record, after each write. QEMU 7.2 takes a
// monitor's bytes one by one whenever the socket has something to read, and does not see that the
// record has more bytes: without a record behind it, the last record waits forever. Between
// messages a blank means nothing.
type pushing struct{ net.Conn }

func (p pushing) Write(b []byte) (int, error) {
	n, err := p.Conn.Write(b)
	if err == nil {
		_, err = p.Conn.Write([]byte{' '})
	}
	return n, err
}

// failed makes the error of dialing address, or of agreeing on TLS if that is empty.
func failed(address string, err error) error {
	text := strings.TrimPrefix(err.Error(), "qmp: ")
	op, named := errors.AsType[*net.OpError](err)
	if address != "" && !(named && op.Op == "dial") {
		text = "dial " + address + ": " + text
	}
	if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		text += fmt.Sprintf(": the server does not speak TLS: it has sent %q", plain.RecordHeader[:])
		if string(plain.RecordHeader[:]) == `{"QMP` {
			text += " (this is a QMP monitor without tls-creds: use qmp.Dial)"
		}
	}
	return &dialError{"qmptls: " + text, err}
}

// A dialError says what package it comes from, and where the server is.
type dialError struct {
	text string
	err  error
}

func (e *dialError) Error() string { return e.text }
func (e *dialError) Unwrap() error { return e.err }
