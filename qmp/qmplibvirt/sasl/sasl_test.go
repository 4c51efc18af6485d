package sasl

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
)

// TestVectors has the conversations of RFC 5802, section 5, and RFC 7677, section 3.
func TestVectors(t *testing.T) {
	for _, test := range []struct{ mechanism, nonce, first, last, proof string }{
		{"SCRAM-SHA-1", "fyko+d2lbbFgONRv9qkxdawL", "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="},
		{"SCRAM-SHA-256", "rOprNGfwEbeRWgbNEkqO", "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="},
	} {
		mechanism, login, err := Password("user", "pencil").Begin(t.Context(), []string{"PLAIN", test.mechanism}, false)
		require.NoError(t, err)
		require.Equal(t, test.mechanism, mechanism)
		login.(*scram).nonce = test.nonce
		said, done, err := login.Next(nil)
		require.NoError(t, err)
		require.False(t, done)
		require.Equal(t, "n,,n=user,r="+test.nonce, string(said))
		said, done, err = login.Next([]byte(test.first))
		require.NoError(t, err)
		require.False(t, done)
		nonce, _, _ := strings.Cut(test.first, ",")
		require.Equal(t, "c=biws,"+nonce+",p="+test.proof, string(said))
		said, done, err = login.Next([]byte(test.last))
		require.NoError(t, err)
		require.True(t, done)
		require.Empty(t, said)
		_, done, err = login.Next([]byte(test.last))
		require.False(t, done)
		require.ErrorIs(t, err, ErrServer)
	}
}

// A server is the daemon's side of SCRAM. It keeps what RFC 5802 says that a server keeps, and not the password.
type server struct {
	hash              *hashing
	salt              []byte
	iterations        int
	stored, serverKey []byte
	bare, first       string
}

