package qmptls_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptls"
)

// An authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = a.make(template)
	return a
}

// make makes a certificate, signed by the authority if there is one.
func (a *authority) make(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(a.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return cert, key
}

// server makes a server's certificate.
func (a *authority) server() (*x509.Certificate, *ecdsa.PrivateKey) {
	return a.make(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "qemu.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"qemu.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	})
}

// trust is a configuration that trusts the authority.
func (a *authority) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool}
}

func write(t *testing.T, dir, name, kind string, der []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
}

func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestQEMU talks to the monitor of a real QEMU.
func TestQEMU(t *testing.T) {
	qemutest.Run(t, []string{"7.2", "10.0", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		a := newAuthority(t)
		dir := t.TempDir()
		cert, key := a.server()
		der, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		write(t, dir, "ca-cert.pem", "CERTIFICATE", a.cert.Raw)
		write(t, dir, "server-cert.pem", "CERTIFICATE", cert.Raw)
		write(t, dir, "server-key.pem", "PRIVATE KEY", der)

		// QEMU takes a port that is free and does not tell which: it is asked.
		vm := q.Start(t, qemutest.Config{Args: []string{
			"-object", "tls-creds-x509,id=tls0,endpoint=server,verify-peer=off,dir=" + dir,
			"-chardev", "socket,id=tlsmon,host=127.0.0.1,port=0,server=on,wait=off,tls-creds=tls0",
			"-mon", "chardev=tlsmon,mode=control",
		}})
		address := "127.0.0.1:" + port(t, vm.Dial(t))
		c, err := qmptls.Dial(limit(t), address, a.trust(), nil)
		require.NoError(t, err)
		defer c.Close()
		status, err := qemu.QueryStatus{}.Do(limit(t), c)
		require.NoError(t, err)
		require.NotEmpty(t, status.Status)
		schema, err := qemu.QueryQMPSchema{}.Do(limit(t), c)
		require.NoError(t, err)
		require.Greater(t, len(schema), 500, "a reply of several TLS records")
		require.ErrorIs(t, qemu.GetFD{FDName: "x"}.Do(limit(t), c, qmp.WithFile(os.Stdin)), errors.ErrUnsupported)
		require.NoError(t, c.Close())

		_, err = qmptls.Dial(limit(t), address, newAuthority(t).trust(), nil)
		var unknown x509.UnknownAuthorityError
		require.ErrorAs(t, err, &unknown)
	})
}

// port finds where QEMU's monitor listens.
func port(t *testing.T, c *qmp.Client) string {
	t.Helper()
	chardevs, err := qemu.QueryChardev{}.Do(limit(t), c)
	require.NoError(t, err)
	for _, d := range chardevs {
		if d.Label != "tlsmon" {
			continue
		}
		// disconnected:tcp:127.0.0.1:40123,server=on
		address, _, _ := strings.Cut(d.Filename, ",")
		_, port, err := net.SplitHostPort(address[len("disconnected:tcp:"):])
		require.NoError(t, err, d.Filename)
		_, err = strconv.Atoi(port)
		require.NoError(t, err, d.Filename)
		return port
	}
	t.Fatal("there is no monitor tlsmon")
	return ""
}

func TestErrors(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	_, err := qmptls.NewClient(limit(t), client, nil, nil)
	require.ErrorContains(t, err, "qmptls: config has no ServerName")
	_, err = server.Write([]byte("x"))
	require.Error(t, err, "the connection is closed")

	client, server = net.Pipe()
	go func() { _, _ = server.Read(make([]byte, 1)); _ = server.Close() }()
	_, err = qmptls.NewClient(limit(t), client, &tls.Config{ServerName: "qemu.example"}, nil)
	require.ErrorContains(t, err, "qmptls: ")

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	client, server = net.Pipe()
	defer server.Close()
	_, err = qmptls.NewClient(ctx, client, &tls.Config{ServerName: "qemu.example"}, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, err = qmptls.Dial(limit(t), l.Addr().String(), &tls.Config{}, nil)
	require.ErrorContains(t, err, "qmptls: ")
}

// TestErrorsNameTheServer: a server without TLS, and a TLS server that is not a QMP server.
func TestErrorsNameTheServer(t *testing.T) {
	for sent, want := range map[string]string{
		`{"QMP": {"version": {}, "capabilities": []}}`: `: the server does not speak TLS: it has sent "{\"QMP" (this is a QMP monitor without tls-creds: use qmp.Dial)`,
		"HTTP/1.1 400 Bad Request\r\n\r\n":             `: the server does not speak TLS: it has sent "HTTP/"`,
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		go func() {
			if conn, err := l.Accept(); err == nil {
				_, _ = conn.Write([]byte(sent))
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			}
		}()
		_, err = qmptls.Dial(limit(t), l.Addr().String(), &tls.Config{}, nil)
		require.ErrorContains(t, err, "qmptls: dial "+l.Addr().String()+": ")
		require.ErrorContains(t, err, want)
		require.NoError(t, l.Close())
	}

	a := newAuthority(t)
	cert, key := a.server()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}})
	require.NoError(t, err)
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = conn.Write([]byte("QEMU 10.0.2 monitor - type 'help' for more information\r\n"))
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}()
	config := a.trust()
	config.InsecureSkipVerify = true
	_, err = qmptls.Dial(limit(t), l.Addr().String(), config, nil)
	require.ErrorContains(t, err, "qmptls: dial "+l.Addr().String()+": no greeting: this is QEMU's human monitor")
}

type badCache struct{ tls.ClientSessionCache }

func (badCache) Get(string) (*tls.ClientSessionState, bool) { panic("no cache") }

// TestConfigThatPanics: the connection is closed, and the panic reaches the caller.
func TestConfigThatPanics(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	config := &tls.Config{ServerName: "qemu.example", ClientSessionCache: badCache{}}
	require.PanicsWithValue(t, "no cache", func() { _, _ = qmptls.NewClient(limit(t), client, config, nil) })
	_, err := client.Write([]byte("x"))
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

// TestAnyConnection makes a client of a connection in memory.
func TestAnyConnection(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.server()
	client, server := net.Pipe()
	go func() {
		s := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}})
		_, _ = s.Write([]byte(`{"QMP": {"version": {}, "capabilities": []}}`))
		_, _ = s.Read(make([]byte, 100))
		_, _ = s.Write([]byte(`{"return": {}, "id": 0}`))
		_ = s.Close()
	}()
	config := a.trust()
	config.ServerName = "qemu.example"
	require.NoError(t, client.SetDeadline(time.Unix(1, 0)), "which has no meaning any more")
	c, err := qmptls.NewClient(limit(t), client, config, nil)
	require.NoError(t, err)
	<-c.Done()
	require.NoError(t, c.Close())
}
