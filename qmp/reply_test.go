package qmp_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

func TestAppendRequest(t *testing.T) {
	for want, call := range map[string]*qmp.Call{
		`{"execute":"query-status"}`:                     {Command: "query-status"},
		`{"exec-oob":"yank","arguments":{"a":[1,null]}}`: {Command: "yank", OOB: true, Args: qmp.Args{"a": []any{1, nil}}},
		`{"execute":"x"}`:                                {Command: "x", Args: qmp.Args{}},
		`{"execute":"a\"b"}`:                             {Command: `a"b`},
	} {
		for _, before := range []string{"", "before"} {
			b, err := call.AppendRequest([]byte(before))
			require.NoError(t, err)
			require.Equal(t, before+want, string(b))
		}
	}
	for _, call := range []*qmp.Call{{Command: "\xff"}, {Command: "x", Args: qmp.Args{"a": make(chan int)}}} {
		b, err := call.AppendRequest([]byte("before"))
		_, ok := errors.AsType[*qmp.EncodeError](err)
		require.True(t, ok)
		require.ErrorIs(t, err, qmp.ErrNotSent)
		require.Equal(t, "before", string(b))
		require.Same(t, err, qmp.NotSent("x", err))
	}
}

func TestDecodeReply(t *testing.T) {
	var status statusInfo
	decode := func(reply string) error {
		status = statusInfo{}
		call := &qmp.Call{Command: "query-status", Result: func(d *wire.Decoder) { d.Object(&status) }}
		return call.DecodeReply([]byte(reply))
	}
	for _, reply := range []string{
		`{"return":{"running":true},"id":"libvirt-4"}`,
		" \r\n\t{ \"id\" : 1 , \"new\": [{}] , \"return\" : { \"running\" : true } } \r\n",
	} {
		require.NoError(t, decode(reply))
		require.True(t, status.running)
	}
	for reply, text := range map[string]string{
		`{"id":{},"error":{"desc":"no","class":"DeviceNotFound"}}` + "\n": "qmp: query-status: no (DeviceNotFound)",
		`{"return":{},"error":{"desc":"no","class":"GenericError"}}`:      "qmp: query-status: no",
		`{"error":7}`: "qmp: query-status: an error that cannot be read: 7",
	} {
		err := decode(reply)
		_, ok := errors.AsType[*qmp.Error](err)
		require.True(t, ok)
		require.EqualError(t, err, text)
	}
	for reply, text := range map[string]string{
		`{"return":7}`:                 "qmp: query-status: cannot decode at byte 0: expected an object, found a number",
		`{"return":{"running":"yes"}}`: "",
		`{"return":{"running":inf}}`:   "",
	} {
		err := decode(reply)
		_, ok := errors.AsType[*qmp.DecodeError](err)
		require.True(t, ok, err)
		if text != "" {
			require.EqualError(t, err, text)
		}
	}
	for reply, text := range map[string]string{
		``:                        `at offset 0: a message is not complete`,
		` [1] `:                   `at offset 1: a message does not begin with {: "[1]"`,
		`{"return":{}`:            `at offset 12: a message is not complete: "{\"return\":{}"`,
		`{"return":{}}x`:          `at offset 13: a message is followed by other text: "{\"return\":{}}x"`,
		`{"return":{}}{}`:         `at offset 13: a message is followed by other text: "{\"return\":{}}{}"`,
		`{"event":"STOP"}`:        `at offset 0: a message is not a reply: "{\"event\":\"STOP\"}"`,
		`{}`:                      `at offset 0: a message is not a reply: "{}"`,
		`{"return":1,"return":2}`: `at offset 12: a message has two members with the same name: "{\"return\":1,\"return\":2}"`,
		`{"return":{]}`:           `at offset 11: brackets do not match: "{\"return\":{]}"`,
	} {
		err := decode(reply)
		require.ErrorIs(t, err, qmp.ErrOutcomeUnknown)
		_, ok := errors.AsType[*qmp.ProtocolError](err)
		require.True(t, ok)
		require.EqualError(t, err, "qmp: query-status: sent, outcome unknown: the server broke the protocol "+text)
	}
}

// TestEndingsOfTransports: the errors of other transports are those of the client.
func TestEndingsOfTransports(t *testing.T) {
	cause := errors.New("qmp: the daemon has ended")
	for _, test := range []struct {
		err    error
		ending error
		text   string
	}{
		{qmp.NotSent("stop", cause), qmp.ErrNotSent, "qmp: stop: not sent: the daemon has ended"},
		{qmp.OutcomeUnknown("stop", cause), qmp.ErrOutcomeUnknown, "qmp: stop: sent, outcome unknown: the daemon has ended"},
	} {
		require.EqualError(t, test.err, test.text)
		require.ErrorIs(t, test.err, test.ending)
		require.ErrorIs(t, test.err, cause)
		require.Equal(t, test.ending == qmp.ErrOutcomeUnknown, qmp.MayHaveExecuted(test.err))
	}
	require.True(t, (&qmp.Call{Command: "quit"}).EndsServer())
	require.True(t, (&qmp.Call{Command: "guest-shutdown", NoReply: true}).EndsServer())
	require.False(t, (&qmp.Call{Command: "stop"}).EndsServer())
}

func TestConnect(t *testing.T) {
	_, err := qmp.Connect(limit(t), "/nowhere/s")
	require.EqualError(t, err, "qmp: dial unix /nowhere/s: connect: no such file or directory")
}

// FuzzDecodeReply: every text has one of the endings, and a reply that was accepted is accepted with space around it.
func FuzzDecodeReply(f *testing.F) {
	for _, seed := range []string{`{"return":{}}`, `{"error":{"class":"GenericError","desc":"x"},"id":1}`, ` {"return" : [1e5,"\u00e4"]} `,
		`{"return":1,"return":2}`, `{"event":"STOP"}`, `{"return":{}}x`, "{", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, reply []byte) {
		before := string(reply)
		err := (&qmp.Call{Command: "x"}).DecodeReply(reply)
		require.Equal(t, before, string(reply))
		_, refused := errors.AsType[*qmp.Error](err)
		_, undecoded := errors.AsType[*qmp.DecodeError](err)
		_, broken := errors.AsType[*qmp.ProtocolError](err)
		require.Equal(t, broken, errors.Is(err, qmp.ErrOutcomeUnknown))
		require.True(t, err == nil || refused || undecoded || broken)
		again := (&qmp.Call{Command: "x"}).DecodeReply([]byte(" \n" + before + "\r\n\t"))
		require.Equal(t, err == nil, again == nil)
		require.Equal(t, qmp.MayHaveExecuted(err), qmp.MayHaveExecuted(again))
	})
}
