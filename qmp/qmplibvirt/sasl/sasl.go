// Package sasl logs in to libvirt daemons that ask for SASL, by the name and the password of a user.
//
//	opts := &qmplibvirt.Options{SASL: sasl.Password("alice", password)}
//	conn, err := qmplibvirt.Dial(ctx, "/run/libvirt/libvirt-sock", opts)
//
// # Mechanisms
//
// A [Login] takes the first of these mechanisms that the daemon offers:
//
//   - SCRAM-SHA-512, SCRAM-SHA-256 and SCRAM-SHA-1. The daemon does not get the password, and it must prove that it knows
//     the account: otherwise the error matches [ErrServer].
//   - PLAIN, which sends the password. It is used only if nobody else can read the connection: on a UNIX socket, over TLS,
//     or if the program says so ([Login.Encrypted]).
//
// There is no channel binding: libvirt does not offer it. On TCP without TLS, libvirt offers only mechanisms that encrypt,
// such as GSSAPI, which this package does not have. Over TLS, the daemon also wants a client certificate, unless its
// configuration says otherwise (tls_no_verify_certificate).
//
// # Passwords
//
// No error and no log contains a password. Names and passwords are sent as they are: if they have characters beyond ASCII,
// write them in the normal form NFKC.
//
// The package is separate from qmplibvirt because cryptography makes a program 0.3 MB larger.
package sasl

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

// A Login logs in as a user. Several connections can use it at once.
type Login struct {
	// Username is the name of the account. If saslpasswd2 made the account with a realm (-u), the name is "alice@REALM".
	Username string

	// Password returns the password. Each login calls it once, with the context of the function that connects.
	Password func(ctx context.Context) (string, error)

	// Encrypted says that nobody else can read the connection, though it is neither a UNIX socket nor a connection of TLS:
	// a stream through SSH, for example, or a socket that ssh forwards. It permits PLAIN.
	Encrypted bool
}

var _ qmplibvirt.SASL = (*Login)(nil)

// Password returns a Login with a password that the program knows already.
func Password(username, password string) *Login {
	return &Login{Username: username, Password: func(context.Context) (string, error) { return password, nil }}
}

// ErrServer means that the daemon did not prove that it knows the account: it is not the daemon that it pretends to be, or it
// has broken the protocol of SCRAM. It did not get the password.
var ErrServer = errors.New("sasl: the daemon did not prove that it knows the account")

var (
	errNoPassword = errors.New("sasl: Login.Password is nil")
	errName       = errors.New("sasl: the user's name is empty, is not UTF-8 or has a zero byte")
	errPassword   = errors.New("sasl: the password is empty, is not UTF-8 or has a zero byte")
)

const plain = "PLAIN"

// Begin begins a login; see [qmplibvirt.SASL]. If the daemon offers no mechanism that this package can use, the error matches
// [errors.ErrUnsupported]. If the daemon refuses the login, the error of the function that connects matches
// [os.ErrPermission].
func (l *Login) Begin(ctx context.Context, offered []string, private bool) (string, qmplibvirt.SASLLogin, error) {
	mechanism, hash := "", (*hashing)(nil)
	for i := range hashings {
		if slices.Contains(offered, hashings[i].mechanism) {
			mechanism, hash = hashings[i].mechanism, &hashings[i]
			break
		}
	}
	if hash == nil {
		switch {
		case !slices.Contains(offered, plain):
			return "", nil, unsupported("sasl: the daemon offers " + list(offered) + "; a login with a password needs SCRAM or PLAIN")
		case !private && !l.Encrypted:
			return "", nil, unsupported("sasl: the daemon offers only PLAIN, which would send the password without encryption")
		}
		mechanism = plain
	}
	switch {
	case !valid(l.Username):
		return "", nil, errName
	case l.Password == nil:
		return "", nil, errNoPassword
	}
	password, err := l.Password(ctx)
	switch {
	case err != nil:
		return "", nil, err
	case !valid(password):
		return "", nil, errPassword
	case hash == nil:
		return mechanism, &plainLogin{l.Username, password}, nil
	}
	return mechanism, &scram{hash: hash, username: l.Username, password: password, nonce: newNonce()}, nil
}

func valid(s string) bool { return s != "" && utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func list(offered []string) string {
	if len(offered) == 0 {
		return "no mechanism"
	}
	return strings.Join(offered, ", ")
}

// An unsupported error matches errors.ErrUnsupported.
type unsupported string

func (e unsupported) Error() string        { return string(e) }
func (e unsupported) Is(target error) bool { return target == errors.ErrUnsupported }

// A plainLogin is one login by PLAIN (RFC 4616), which has one message.
type plainLogin struct{ username, password string }

func (l *plainLogin) Next([]byte) ([]byte, bool, error) {
	return []byte("\x00" + l.username + "\x00" + l.password), true, nil
}
