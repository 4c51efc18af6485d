package address

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt/sasl"
)

// PasswordFile is the variable of the environment that names the file with the password for daemons of libvirt that ask for a
// login. A variable with the password itself would be inherited by every program that is started, and a flag would be in the
// list of processes.
const PasswordFile = "QMPKIT_PASSWORD_FILE"

// passwords has the passwords of SetPassword, by the daemon with the user's name.
var passwords sync.Map

// splitUser splits a daemon into the user's name before its last @, if it has one, and the rest. The name of a user can
// have an @; a host has none, and in the path of a socket it comes after a slash.
func splitUser(daemon string) (user, rest string) {
	host, _, _ := strings.Cut(daemon, "/")
	at := strings.LastIndexByte(host, '@')
	return daemon[:max(at, 0)], daemon[at+1:]
}

// NeedsPassword reports whether Dial needs a password for an address of a libvirt daemon that it cannot know: the address has
// the name of a user, the environment has no file, and nobody has called SetPassword. login is for the question to the user,
// and for SetPassword: "alice@host1".
func NeedsPassword(address string) (login string, ok bool) {
	rest, ok := isLibvirt(strings.TrimPrefix(address, "agent:"))
	if !ok {
		return "", false
	}
	daemon, _ := splitLibvirt(rest)
	user, _ := splitUser(daemon)
	_, known := passwords.Load(daemon)
	return daemon, user != "" && !known && os.Getenv(PasswordFile) == ""
}

// SetPassword tells the password of a login to later calls of Dial, until a daemon has refused it.
func SetPassword(login, password string) { passwords.Store(login, password) }

// withLogin returns the options with the login of a daemon that has a user, and the rest of the daemon.
func withLogin(daemon string, opts *qmplibvirt.Options) (*qmplibvirt.Options, string) {
	user, rest := splitUser(daemon)
	if user == "" {
		return opts, rest
	}
	var all qmplibvirt.Options
	if opts != nil {
		all = *opts
	}
	all.SASL = &sasl.Login{Username: user, Password: func(context.Context) (string, error) { return passwordOf(daemon) }}
	return &all, rest
}

func passwordOf(login string) (string, error) {
	if known, ok := passwords.Load(login); ok {
		return known.(string), nil
	}
	name := os.Getenv(PasswordFile)
	if name == "" {
		return "", fmt.Errorf("no password for %s: write it to a file, and the file's name to %s", login, PasswordFile)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", PasswordFile, err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// forget forgets the password of a login that a daemon has refused.
func forget(login string, err error) {
	if errors.Is(err, os.ErrPermission) {
		passwords.Delete(login)
	}
}

// tlsPort is the port of a daemon that listens with TLS.
const tlsPort = "16514"

// dialTLS connects to a daemon by TLS. NewConn performs the handshake.
func dialTLS(ctx context.Context, host string) (net.Conn, error) {
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), tlsPort)
	}
	name, _, _ := net.SplitHostPort(host)
	config, err := tlsConfig(name)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	return tls.Client(conn, config), nil
}

// tlsConfig takes certificates from where libvirt's own programs do: a folder of the user, or /etc/pki. Without an
// authority there, the authorities of the system count. Without a certificate, the daemon decides.
func tlsConfig(host string) (*tls.Config, error) {
	config := &tls.Config{ServerName: host}
	own := "/none"
	if home, err := os.UserHomeDir(); err == nil {
		own = filepath.Join(home, ".pki", "libvirt")
	}
	authority := existing(filepath.Join(own, "cacert.pem"), "/etc/pki/CA/cacert.pem")
	certificate := existing(filepath.Join(own, "clientcert.pem"), "/etc/pki/libvirt/clientcert.pem")
	key := existing(filepath.Join(own, "clientkey.pem"), "/etc/pki/libvirt/private/clientkey.pem")
	if authority != "" {
		text, err := os.ReadFile(authority)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: no certificate", authority)
		}
	}
	if certificate != "" && key != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", certificate, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// existing returns the first of files that exist, or "".
func existing(files ...string) string {
	for _, name := range files {
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	return ""
}
