package qmp_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// TestRedactRequests sends "geheim" wherever a request takes a secret. Redacted, String and a Raw with the
// same arguments hide it; JSON has it.
func TestRedactRequests(t *testing.T) {
	curl := &qemu.BlockdevOptionsCurlHTTPS{URL: "https://u:geheim@h/d?t=geheim", Cookie: new("geheim"), PasswordSecret: new("shown")}
	for _, c := range []struct {
		request any
		shown   string // the place of what is hidden
	}{
		{qemu.SetPassword{Password: "geheim", Branch: &qemu.SetPasswordOptionsVNC{}}, `"password":"***"`},
		{qemu.ChangeVNCPassword{Password: "geheim"}, `"password":"***"`},
		{qemu.HumanMonitorCommand{CommandLine: "set_password vnc geheim"}, `"set_password ***"`},
		{qemu.HumanMonitorCommand{CommandLine: "change vnc password geheim"}, `"change ***"`},
		{qemu.ObjectAdd{ID: "s", QOMType: "secret", Branch: &qemu.SecretProperties{Data: new("geheim")}}, `"data":"***"`},
		{qemu.ObjectAdd{ID: "s", QOMType: "new", Branch: &qemu.RawBranch{Members: qmp.Args{"data": "geheim"}}}, `"data":"***"`},
		{qemu.QOMSet{Path: "/objects/s", Property: "data", Value: qmp.RawJSON(`"geheim"`)}, `"property":"data","value":"***"`},
		{qemu.DeviceAdd{Driver: "new", Props: qmp.Args{"password": "geheim", "vf-token": "geheim", "serial": "shown"}},
			`"password":"***","serial":"shown","vf-token":"***"`},
		{qemu.BlockdevAdd{NodeName: new("n"), Branch: curl}, `"url":"https://u:***@h/d?***"`},
		{qemu.BlockdevAdd{NodeName: new("n"), Branch: curl}, `"password-secret":"shown"`},
		{qemu.BlockdevAdd{NodeName: new("n"), Driver: "new", Branch: &qemu.RawBranch{Members: qmp.Args{"file.cookie": "geheim"}}}, `"file.cookie":"***"`},
		{qemu.BlockdevSnapshotSync{SnapshotFile: `json:{"driver":"https","cookie":"geheim"}`}, `\"cookie\":\"***\"`},
		{qemu.DriveMirror{Device: "d", Target: "rbd:p/i:id=me:key=geheim:conf=c"}, `"rbd:p/i:id=me:key=***"`},
		{qemu.DriveMirror{Device: "d", Target: "iscsi://me%geheim@h/iqn/0"}, `"iscsi://me%***@h/iqn/0"`},
		{qemu.Migrate{URI: new("exec:nc -k geheim")}, `"exec:***"`},
		{qemu.Migrate{Channels: []qemu.MigrationChannel{{ChannelType: "main",
			Addr: qemu.MigrationAddress{Branch: &qemu.MigrationExecCommand{Args: []string{"nc", "geheim"}}}}}},
			`"args":["***","***"]`},
		{qemu.MigrateSetParameters{CPRExecCommand: []string{"qemu", "geheim"}}, `"cpr-exec-command":["***","***"]`},
		{qemu.NetdevAdd{ID: "n", Branch: &qemu.NetdevUserOptions{Guestfwd: []qemu.String{{Str: "tcp:10.0.2.100:1-cmd:nc geheim"}}}},
			`"tcp:10.0.2.100:1-cmd:***"`},
		{qemu.SendKey{Keys: []qemu.KeyValue{{Branch: new(qemu.QKeyCode("geheim"))}, {Branch: new(qemu.KeyValueNumber(30))}}},
			`"keys":[{"type":"qcode","data":"***"},{"type":"number","data":"***"}]`},
		{qemu.InputSendEvent{Events: []qemu.InputEvent{{Branch: &qemu.InputKeyEvent{Down: true,
			Key: qemu.KeyValue{Branch: new(qemu.QKeyCode("geheim"))}}}}},
			`{"key":{"type":"qcode","data":"***"},"down":true}`},
		{qemu.RingbufWrite{Device: "c", Data: "geheim"}, `"data":"***"`},
		{guest.GuestSSHAddAuthorizedKeys{Username: "me", Keys: []string{`command="geheim" ssh-rsa AAAA`}}, `"username":"me","keys":["***"]`},
		{guest.GuestSetUserPassword{Username: "me", Password: "geheim"}, `"username":"me","password":"***"`},
		{guest.GuestFileWrite{BufB64: "geheim"}, `"buf-b64":"***"`},
		{guest.GuestExec{Path: "/bin/sh", Arg: []string{"-c", "geheim"}, Env: []string{"P=geheim"}, InputData: new("geheim")},
			`"path":"/bin/sh","arg":["***","***"],"env":["***"],"input-data":"***"`},
	} {
		sent, err := json.Marshal(c.request)
		require.NoError(t, err)
		shown := qmp.Redacted(c.request).String()
		if s, ok := c.request.(fmt.Stringer); ok {
			require.Equal(t, shown, s.String())
		}
		marshalled, err := json.Marshal(qmp.Redacted(c.request))
		require.NoError(t, err)
		require.JSONEq(t, shown, string(marshalled))
		require.Contains(t, string(sent), "geheim", "%T", c.request)
		require.NotContains(t, shown, "geheim", "%T", c.request)
		require.Contains(t, shown, c.shown)

		var args qmp.Args
		require.NoError(t, json.Unmarshal(sent, &args))
		require.NotContains(t, args.String(), "geheim", "%T", c.request)
		require.NotContains(t, qmp.Args{"a": qmp.RawJSON(sent)}.String(), "geheim", "%T", c.request)
		require.NotContains(t, string(qmp.Redact(sent)), "geheim", "%T", c.request)
	}
}

