package qmp_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestUnmarshalIsStrict reads texts that encoding/json accepts and that a server never sends.
func TestUnmarshalIsStrict(t *testing.T) {
	for text, want := range map[string]string{
		`null`:                                  "expected an object, found null",
		`[]`:                                    "expected an object, found an array",
		`{"driver":"file","driver":"file"}`:     "repeated member",
		`{"driver":"file","filename":1}`:        "cannot decode filename at byte 28: expected a string, found a number",
		`{"driver":"file","filename":"\ud800"}`: "cannot decode filename",
		`{"driver":"null-co","size":9223372036854775808}`:          "cannot decode size",
		`{"driver":"qcow2","file":{"driver":"file","locking":[]}}`: "cannot decode file.locking",
	} {
		var v qemu.BlockdevOptions
		err := json.Unmarshal([]byte(text), &v)
		var decode *qmp.DecodeError
		require.ErrorAs(t, err, &decode, text)
		require.ErrorContains(t, err, want, text)
	}
	require.ErrorContains(t, qmp.Unmarshal([]byte("{}"), new(string)), "value is not of a generated type")
	require.ErrorContains(t, qmp.Unmarshal([]byte("{} 1"), new(qemu.DeviceAdd)), "something follows the value")
	_, err := qmp.Marshal(new(string))
	require.ErrorContains(t, err, "qmp: cannot encode: value is not of a generated type")
	_, err = qmp.Marshal(new(qemu.StatusInfo)) // which is received only
	require.ErrorContains(t, err, "with an encoder: use encoding/json")
	require.ErrorContains(t, qmp.Unmarshal([]byte("{}"), new(qemu.BlockResize)), "with a decoder: use encoding/json") // which is sent only
}

// TestArgsFromJSON reads values as the Go types that their documentation lists.
func TestArgsFromJSON(t *testing.T) {
	const text = `{"a":null,"b":true,"c":"é","d":-5,"e":18446744073709551615,"f":1.5,"g":1e3,"h":-0,` +
		`"i":123456789012345678901234567890,"j":[1,[]],"k":{"l":{}}}`
	var got qmp.Args
	require.NoError(t, json.Unmarshal([]byte(text), &got))
	require.Equal(t, qmp.Args{
		"a": nil, "b": true, "c": "é", "d": -5, "e": uint64(18446744073709551615), "f": 1.5, "g": qmp.RawJSON("1e3"), "h": qmp.RawJSON("-0"),
		"i": qmp.RawJSON("123456789012345678901234567890"), "j": []any{1, []any{}}, "k": qmp.Args{"l": qmp.Args{}},
	}, got)
	again, err := json.Marshal(got)
	require.NoError(t, err)
	require.Equal(t, text, string(again))

	got = qmp.Args{"old": 1}
	require.NoError(t, json.Unmarshal([]byte(`{}`), &got))
	require.Equal(t, qmp.Args{}, got)
	require.ErrorContains(t, json.Unmarshal([]byte(`{"a":1,"a":2}`), &got), "repeated member")
	require.ErrorContains(t, json.Unmarshal([]byte(`{"a":{"b":1,"b":2}}`), &got), "cannot decode a.b")
	require.ErrorContains(t, json.Unmarshal([]byte(`7`), &got), "expected an object")
}

// TestRedacted prints values of any type.
func TestRedacted(t *testing.T) {
	password := qemu.ChangeVNCPassword{Password: "geheim"}
	status := qemu.BlockInfo{Device: "d", Qdev: new("q"), Inserted: &qemu.BlockDeviceInfo{File: "https://u:geheim@h/"}}
	type own struct {
		Request qemu.ChangeVNCPassword `json:"request"`
		None    *string                `json:"none,omitzero"`
	}
	for want, v := range map[string]any{
		`{"password":"***"}`:                 password,
		`[{"password":"***"}]`:               []*qemu.ChangeVNCPassword{&password},
		`{"request":{"password":"***"}}`:     own{Request: password},
		`null`:                               (*qemu.ChangeVNCPassword)(nil),
		`"text"`:                             "text",
		`{"id":"disk1"}`:                     qemu.DeviceDel{ID: "disk1"},
		`{"device":"disk1","path":"/m/p"}`:   qemu.DeviceDeletedEvent{Device: new("disk1"), Path: "/m/p"},
		`{}`:                                 qemu.Stop{},
		`{"v":[{"driver":"x","psk":"***"}]}`: map[string]any{"v": []any{qemu.DeviceAdd{Driver: "x", Props: qmp.Args{"psk": "geheim"}}}},
	} {
		require.Equal(t, want, fmt.Sprint(qmp.Redacted(v)))
		text, err := json.Marshal(qmp.Redacted(v))
		require.NoError(t, err)
		require.JSONEq(t, want, string(text))
	}
	require.NotContains(t, qmp.Redacted(status).String(), "geheim")
	require.NotContains(t, qmp.Redacted(status).String(), "0x")
	require.Contains(t, qmp.Redacted(&status).String(), `"qdev":"q"`)

	var b strings.Builder
	for _, h := range []slog.Handler{slog.NewJSONHandler(&b, nil), slog.NewTextHandler(&b, nil)} {
		slog.New(h).Info("sending", "request", qmp.Redacted(password))
	}
	require.Contains(t, b.String(), `"request":{"password":"***"}`)
	require.Contains(t, b.String(), `request="{\"password\":\"***\"}"`)

	wrong := qmp.Redacted(map[int]string{1: "geheim"})
	require.NotContains(t, wrong.String(), "geheim")
	require.Contains(t, wrong.String(), "(not valid: a value of type map[int]string cannot be sent")
	_, err := json.Marshal(wrong)
	var encode *qmp.EncodeError
	require.ErrorAs(t, err, &encode)
}

// TestRedactedGo prints values that cannot be sent: structs without tags, with pointers, interfaces and functions.
func TestRedactedGo(t *testing.T) {
	type point struct{ X, y int }
	type tree struct {
		Name     string
		Parent   *tree
		Children []*tree
	}
	loop := &tree{Name: "loop"}
	loop.Children = []*tree{loop}
	for want, v := range map[string]any{
		`{"X":1}`: &point{1, 2},
		`{"Password":"***","Keys":["***"]}`: struct {
			Password string
			Keys     []string
			hidden   string
		}{"geheim", []string{"geheim"}, "geheim"},
		`{"Name":"a","Children":[{"Name":"b","Children":[]},null]}`: tree{Name: "a", Children: []*tree{{Name: "b"}, nil}},
		`{"Version":"10.2.1","Wait":"5s","Err":"no","Text":"3 bytes","Do":"func()"}`: struct {
			Version qmp.Version
			Wait    time.Duration
			Err     error
			None    error
			Text    []byte
			Do      func()
		}{qmp.Version{Major: 10, Minor: 2, Micro: 1}, 5 * time.Second, errors.New("no"), nil, []byte("abc"), func() {}},
		`{"a":{"X":7}}`: map[string]*point{"a": {X: 7}, "b": nil},
		`{"request":{"id":"disk1"},"Raw":{"execute":"stop"}}`: struct {
			Request qemu.DeviceDel `json:"request"`
			None    string         `json:"none,omitzero"`
			Raw     qmp.Raw
		}{Request: qemu.DeviceDel{ID: "disk1"}, Raw: qmp.Raw{Command: "stop"}},
	} {
		require.Equal(t, want, qmp.Redacted(v).String())
	}
	require.Contains(t, qmp.Redacted(loop).String(), "not valid")
}
