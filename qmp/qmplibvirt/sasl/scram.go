package sasl

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"hash"
	"os"
	"strconv"
	"strings"
)

// A hashing is a mechanism of SCRAM.
type hashing struct {
	mechanism string
	hash      func() hash.Hash
	size      int
}

// hashings has the mechanisms in the order of preference.
var hashings = []hashing{
	{"SCRAM-SHA-512", sha512.New, sha512.Size},
	{"SCRAM-SHA-256", sha256.New, sha256.Size},
	{"SCRAM-SHA-1", sha1.New, sha1.Size},
}

// The limits of what a daemon can ask for. With fewer iterations, a false daemon could guess the password from the answer more
// easily; RFC 7677 says that there should be at least as many. The most take about two seconds.
const (
	minIterations = 4096
	maxIterations = 1 << 22
	maxMessage    = 4096 // the length of a message
)

// noBinding begins the first message: the client has no channel binding. noBindingAgain is the same in the last message.
const (
	noBinding      = "n,,"
	noBindingAgain = "c=biws"
)

// A scram is one login by SCRAM (RFC 5802, RFC 7677).
type scram struct {
	hash               *hashing
	username, password string
	nonce              string
	step               int
	signature          []byte // that of the daemon, as it must be
}

// newNonce returns 144 random bits as text.
func newNonce() string {
	var b [18]byte
	_, _ = rand.Read(b[:]) // it never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

// Next returns the next message of the client.
func (s *scram) Next(challenge []byte) (answer []byte, done bool, err error) {
	s.step++
	switch s.step {
	case 1:
		return []byte(noBinding + s.firstBare()), false, nil
	case 2:
		answer, err := s.prove(string(challenge))
		s.password = ""
		return answer, false, err
	case 3:
		return []byte{}, true, s.verify(string(challenge))
	}
	return nil, false, errMessage
}

// firstBare returns the first message without its beginning.
func (s *scram) firstBare() string {
	return "n=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s.username) + ",r=" + s.nonce
}

// prove answers the daemon's first message, and notes the signature that the daemon must send.
func (s *scram) prove(first string) ([]byte, error) {
	nonce, salt, iterations, err := parseFirst(first, s.nonce)
	if err != nil {
		return nil, err
	}
	salted, err := pbkdf2.Key(s.hash.hash, s.password, salt, iterations, s.hash.size)
	if err != nil { // in the mode of FIPS 140, which does not have SHA-1
		return nil, err
	}
	withoutProof := noBindingAgain + ",r=" + nonce
	message := s.firstBare() + "," + first + "," + withoutProof
	clientKey := s.mac(salted, "Client Key")
	stored := s.hash.hash()
	stored.Write(clientKey)
	proof := s.mac(stored.Sum(nil), message)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	s.signature = s.mac(s.mac(salted, "Server Key"), message)
	return []byte(withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

func (s *scram) mac(key []byte, text string) []byte {
	h := hmac.New(s.hash.hash, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// verify checks the daemon's last message.
func (s *scram) verify(last string) error {
	if len(last) > maxMessage {
		return errMessage
	}
	value, _, _ := strings.Cut(last, ",") // extensions follow
	if reason, failed := strings.CutPrefix(value, "e="); failed {
		return &refusal{reason}
	}
	text, ok := strings.CutPrefix(value, "v=")
	if !ok {
		return errMessage
	}
	signature, err := decodeBase64(text)
	if err != nil {
		return errMessage
	}
	if !hmac.Equal(signature, s.signature) {
		return ErrServer
	}
	return nil
}

// A serverError says what is wrong with a message of the daemon. It matches ErrServer.
type serverError string

func (e serverError) Error() string        { return "sasl: " + string(e) }
func (e serverError) Is(target error) bool { return target == ErrServer }

const (
	errMessage    = serverError("the daemon sent a message that is not one of SCRAM")
	errNonce      = serverError("the daemon's nonce does not begin with ours, or adds nothing to it")
	errIterations = serverError("the daemon asks for fewer than 4096 or more than 4194304 iterations")
	errExtension  = serverError("the daemon asks for an extension of SCRAM")
)

// A refusal is the error in the daemon's last message. It matches os.ErrPermission.
type refusal struct{ reason string }

func (e *refusal) Error() string {
	return "sasl: the daemon refused the login: " + strconv.Quote(e.reason)
}
func (e *refusal) Is(target error) bool { return target == os.ErrPermission }

// parseFirst reads the daemon's first message: r=NONCE,s=SALT,i=ITERATIONS, and extensions.
func parseFirst(message, ours string) (nonce string, salt []byte, iterations int, err error) {
	if len(message) > maxMessage {
		return "", nil, 0, errMessage
	}
	if strings.HasPrefix(message, "m=") {
		return "", nil, 0, errExtension
	}
	fields := strings.SplitN(message, ",", 4)
	if len(fields) < 3 {
		return "", nil, 0, errMessage
	}
	nonce, isNonce := strings.CutPrefix(fields[0], "r=")
	text, isSalt := strings.CutPrefix(fields[1], "s=")
	number, isNumber := strings.CutPrefix(fields[2], "i=")
	if !isNonce || !isSalt || !isNumber || !printable(nonce) {
		return "", nil, 0, errMessage
	}
	if len(nonce) <= len(ours) || !strings.HasPrefix(nonce, ours) {
		return "", nil, 0, errNonce
	}
	if salt, err = decodeBase64(text); err != nil {
		return "", nil, 0, errMessage
	}
	iterations, err = strconv.Atoi(number)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && (iterations < minIterations || iterations > maxIterations):
		return "", nil, 0, errIterations
	case err != nil, number[0] == '+', number[0] == '0':
		return "", nil, 0, errMessage
	}
	return nonce, salt, iterations, nil
}

// printable reports whether a text has only the characters of a nonce, which has no comma here.
func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '!' || r > '~' }) < 0
}

// decodeBase64 decodes a text that is not empty. Package base64 would skip ends of lines.
func decodeBase64(text string) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err == nil && (len(b) == 0 || strings.ContainsAny(text, "\r\n")) {
		err = errMessage
	}
	return b, err
}