func (s *server) mac(key []byte, text string) []byte {
	h := hmac.New(s.hash.hash, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func newServer(t *testing.T, hash *hashing, password string) *server {
	s := &server{hash: hash, salt: []byte("salt"), iterations: 5000}
	salted, err := pbkdf2.Key(hash.hash, password, s.salt, s.iterations, hash.size)
	require.NoError(t, err)
	h := hash.hash()
	h.Write(s.mac(salted, "Client Key"))
	s.stored, s.serverKey = h.Sum(nil), s.mac(salted, "Server Key")
	return s
}

// begin answers the client's first message.
func (s *server) begin(message string) string {
	s.bare = strings.TrimPrefix(message, "n,,")
	_, nonce, _ := strings.Cut(s.bare, ",r=")
	s.first = fmt.Sprintf("r=%sSERVER,s=%s,i=%d", nonce, base64.StdEncoding.EncodeToString(s.salt), s.iterations)
	return s.first
}

// end checks the client's last message and answers it.
func (s *server) end(message string) (string, bool) {
	withoutProof, proofText, _ := strings.Cut(message, ",p=")
	all := s.bare + "," + s.first + "," + withoutProof
	key, err := base64.StdEncoding.DecodeString(proofText)
	if err != nil {
		return "", false
	}
	for i, b := range s.mac(s.stored, all) {
		key[i] ^= b
	}
	h := s.hash.hash()
	h.Write(key)
	return "v=" + base64.StdEncoding.EncodeToString(s.mac(s.serverKey, all)), hmac.Equal(h.Sum(nil), s.stored)
}

// TestServers logs in by each mechanism, with the right password and a wrong one.
func TestServers(t *testing.T) {
	for i := range hashings {
		hash := &hashings[i]
		for _, account := range []struct{ username, password string }{{"alice", "wonderland"}, {"a,b=c", "pässword, =\n"}} {
			for _, right := range []bool{true, false} {
				password := account.password
				if !right {
					password += "x"
				}
				s := newServer(t, hash, account.password)
				_, login, err := Password(account.username, password).Begin(t.Context(), []string{hash.mechanism}, false)
				require.NoError(t, err)
				said, _, err := login.Next(nil)
				require.NoError(t, err)
				require.True(t, strings.HasPrefix(string(said), "n,,n="+strings.NewReplacer("=", "=3D", ",", "=2C").Replace(account.username)+",r="))
				said, _, err = login.Next([]byte(s.begin(string(said))))
				require.NoError(t, err)
				last, ok := s.end(string(said))
				require.Equal(t, right, ok)
				_, done, err := login.Next([]byte(last))
				require.True(t, done)
				if right {
					require.NoError(t, err)
				} else { // a daemon that knows the account, but lets everybody in
					require.Equal(t, ErrServer, err)
				}
			}
		}
	}
}

// TestFalseServers has messages of daemons that do not know the account, or do not speak SCRAM.
func TestFalseServers(t *testing.T) {
	const good = ",s=c2FsdA==,i=4096"
	for name, test := range map[string]struct {
		first string // behind r= and our nonce, unless it has its own r=
		last  string
		want  error
	}{
		"wrong signature":     {"X" + good, "v=" + base64.StdEncoding.EncodeToString(make([]byte, sha1.Size)), ErrServer},
		"short signature":     {"X" + good, "v=AAAA", ErrServer},
		"no signature":        {"X" + good, "v=", errMessage},
		"no last message":     {"X" + good, "", errMessage},
		"bad signature":       {"X" + good, "v=?", errMessage},
		"long signature":      {"X" + good, "v=" + strings.Repeat("A", maxMessage), errMessage},
		"old nonce":           {good, "", errNonce},
		"nonce of others":     {"r=XXXX" + good, "", errNonce},
		"bad nonce":           {"\x01" + good, "", errMessage},
		"nonce of umlauts":    {"ä" + good, "", errMessage},
		"no message":          {"r=", "", errMessage},
		"no salt":             {"X,s=,i=4096", "", errMessage},
		"bad salt":            {"X,s=c2FsdA,i=4096", "", errMessage},
		"salt of lines":       {"X,s=c2Fs\ndA==,i=4096", "", errMessage},
		"no iterations":       {"X,s=c2FsdA==", "", errMessage},
		"empty iterations":    {"X,s=c2FsdA==,i=", "", errMessage},
		"sign":                {"X,s=c2FsdA==,i=+4096", "", errMessage},
		"zeros":               {"X,s=c2FsdA==,i=004096", "", errMessage},
		"few iterations":      {"X,s=c2FsdA==,i=1", "", errIterations},
		"negative iterations": {"X,s=c2FsdA==,i=-4096", "", errIterations},
		"many iterations":     {"X,s=c2FsdA==,i=4194305", "", errIterations},
		"absurd iterations":   {"X,s=c2FsdA==,i=99999999999999999999", "", errIterations},
		"other order":         {"X,i=4096,s=c2FsdA==", "", errMessage},
		"extension":           {"r=m=x", "", errMessage},
		"long":                {"X" + strings.Repeat("X", maxMessage) + good, "", errMessage},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scram{hash: &hashings[2], username: "u", password: "secret", nonce: "nonce"}
			_, _, err := s.Next(nil)
			require.NoError(t, err)
			first := test.first
			if !strings.HasPrefix(first, "r=") {
				first = "r=nonce" + first
			}
			_, done, err := s.Next([]byte(first))
			require.False(t, done)
			if err == nil {
				_, _, err = s.Next([]byte(test.last))
			}
			require.Equal(t, test.want, err)
			require.ErrorIs(t, err, ErrServer)
			require.NotContains(t, err.Error(), "secret")
		})
	}
	_, _, _, err := parseFirst("m=x,r=nonceX"+good, "nonce")
	require.Equal(t, errExtension, err)

	s := &scram{step: 2}
	_, _, err = s.Next([]byte("e=invalid-proof\x1b,x=y"))
	require.EqualError(t, err, `sasl: the daemon refused the login: "invalid-proof\x1b"`)
	require.ErrorIs(t, err, os.ErrPermission)
}

// TestExtensions: extensions that are not mandatory are ignored.
func TestExtensions(t *testing.T) {
	nonce, salt, iterations, err := parseFirst("r=nonceX,s=c2FsdA==,i=4096,x=y,z", "nonce")
	require.NoError(t, err)
	require.Equal(t, []any{"nonceX", "salt", 4096}, []any{nonce, string(salt), iterations})
}

