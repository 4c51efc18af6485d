package qmp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// tracer keeps what Options.Trace and the Logger are told.
type tracer struct {
	log      lockedBuffer
	messages []qmp.TraceMessage
}

// options are for a connection without goroutines that send at the same time as others receive.
func (tr *tracer) options() *qmp.Options {
	return &qmp.Options{
		OOB:    true,
		Logger: slog.New(slog.NewJSONHandler(&tr.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Trace: func(m qmp.TraceMessage) {
			tr.log.mu.Lock()
			defer tr.log.mu.Unlock()
			m.Text = slices.Clone(m.Text)
			tr.messages = append(tr.messages, m)
		},
	}
}

// last is the text of the last message that was sent, or received.
func (tr *tracer) last(sent bool) string {
	tr.log.mu.Lock()
	defer tr.log.mu.Unlock()
	for _, m := range slices.Backward(tr.messages) {
		if m.Sent == sent {
			return string(m.Text)
		}
	}
	return ""
}

// text is all that was told, in lines.
func (tr *tracer) text() string {
	tr.log.mu.Lock()
	defer tr.log.mu.Unlock()
	text := tr.log.b.String()
	for _, m := range tr.messages {
		text += string(m.Text) + "\n"
	}
	return text
}

// twice marshals for the log and for the server, and not a third time.
type twice struct{ calls int }

func (v *twice) MarshalJSON() ([]byte, error) {
	if v.calls++; v.calls > 2 {
		return nil, errors.New("geheim")
	}
	return []byte(`1`), nil
}

// TestTraceOfCommands compares the trace with the bytes that were sent.
func TestTraceOfCommands(t *testing.T) {
	var tr tracer
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, tr.options())
	for _, call := range []struct {
		name string
		call qmp.Call
		want string // of arguments; empty for none
		told string // in the log
	}{
		{"typed", qmp.Call{Args: &setPassword{"vnc", "geheim"}}, `{"protocol":"vnc","password":"***"}`, ""},
		{"no arguments", qmp.Call{}, ``, ``},
		{"empty arguments", qmp.Call{Args: qmp.Args{}}, ``, `{}`},
		{"nil arguments", qmp.Call{Args: qmp.Args(nil)}, ``, `{}`},
		{"out of band", qmp.Call{Args: qmp.Args{"uri": "exec:geheim"}, OOB: true}, `{"uri":"exec:***"}`, ""},
		{"properties", qmp.Call{Args: qmp.Args{"driver": "x", "id": "d", "password": "geheim", "serial": "s"}},
			`{"driver":"x","id":"d","password":"***","serial":"s"}`, ""},
		{"monitor", qmp.Call{Args: qmp.Args{"command-line": "set_password vnc geheim"}}, `{"command-line":"set_password ***"}`, ""},
		{"filename", qmp.Call{Args: qmp.Args{"file": qmp.RawJSON(`{"filename": "https://u:geheim@h/"}`)}},
			`{"file":{"filename":"https://u:***@h/"}}`, ""},
		{"secret object", qmp.Call{Args: qmp.Args{"qom-type": "secret", "id": "s", "data": "geheim"}},
			`{"data":"***","id":"s","qom-type":"secret"}`, ""},
		{"text of a moment", qmp.Call{Args: qmp.Args{"x": &twice{}}}, `"***"`, `{"x":1}`},
	} {
		t.Run(call.name, func(t *testing.T) {
			call.call.Command = "command"
			s.Expect("command")
			require.NoError(t, c.Execute(limit(t), &call.call))
			name := "execute"
			if call.call.OOB {
				name = "exec-oob"
			}
			want := call.want
			if want != "" {
				want = `,"arguments":` + want
			}
			got := tr.last(true)
			require.Regexp(t, `^\{"`+name+`":"command"`, got)
			require.Contains(t, got, `"command"`+want+`,"id":`)
			require.True(t, json.Valid([]byte(got)), got)
			if call.told == "" && call.want != "" {
				call.told = call.want
			}
			require.Contains(t, tr.log.b.String(), `"arguments":`+quote(call.told))
		})
	}
}

// TestTraceOfRaw hides all arguments, also in String.
func TestTraceOfRaw(t *testing.T) {
	var tr tracer
	s := qmptest.NewServer(t, unchecked)
	s.Expect("anything").Reply("geheim")
	c := connect(t, s, tr.options())
	raw := qmp.Raw{Command: "anything", Args: qmp.Args{"name": "geheim", "list": []any{"geheim"}}}
	result, err := raw.Do(limit(t), c)
	require.NoError(t, err)
	require.Equal(t, `"geheim"`, result.String(), "the result itself is not redacted")
	require.Contains(t, tr.last(true), `{"execute":"anything","arguments":{"list":"***","name":"***"},"id":`)
	require.JSONEq(t, `{"return":"***","id":`+id(tr.last(true))+`}`, tr.last(false))
	require.NotContains(t, tr.log.b.String(), "geheim")
	require.Equal(t, `anything {"list":"***","name":"***"}`, fmt.Sprint(raw))
	require.Equal(t, `anything {}`, qmp.Raw{Command: "anything"}.String())
	require.NotContains(t, fmt.Sprint([]qmp.Raw{raw}), "geheim")

	// A wrapper of the client that prints calls.
	_, err = raw.Do(limit(t), printing{t})
	require.NoError(t, err)
}

// id is the id of a message.
func id(message string) string {
	var m struct{ ID json.Number }
	if err := json.Unmarshal([]byte(message), &m); err != nil {
		panic(err)
	}
	return m.ID.String()
}

// printing is an executor that prints calls.
type printing struct{ t *testing.T }

func (x printing) Execute(_ context.Context, call *qmp.Call) error {
	require.NotContains(x.t, fmt.Sprintf("%v %+v %s", call, call, call.Args), "geheim")
	return nil
}

// TestTraceOfMessages: messages from a server can have secrets, too.
func TestTraceOfMessages(t *testing.T) {
	var tr tracer
	s := qmptest.NewServer(t, unchecked)
	c := connect(t, s, tr.options())
	for _, m := range []struct{ result, want string }{
		{`{"status":"running","running":true}`, `{"status":"running","running":true}`},
		{`"-- geheim --"`, `"***"`},
		{`42`, `42`},
		{`{"count":6,"buf-b64":"geheim","eof":true}`, `{"count":6,"buf-b64":"***","eof":true}`},
		{`[{"file":"json:{\"driver\":\"https\",\"cookie\":\"geheim\"}","ro":true}]`, `[{"file":"json:{\"driver\":\"https\",\"cookie\":\"***\"}","ro":true}]`},
	} {
		s.Expect("query").Reply(json.RawMessage(m.result))
		var got qmp.RawJSON
		require.NoError(t, c.Execute(limit(t), &qmp.Call{Command: "query", Result: func(d *wire.Decoder) { got = d.Raw() }}))
		require.JSONEq(t, m.result, got.String(), "the caller has all of it")
		require.JSONEq(t, `{"return":`+m.want+`,"id":`+id(tr.last(true))+`}`, tr.last(false))
	}

	s.Expect("query").Refuse(qmp.ErrGeneric, "Could not open 'http://u:geheim@h/d'")
	_, err := run(limit(t), c, "query")
	require.EqualError(t, err, "qmp: query: Could not open 'http://u:***@h/d'")
	var refusal *qmp.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "Could not open 'http://u:geheim@h/d'", refusal.Desc)
	require.NotContains(t, tr.last(false), "geheim")
	require.NotContains(t, tr.log.b.String(), "geheim")

	events := c.Events()
	defer events.Close()
	s.Event("BLOCK_JOB_ERROR", map[string]any{"device": "http://u:geheim@h/d"})
	_, err = events.Next(limit(t))
	require.NoError(t, err)
	require.Contains(t, tr.last(false), `"http://u:***@h/d"`)
}

