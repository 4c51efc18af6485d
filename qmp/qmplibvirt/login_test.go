package qmplibvirt_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/libvirt"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt"
	"github.com/qmpkit/qmpkit/qmp/qmplibvirt/sasl"
)

func TestLogin(t *testing.T) {
	for name, test := range map[string]struct {
		auth []libvirt.IntBody
		text string
	}{
		"none":    {[]libvirt.IntBody{{Value: 0}}, ""},
		"polkit":  {[]libvirt.IntBody{{Value: 2}}, ""},
		"SASL":    {[]libvirt.IntBody{{Value: 1}}, "qmplibvirt: open qemu:///system: SASL: the daemon asks for a login (SCRAM-SHA-256,PLAIN), and Options.SASL is nil"},
		"unknown": {[]libvirt.IntBody{{Value: 9}}, "qmplibvirt: open qemu:///system: the daemon asks for an unknown login, number 9"},
	} {
		t.Run(name, func(t *testing.T) {
			d, client := newDaemon(t)
			d.auth = test.auth
			d.serve()
			c, err := qmplibvirt.NewConn(limit(t), client, nil)
			if test.text == "" {
				require.NoError(t, err)
				require.NoError(t, c.Close())
				return
			}
			require.EqualError(t, err, test.text)
			require.ErrorIs(t, err, errors.ErrUnsupported)
		})
	}
}

// TestPolkitRefuses: an agent that asks a person for a password belongs to the program that connects. There is none.
func TestPolkitRefuses(t *testing.T) {
	for code, text := range map[int32]string{
		45: "qmplibvirt: open qemu:///system: polkit refused the action org.libvirt.unix.manage: libvirt: no (code 45)",
		79: "qmplibvirt: open qemu:///system: polkit refused the action org.libvirt.unix.manage: libvirt: no (code 79)",
		94: "qmplibvirt: open qemu:///system: polkit refused the action org.libvirt.unix.manage: libvirt: no (code 94)",
		89: "qmplibvirt: open qemu:///system: polkit: libvirt: no (code 89)", // polkit does not answer
	} {
		d, client := newDaemon(t)
		d.auth = []libvirt.IntBody{{Value: libvirt.AuthIsPolkit}}
		d.override = func(h libvirt.Header, _ []byte) bool {
			if h.Procedure == libvirt.AuthPolkit {
				d.reply(h, nil, failure(code, "no"))
			}
			return h.Procedure == libvirt.AuthPolkit
		}
		d.serve()
		_, err := qmplibvirt.NewConn(limit(t), client, nil)
		require.EqualError(t, err, text)
		require.Equal(t, code != 89, errors.Is(err, os.ErrPermission))
	}
}

// A script is a SASL whose answers a test has written.
type script struct {
	begin   error
	answers []answer
	offered []string
	private bool
	heard   [][]byte
}

// An answer is a result of Next.
type answer struct {
	said string
	done bool
	err  error
}

func (s *script) Begin(_ context.Context, offered []string, private bool) (string, qmplibvirt.SASLLogin, error) {
	s.offered, s.private = offered, private
	return "X-TEST", s, s.begin
}

func (s *script) Next(challenge []byte) ([]byte, bool, error) {
	s.heard = append(s.heard, challenge)
	a := s.answers[0]
	s.answers = s.answers[1:]
	if a.said == "" {
		return nil, a.done, a.err
	}
	return []byte(a.said), a.done, a.err
}

// TestSASLConversations: a login has succeeded when both sides say so.
func TestSASLConversations(t *testing.T) {
	say := func(complete int32, text string) *libvirt.SASLResult {
		return &libvirt.SASLResult{Complete: complete, Data: libvirt.NewSASLData([]byte(text))}
	}
	nothing := libvirt.NewSASLData(nil)
	no := errors.New("no")
	const early = "qmplibvirt: open qemu:///system: SASL: the daemon ended the login before it was complete"
	const late = "qmplibvirt: open qemu:///system: SASL: the daemon goes on with a login that is complete"
	for name, test := range map[string]struct {
		client []answer
		daemon []*libvirt.SASLResult // nil: the daemon refuses
		heard  [][]byte
		want   string
	}{
		"one message":       {[]answer{{"a", true, nil}}, []*libvirt.SASLResult{{Complete: 1, Data: nothing}}, [][]byte{nil}, ""},
		"last in a reply":   {[]answer{{"a", false, nil}, {"", true, nil}}, []*libvirt.SASLResult{say(1, "x")}, [][]byte{nil, []byte("x")}, ""},
		"last in a message": {[]answer{{"a", false, nil}, {"", true, nil}}, []*libvirt.SASLResult{say(0, "x"), say(1, "")}, [][]byte{nil, []byte("x")}, ""},
		"empty challenge":   {[]answer{{"", false, nil}, {"a", true, nil}}, []*libvirt.SASLResult{say(0, ""), say(1, "")}, [][]byte{nil, {}}, ""},
		"early, nothing":    {[]answer{{"a", false, nil}}, []*libvirt.SASLResult{{Complete: 1, Data: nothing}}, [][]byte{nil}, early},
		"early, something":  {[]answer{{"a", false, nil}, {"b", false, nil}}, []*libvirt.SASLResult{say(1, "x")}, [][]byte{nil, []byte("x")}, early},
		"late":              {[]answer{{"a", true, nil}}, []*libvirt.SASLResult{say(0, "x")}, [][]byte{nil}, late},
		"later":             {[]answer{{"a", false, nil}, {"", true, nil}}, []*libvirt.SASLResult{say(0, "x"), say(0, "y")}, [][]byte{nil, []byte("x")}, late},
		"first fails":       {[]answer{{"", false, no}}, nil, [][]byte{nil}, "qmplibvirt: open qemu:///system: SASL: no"},
		"second fails": {[]answer{{"a", false, nil}, {"", true, no}}, []*libvirt.SASLResult{say(1, "x")}, [][]byte{nil, []byte("x")},
			"qmplibvirt: open qemu:///system: SASL: no"},
		"start refused": {[]answer{{"a", true, nil}}, []*libvirt.SASLResult{nil}, [][]byte{nil},
			"qmplibvirt: open qemu:///system: SASL: libvirt: authentication failed (code 45)"},
		"step refused": {[]answer{{"a", false, nil}, {"b", false, nil}}, []*libvirt.SASLResult{say(0, "x"), nil}, [][]byte{nil, []byte("x")},
			"qmplibvirt: open qemu:///system: SASL: libvirt: authentication failed (code 45)"},
	} {
		t.Run(name, func(t *testing.T) {
			d, client := newDaemon(t)
			d.auth = []libvirt.IntBody{{Value: libvirt.AuthSASL}}
			results := test.daemon
			d.override = func(h libvirt.Header, body []byte) bool {
				switch h.Procedure {
				case libvirt.AuthSASLStart:
					var args libvirt.SASLStartArgs
					decode(body, &args)
					require.Equal(t, "X-TEST", args.Mechanism)
				case libvirt.AuthSASLStep:
					decode(body, &libvirt.SASLData{})
				default:
					return false
				}
				result := results[0]
				results = results[1:]
				if result == nil {
					d.reply(h, nil, failure(45, "authentication failed"))
				} else {
					d.reply(h, result, nil)
				}
				return true
			}
			d.serve()
			s := &script{answers: test.client}
			c, err := qmplibvirt.NewConn(limit(t), client, &qmplibvirt.Options{SASL: s})
			if test.want == "" {
				require.NoError(t, err)
				require.NoError(t, c.Close())
			} else {
				require.EqualError(t, err, test.want)
			}
			require.Equal(t, test.heard, s.heard)
			require.Empty(t, s.answers)
			require.Empty(t, results)
			require.Equal(t, []string{"SCRAM-SHA-256", "PLAIN"}, s.offered)
			require.False(t, s.private)
			if len(test.daemon) > 0 && test.daemon[len(test.daemon)-1] == nil {
				require.ErrorIs(t, err, os.ErrPermission)
			}
		})
	}
}