// TestRequestsWithSecretsInText prints requests that have a secret in the midst of a text, or as a property's
// value.
func TestRequestsWithSecretsInText(t *testing.T) {
	for _, request := range []any{
		qemu.HumanMonitorCommand{CommandLine: "set_password vnc geheim"},
		qemu.QOMSet{Path: "/objects/s", Property: "data", Value: qmp.RawJSON(`"geheim"`)},
		qemu.Migrate{URI: new("exec:nc -k geheim")},
		qemu.MigrateIncoming{URI: new("exec:nc -k geheim")},
		qemu.MigrateRecover{URI: "exec:nc -k geheim"},
	} {
		require.NotContains(t, fmt.Sprintf("%v %+v", request, []any{request}), "geheim", "%T", request)
	}
}

// TestRedactedForAnyVerb: a verb that does not call String, as those of tests and debuggers, shows no secret
// either.
func TestRedactedForAnyVerb(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		shown := fmt.Sprintf(verb, qmp.Redacted(qemu.ChangeVNCPassword{Password: "geheim"}))
		require.NotContains(t, shown, "geheim", verb)
	}
	require.Equal(t, "null", qmp.RedactedValue{}.String())
	require.Equal(t, "null", qmp.Redacted(nil).String())
}

// TestEmptyRawJSON: a RawJSON without text is null on the wire, as JSON and as text.
func TestEmptyRawJSON(t *testing.T) {
	for _, value := range []qmp.RawJSON{nil, {}} {
		request := qemu.QOMSet{Path: "/machine", Property: "p", Value: value}
		const want = `{"path":"/machine","property":"p","value":null}`
		text, err := json.Marshal(request)
		require.NoError(t, err)
		require.Equal(t, want, string(text))
		sent, err := qmp.Marshal(&request)
		require.NoError(t, err)
		require.Equal(t, want, string(sent))
		require.Equal(t, "null", value.String())
	}
}