func TestBegin(t *testing.T) {
	all := []string{"GSSAPI", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"}
	alice := Password("alice", "wonderland")
	for _, test := range []struct {
		login   *Login
		offered []string
		private bool
		want    string
	}{
		{alice, all, false, "SCRAM-SHA-512"},
		{alice, all[:4], true, "SCRAM-SHA-256"},
		{alice, all[:3], false, "SCRAM-SHA-1"},
		{alice, all[:2], true, "PLAIN"},
		{&Login{Username: "alice", Password: alice.Password, Encrypted: true}, all[:2], false, "PLAIN"},
	} {
		mechanism, _, err := test.login.Begin(t.Context(), test.offered, test.private)
		require.NoError(t, err)
		require.Equal(t, test.want, mechanism)
	}
	_, login, err := alice.Begin(t.Context(), []string{"PLAIN"}, true)
	require.NoError(t, err)
	said, done, err := login.Next(nil)
	require.NoError(t, err)
	require.True(t, done)
	require.Equal(t, "\x00alice\x00wonderland", string(said))

	asked := errors.New("nobody is there")
	for text, test := range map[string]struct {
		login   *Login
		offered []string
	}{
		"sasl: the daemon offers GSSAPI, DIGEST-MD5; a login with a password needs SCRAM or PLAIN": {alice, []string{"GSSAPI", "DIGEST-MD5"}},
		"sasl: the daemon offers no mechanism; a login with a password needs SCRAM or PLAIN":       {alice, nil},
		"sasl: the daemon offers only PLAIN, which would send the password without encryption":     {alice, all[:2]},
		"sasl: the user's name is empty, is not UTF-8 or has a zero byte":                          {Password("", "x"), all},
		"sasl: the user's name is empty, is not UTF-8 or has a zero byte ":                         {Password("a\x00b", "x"), all},
		"sasl: the password is empty, is not UTF-8 or has a zero byte":                             {Password("x", "\xff"), all},
		"sasl: the password is empty, is not UTF-8 or has a zero byte ":                            {Password("x", ""), all},
		"sasl: Login.Password is nil": {&Login{Username: "x"}, all},
		"nobody is there":             {&Login{Username: "x", Password: func(context.Context) (string, error) { return "", asked }}, all},
	} {
		_, _, err := test.login.Begin(t.Context(), test.offered, false)
		require.EqualError(t, err, strings.TrimSpace(text))
		require.Equal(t, strings.Contains(text, "offers"), errors.Is(err, errors.ErrUnsupported))
	}
}

// TestNoSecrets: printing what programs hold, such as their options, does not print the password.
func TestNoSecrets(t *testing.T) {
	login := Password("alice", "wonderland")
	for _, value := range []any{login, *login, &qmplibvirt.Options{SASL: login}} {
		require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", value, value, value, value), "wonderland")
	}
}

// FuzzFirst: no first message makes the client panic, and what it takes is within the limits.
func FuzzFirst(f *testing.F) {
	f.Add("r=nonceX,s=c2FsdA==,i=4096")
	f.Add("r=nonceX,s=c2FsdA==,i=4096,x=y")
	f.Add("m=x,r=nonceX,s=c2FsdA==,i=4096")
	f.Add("r=nonce,s=,i=")
	f.Fuzz(func(t *testing.T, message string) {
		nonce, salt, iterations, err := parseFirst(message, "nonce")
		if err != nil {
			require.ErrorIs(t, err, ErrServer)
			return
		}
		require.True(t, strings.HasPrefix(nonce, "nonce") && len(nonce) > len("nonce") && printable(nonce))
		require.NotEmpty(t, salt)
		require.True(t, iterations >= minIterations && iterations <= maxIterations)
		again := fmt.Sprintf("r=%s,s=%s,i=%d", nonce, base64.StdEncoding.EncodeToString(salt), iterations)
		require.True(t, message == again || strings.HasPrefix(message, again+","))
	})
}

// FuzzLast: only the right signature ends a login.
func FuzzLast(f *testing.F) {
	f.Add("v=c2lnbmF0dXJl")
	f.Add("v=c2lnbmF0dXJl,x=y")
	f.Add("e=other-error")
	f.Fuzz(func(t *testing.T, message string) {
		s := &scram{step: 2, signature: []byte("signature")}
		_, _, err := s.Next([]byte(message))
		right := message == "v=c2lnbmF0dXJl" || strings.HasPrefix(message, "v=c2lnbmF0dXJl,") && len(message) <= maxMessage
		require.Equal(t, right, err == nil, message)
	})
}