// TestSASLPrivate: PLAIN is for UNIX sockets and TLS.
func TestSASLPrivate(t *testing.T) {
	begin := func(d *daemon, client net.Conn, forwarded bool, first ...byte) bool {
		d.auth = []libvirt.IntBody{{Value: libvirt.AuthSASL}}
		go func() {
			if len(first) > 0 {
				_, _ = d.conn.Write(first)
			}
			d.serve()
		}()
		s := &script{begin: errors.New("no")}
		_, err := qmplibvirt.NewConn(limit(t), client, &qmplibvirt.Options{SASL: s, Forwarded: forwarded})
		require.EqualError(t, err, "qmplibvirt: open qemu:///system: SASL: no")
		return s.private
	}
	d, client := newDaemon(t)
	require.True(t, begin(d, handshaking{client, nil}, false, 1))
	d, client = newDaemon(t)
	require.False(t, begin(d, client, false))
	for _, forwarded := range []bool{false, true} {
		d, client = newUNIXDaemon(t)
		require.Equal(t, !forwarded, begin(d, client, forwarded))
	}
}

// TestEveryCallOfSASLFails: each call of a login fails, or is never answered.
func TestEveryCallOfSASLFails(t *testing.T) {
	for _, procedure := range []libvirt.Procedure{libvirt.AuthSASLInit, libvirt.AuthSASLStart, libvirt.AuthSASLStep} {
		for _, silent := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				d, client := newDaemon(t)
				d.auth = []libvirt.IntBody{{Value: libvirt.AuthSASL}}
				d.override = func(h libvirt.Header, _ []byte) bool {
					switch {
					case h.Procedure == procedure && !silent:
						d.reply(h, nil, failure(45, "no"))
					case h.Procedure == procedure:
					case h.Procedure == libvirt.AuthSASLStart:
						d.reply(h, &libvirt.SASLResult{}, nil)
					default:
						return false
					}
					return true
				}
				d.serve()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				s := &script{answers: []answer{{"a", false, nil}, {"b", false, nil}}}
				_, err := qmplibvirt.NewConn(ctx, client, &qmplibvirt.Options{SASL: s})
				if silent {
					require.ErrorIs(t, err, context.DeadlineExceeded)
				} else {
					require.ErrorIs(t, err, os.ErrPermission)
				}
			})
		}
	}
}

// TestFalseDaemon: a daemon that lets everybody in, without knowing the account, is found out.
func TestFalseDaemon(t *testing.T) {
	for name, last := range map[string]*libvirt.SASLResult{
		"nothing":         {Complete: 1, Data: libvirt.NewSASLData(nil)},
		"wrong signature": {Complete: 1, Data: libvirt.NewSASLData([]byte("v=AAAA"))},
	} {
		t.Run(name, func(t *testing.T) {
			d, client := newDaemon(t)
			d.auth = []libvirt.IntBody{{Value: libvirt.AuthSASL}}
			d.override = func(h libvirt.Header, body []byte) bool {
				switch h.Procedure {
				case libvirt.AuthSASLStart:
					var args libvirt.SASLStartArgs
					decode(body, &args)
					nonce := string(args.Data.Bytes())[len("n,,n=alice,r="):]
					d.reply(h, &libvirt.SASLResult{Data: libvirt.NewSASLData([]byte("r=" + nonce + "X,s=c2FsdA==,i=4096"))}, nil)
				case libvirt.AuthSASLStep:
					d.reply(h, last, nil)
				default:
					return false
				}
				return true
			}
			d.serve()
			_, err := qmplibvirt.NewConn(limit(t), client, &qmplibvirt.Options{SASL: sasl.Password("alice", "wonderland")})
			require.Error(t, err)
			require.NotContains(t, err.Error(), "wonderland")
			if name != "nothing" {
				require.ErrorIs(t, err, sasl.ErrServer)
			}
			require.Zero(t, d.came(libvirt.ConnectOpen))
		})
	}
}
