package qmp

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
)

// mostArrived is the number of bytes of a server that are kept until it has greeted, so that an
// error can say what it is.
const mostArrived = 64

// arrive keeps the first bytes that a server has sent.
func (r *receiver) arrive(b []byte) {
	if n := min(len(b), mostArrived-len(r.arrived)); n > 0 {
		r.arrived = append(r.arrived, b[:n]...)
	}
}

// greeted forgets what came before the greeting. On the channel of a guest agent, which does not greet,
// the bytes are kept: they show that the server is not an agent.
func (r *receiver) greeted() {
	if !r.delimited {
		r.hasGreeted, r.arrived = true, nil
	}
}

// noGreeting makes the error of a server that has not greeted, for a reason.
func (r *receiver) noGreeting(err error) error {
	timedOut := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	if timedOut && len(r.arrived) == 0 {
		return wrap("qmp: no greeting (another client holds this monitor, or the server is "+
			"stopped; for a guest agent use DialGuest)", err)
	}
	return wrap("qmp: no greeting"+r.whatArrived(err), err)
}

// whatArrived returns what a server seems to be and the bytes that it has sent, to be put before the
// text of err. It leaves out the bytes if err has them, and returns "" if none came.
func (r *receiver) whatArrived(err error) (text string) {
	if len(r.arrived) == 0 {
		return ""
	}
	wanted := qmpMonitor
	if r.delimited {
		wanted = guestChannel
	}
	if kind := kindOfServer(r.arrived); kind != "" && kind != wanted {
		text = ": " + kind
	}
	if _, quoted := errors.AsType[*ProtocolError](err); !quoted {
		text += ": the server has sent " + quoteCut(r.arrived, r.total)
	}
	return text
}

// quoteCut quotes b, the first of total bytes.
func quoteCut(b []byte, total int64) string {
	quoted := strconv.QuoteToASCII(string(b))
	if total > int64(len(b)) {
		quoted += " and more"
	}
	return quoted
}

// kindOfServer says what kind of server sends these bytes first, and what to do. It is "" if that
// is not certain.
func kindOfServer(b []byte) string {
	text := string(bytes.TrimLeft(b, " \t\r\n"))
	for _, k := range []struct{ begin, kind string }{
		{"QEMU ", humanMonitor},
		{"(qemu)", humanMonitor},
		{`{"QMP"`, qmpMonitor},
		{`{"return"`, guestChannel},
		{`{"error"`, guestChannel},
		{"\xff{", guestChannel},
		{"\xff\xfb", telnet}, // WILL
		{"\xff\xfd", telnet}, // DO
		{"HTTP/", "this is an HTTP server"},
		{"RFB ", "this is a VNC server"},
		{"SSH-", "this is an SSH server"},
	} {
		if strings.HasPrefix(text, k.begin) {
			return k.kind
		}
	}
	return ""
}

const (
	qmpMonitor   = "this is a QMP monitor (use Dial)"
	humanMonitor = "this is QEMU's human monitor, HMP (give the socket of -qmp, or of -mon with mode=control)"
	guestChannel = "this is a guest agent's channel (use DialGuest), or a monitor that has already greeted another client"
	telnet       = "this is a telnet server (start QEMU without telnet=on)"
)
