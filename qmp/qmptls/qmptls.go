// Package qmptls connects to QMP servers over TLS: a QEMU whose monitor is a socket with
// tls-creds. It is apart from package qmp because crypto/tls adds a megabyte to each program that
// links it.
//
//	c, err := qmptls.Dial(ctx, "host1.example:4444", &tls.Config{RootCAs: pool}, nil)
package qmptls

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/qmpkit/qmpkit/qmp"
)

// Dial connects to a QMP server at a TCP address, "host:port", agrees with it on TLS, and makes a
// client of the connection, as [qmp.NewClient] does; all until ctx ends. The server's name, which
// its certificate must have, is the host's unless config says another one. QEMU can ask for a
// certificate of the client's (verify-peer=on), which is in config then.
//
// Descriptors cannot be sent over TLS. Each reply wakes a goroutine, other than on a plain socket.
func Dial(ctx context.Context, address string, config *tls.Config, opts *qmp.Options) (*qmp.Client, error) {
	dialer := tls.Dialer{Config: config}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, failed(err)
	}
	return qmp.NewClient(ctx, pushing{conn}, opts)
}

// NewClient agrees on TLS over a connection of any kind, and makes a client of it, as
// [qmp.NewClient] does. Config must have the server's name, or say that it is not verified. The
// connection is closed when NewClient fails.
func NewClient(ctx context.Context, conn net.Conn, config *tls.Config, opts *qmp.Options) (*qmp.Client, error) {
	if config == nil || config.ServerName == "" && !config.InsecureSkipVerify {
		_ = conn.Close()
		return nil, errors.New("qmptls: the configuration has no ServerName, against which the certificate is verified")
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, failed(err)
	}
	return qmp.NewClient(ctx, pushing{secured}, opts)
}

// A pushing connection sends a blank, in a TLS record of its own, behind all that is written. QEMU
// 7.2 takes a monitor's bytes one by one whenever the socket has something to read, and does not
// see that there are more of them in the record that it has taken: without something behind it
// the last record waits for ever. Between messages a blank means nothing.
type pushing struct{ net.Conn }

func (p pushing) Write(b []byte) (int, error) {
	n, err := p.Conn.Write(b)
	if err == nil {
		_, err = p.Conn.Write([]byte{' '})
	}
	return n, err
}

func failed(err error) error { return &dialError{err} }

// A dialError says what package it comes from.
type dialError struct{ err error }

func (e *dialError) Error() string { return "qmptls: " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }
