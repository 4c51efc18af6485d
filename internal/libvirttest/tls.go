package libvirttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A pki is an authority with a certificate for the daemon and one for clients.
type pki struct {
	files  map[string][]byte // by name, for the daemon
	pool   *x509.CertPool
	client tls.Certificate
}

func newPKI() (*pki, error) {
	p := &pki{files: map[string][]byte{}, pool: x509.NewCertPool()}
	authority, authorityKey, err := issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	if err != nil {
		return nil, err
	}
	p.pool.AddCert(authority)
	p.files["ca.pem"] = block("CERTIFICATE", authority.Raw)
	for _, name := range []string{"server", "client"} {
		leaf, key, err := issue(&x509.Certificate{
			Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, BasicConstraintsValid: true,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
			DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}, authority, authorityKey)
		if err != nil {
			return nil, err
		}
		if name == "client" {
			p.client = tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
			continue
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		p.files["server.pem"], p.files["server-key.pem"] = block("CERTIFICATE", leaf.Raw), block("PRIVATE KEY", der)
	}
	return p, nil
}

// issue makes a key and a certificate, signed by an authority or, without one, by itself.
func issue(template, authority *x509.Certificate, authorityKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	if authority == nil {
		authority, authorityKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, &key.PublicKey, authorityKey)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func (p *pki) write(dir string) error {
	for name, content := range p.files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// WriteClientPKI writes the certificates and the key of a client into a folder, with the names that libvirt's programs expect
// in ~/.pki/libvirt.
func (d *Daemon) WriteClientPKI(dir string) error {
	key, err := x509.MarshalPKCS8PrivateKey(d.pki.client.PrivateKey)
	if err != nil {
		return err
	}
	client := pki{files: map[string][]byte{
		"cacert.pem":     d.pki.files["ca.pem"],
		"clientcert.pem": block("CERTIFICATE", d.pki.client.Certificate[0]),
		"clientkey.pem":  block("PRIVATE KEY", key),
	}}
	return client.write(dir)
}

// TLS returns the host and the port of Config.TLS, and a client's configuration with a certificate that the daemon takes.
func (d *Daemon) TLS() (address string, config *tls.Config) {
	return "127.0.0.1:" + strconv.Itoa(d.ports.tls), &tls.Config{
		RootCAs: d.pki.pool, Certificates: []tls.Certificate{d.pki.client}, ServerName: "127.0.0.1",
	}
}