// TestTraceFields: a filter needs no JSON to know which command, reply or event a message is.
func TestTraceFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr tracer
		s := qmptest.NewServer(t, unchecked)
		s.Handle("slow", qmptest.Delay(3*time.Second, qmptest.Return(nil)))
		c := connect(t, s, tr.options())
		events := c.Events()
		defer events.Close()
		_, err := run(limit(t), c, "slow")
		require.NoError(t, err)
		s.Event("STOP", nil)
		_, err = events.Next(limit(t))
		require.NoError(t, err)
		s.Write([]byte(`{"return": {}, "id": 77}`))
		_, err = run(limit(t), c, "slow")
		require.NoError(t, err)

		type told struct {
			sent           bool
			command, event string
			duration       time.Duration
		}
		var all []told
		ids := map[uint64]bool{}
		for _, m := range tr.messages {
			all = append(all, told{m.Sent, m.Command, m.Event, m.Duration})
			if m.Command != "" {
				require.Equal(t, strconv.FormatUint(m.ID, 10), id(string(m.Text)))
				ids[m.ID] = true
			}
		}
		require.Equal(t, []told{
			{}, // the greeting
			{sent: true, command: "qmp_capabilities"},
			{command: "qmp_capabilities"},
			{sent: true, command: "slow"},
			{command: "slow", duration: 3 * time.Second},
			{event: "STOP"},
			{}, // the reply to nobody
			{sent: true, command: "slow"},
			{command: "slow", duration: 3 * time.Second},
		}, all)
		require.Len(t, ids, 3)
		require.NoError(t, c.Close())
	})
}
