package qmp_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
)

// quote is a string as JSON.
func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestRedactStrings tests the secrets that are hidden in all strings.
func TestRedactStrings(t *testing.T) {
	for text, want := range map[string]string{
		"":            "",
		"data1":       "data1",
		"/srv/d@1.im": "/srv/d@1.im",

		// URLs
		"http://host:80/disk.img":                      "http://host:80/disk.img",
		"https://user:geheim@host/disk.img":            "https://user:***@host/disk.img",
		"HTTPS://user:geheim@host/disk.img":            "HTTPS://user:***@host/disk.img",
		"http://user:geheim@host:8080":                 "http://user:***@host:8080",
		"ftp://user:geheim@host/disk.img":              "ftp://user:***@host/disk.img",
		"ftps://user:geheim@host/disk.img":             "ftps://user:***@host/disk.img",
		"ftp://:geheim@host/disk.img":                  "ftp://:***@host/disk.img",
		"https://geheim@host/disk.img":                 "https://***@host/disk.img",
		"http://user:gehe@im@host/disk.img":            "http://user:***@host/disk.img",
		"http://user:gehe/im@host/disk.img":            "http://user:***@host/disk.img",
		"http://user:gehe?im@host/disk.img":            "http://user:***@host/disk.img",
		"http://user:gehe im@host/disk.img":            "http://user:***@host/disk.img",
		"http://host/disk.img?sig=geheim":              "http://host/disk.img?***",
		"http://user:geheim@host/disk.img?sig=geheim":  "http://user:***@host/disk.img?***",
		"ssh://user@host/disk.img":                     "ssh://user@host/disk.img",
		"ssh://user:geheim@host:22/disk.img":           "ssh://user:***@host:22/disk.img",
		"iscsi://user%geheim@host/iqn.2020.org/0":      "iscsi://user%***@host/iqn.2020.org/0",
		"iscsi://user%25x%geheim@host/iqn/0":           "iscsi://user%***@host/iqn/0",
		"nbd://host:10809/export":                      "nbd://host:10809/export",
		"nbd+unix:///export?socket=/run/s":             "nbd+unix:///export?socket=/run/s",
		"http://a:geheim@b http://c:geheim@d":          "http://a:***@d",
		"http://a/b http://c:geheim@d":                 "http://a/b http:***@d",
		"nbd://a http://geheim@d":                      "nbd://a http:***@d",
		"nbd+unix://? http://b?geheim":                 "nbd+unix://? http://b?***",
		"Could not open 'http://u:geheim@h/d': refuse": "Could not open 'http://u:***@h/d': refuse",

		// options
		"secret,id=s,data=geheim":                                                "secret,id=s,data=***",
		"rbd:pool/image:id=me:key=geheim==:mon_host=h":                           "rbd:pool/image:id=me:key=***",
		"driver=https,cookie=a=geheim,url=x":                                     "driver=https,cookie=***",
		"file.Password=geheim,,geheim":                                           "file.Password=***",
		"password-secret=s0,url=http://u:geheim@h/":                              "password-secret=s0,url=http://u:***@h/",
		"encrypt.key-secret=s0,passwordid=s1":                                    "encrypt.key-secret=s0,passwordid=s1",
		"password=":                                                              "password=",
		"tcp:10.0.2.100:1-cmd:netcat geheim":                                     "tcp:10.0.2.100:1-cmd:***",
		"exec:openssl enc -k geheim":                                             "exec:***",
		"unix:/run/s":                                                            "unix:/run/s",
		"server=on,wait=off,path=/run/s":                                         "server=on,wait=off,path=/run/s",
		"http://h/d and password=geheim":                                         "http://h/d and password=***",
		`json:{"driver":"https","cookie":"geheim","url":"x"}`:                    `json:{"driver":"https","cookie":"***","url":"x"}`,
		`json: {"file": {"driver": "https", "password": 1}}`:                     `json: {"file": {"driver": "https", "password": "***"}}`,
		`json:{"file.cookie":"geheim"}`:                                          `json:{"file.cookie":"***"}`,
		`json:{'file.cookie':'geheim','driver':'raw'}`:                           `json:{'file.cookie':"***",'driver':'raw'}`,
		`json:{'cookie':'ge\'heim'}`:                                             `json:{'cookie':"***"}`,
		`json:{"file.url":"http://u:geheim@h/"}`:                                 `json:{"file.url":"http://u:***@h/"}`,
		`json:{"file.filename":"json:{\"cookie\":\"geheim\"}"}`:                  `json:{"file.filename":"json:{\"cookie\":\"***\"}"}`,
		`Could not open 'json:{"cookie":"geheim"}': No such file`:                `Could not open 'json:{"cookie":"***"}': No such file`,
		`http://u:geheim@h/ json:{"cookie":"geheim"}`:                            `http://u:***@h/ json:{"cookie":"***"}`,
		`json:{"cookie":"geheim`:                                                 `json:{"cookie":"***"`,
		`json:no`:                                                                `json:no`,
		`json:{"key-secret":"s0","size":5,"read-only":true,"filename":"/srv/d"}`: `json:{"key-secret":"s0","size":5,"read-only":true,"filename":"/srv/d"}`,
	} {
		require.Equal(t, `{"desc": `+quote(want)+`}`, string(qmp.Redact([]byte(`{"desc": `+quote(text)+`}`))), text)
		require.Equal(t, `{"filename":`+quote(want)+`,"n":1}`, qmp.Args{"filename": text, "n": 1}.String(), "in Args: %s", text)
		require.Equal(t, `{"filename":[`+quote(want)+`]}`, qmp.Args{"filename": qmp.RawJSON(`[` + quote(text) + `]`)}.String(), "in RawJSON: %s", text)
	}
}

// TestRedactNames tests the members whose names mark secrets.
func TestRedactNames(t *testing.T) {
	for _, name := range []string{
		"password", "Password", "vnc-password", "adminPasswd", "file.password", "passphrase", "secret", "x-secret",
		"client_secret", "token", "vf-token", "cookie", "cookies", "key", "keys", "api-key", "private-key", "apikey",
		"credentials", "psk", "pin", "osk", "data", "user-data", "input-data", "out-data", "err-data", "buf-b64", "env", "arg", "args",
	} {
		require.Equal(t, `{`+quote(name)+`:"***"}`, qmp.Args{name: "geheim"}.String())
		require.Equal(t, `{`+quote(name)+`:"***"}`, qmp.Args{name: json.Number("-1.5e3")}.String())
		require.Equal(t, `{`+quote(name)+`:[["***","***"],"***"]}`, qmp.Args{name: []any{[]any{"geheim", 1}, "geheim"}}.String())
		require.Equal(t, `{`+quote(name)+`:true,"zz":[null,""]}`, qmp.Args{name: true, "zz": []any{nil, ""}}.String())
		require.Equal(t, `{"a":{`+quote(name)+`:"***","z":"shown"},"b":1,"c":[{`+quote(name)+`:"***"},"shown"]}`,
			qmp.Args{"a": qmp.Args{name: "geheim", "z": "shown"}, "b": 1, "c": []any{qmp.Args{name: "geheim"}, "shown"}}.String())
	}
	for _, name := range []string{
		"key-secret", "password-secret", "proxy-password-secret", "cookie-secret", "new-secret", "old-secret", "encrypt.key-secret",
		"passwordid", "keyid", "id", "keymap", "keyslot", "key-offset", "filename", "path", "serial", "tls-creds", "username", "",
	} {
		require.Equal(t, `{`+quote(name)+`:"shown"}`, qmp.Args{name: "shown"}.String())
	}
	for text, want := range map[string]string{
		// All that is in a secret is one. What is in data has names of its own.
		`{"password": {"a": "geheim", "b": [{"c": 1}]}, "d": "shown"}`: `{"password": {"a": "***", "b": [{"c": "***"}]}, "d": "shown"}`,
		`{"data": {"a": "shown", "key": "geheim"}, "d": "shown"}`:      `{"data": {"a": "shown", "key": "***"}, "d": "shown"}`,
		`{"data": [{"a": "shown"}, "geheim"], "d": "shown"}`:           `{"data": [{"a": "shown"}, "***"], "d": "shown"}`,
		`{"keys": [{"type": "qcode", "data": "g"}]}`:                   `{"keys": [{"type": "qcode", "data": "***"}]}`,
		`{"keys": [{"type": "number", "data": 34}]}`:                   `{"keys": [{"type": "number", "data": "***"}]}`,
		// Names with escapes, blanks and members that stand there twice.
		`{"pass\u0077ord" : "geheim" , "password":"geheim"}`: `{"pass\u0077ord" : "***" , "password":"***"}`,
		`{"password":"ge\"heim\\"}`:                          `{"password":"***"}`,
		`{"filename":"http:\/\/u:geheim\u0040h"}`:            `{"filename":"http://u:***@h"}`,
		// Strings that a property has, and whole results.
		`{"property":"data","value":"geheim"}`:             `{"property":"data","value":"***"}`,
		`{"property":"size","value":5}`:                    `{"property":"size","value":5}`,
		`{"return": "geheim", "id": 7}`:                    `{"return": "***", "id": 7}`,
		`{"return": 5, "id": 7}`:                           `{"return": 5, "id": 7}`,
		`"geheim"`:                                         `"***"`, // the result of qom-get by itself
		` ["geheim", 5]`:                                   ` ["***", 5]`,
		`[{"type": "string"}]`:                             `[{"type": "string"}]`,
		`{"return": {"status": "running"}, "id": 7}`:       `{"return": {"status": "running"}, "id": 7}`,
		`{"return": [{"name": "a", "value": "geheim"}]}`:   `{"return": [{"name": "a", "value": "***"}]}`,
		`{"return": {"count": 6, "buf-b64": "Z2VoZWlt"}}`:  `{"return": {"count": 6, "buf-b64": "***"}}`,
		`{"return": {"exited": true, "out-data": "Z2Vo"}}`: `{"return": {"exited": true, "out-data": "***"}}`,
		// What is no JSON.
		`{"password": "geheim`:             `{"password": "***"`,
		`]}"a"`:                            `]}"***"`,
		"{\"password\": \"\xff\"}":         `{"password": "***"}`,
		"{\"a\": \"password=\xff geheim\"": `{"a": "password=***"`,
		"{\"a\": \"\xff password=geheim\"": `{"a": "***"`,
		`{"return": inf, "id": 1}`:         `{"return": inf, "id": 1}`,
		`{"password": -`:                   `{"password": "***"`,
		`{"a": 'x'}`:                       `{"a": 'x'}`,
		`{"password": "a", "b": "`:         `{"password": "***", "b": "`,
		`{"password": "a\`:                 `{"password": "***"`,
		`{"x": "password=geheim\"}`:        `{"x": "password=***"`,
	} {
		require.Equal(t, want, string(qmp.Redact([]byte(text))), text)
	}
}

// TestRedactMonitorLines: the monitor for people takes secrets in many commands.
func TestRedactMonitorLines(t *testing.T) {
	for line, want := range map[string]string{
		"set_password vnc geheim":              "set_password ***",
		"set_password\tvnc geheim":             "set_password ***",
		"set_password\nvnc geheim":             "set_password ***",
		"  change vnc password geheim":         "change ***",
		"object_add secret,id=s,data=geheim":   "object_add ***",
		"drive_add 0 file=http://u:geheim@h/d": "drive_add ***",
		"migrate -d exec:geheim":               "migrate ***",
		"info":                                 "info",
		"info block -v":                        "info block -v",
		"info block http://u:geheim@h":         "info block http://u:***@h",
		"stop":                                 "stop",
		" stop ":                               " stop ",
		"":                                     "",
	} {
		require.Equal(t, `{"command-line":`+quote(want)+`}`, qmp.Args{"command-line": line}.String())
	}
}

// TestRedactKeepsText: text without secrets is not copied.
func TestRedactKeepsText(t *testing.T) {
	text := []byte(`{"QMP": {"version": {"qemu": {"micro": 0, "minor": 0}, "package": "a\u0062"}, "capabilities": ["oob"]}}`)
	got := qmp.Redact(text)
	require.Same(t, &text[0], &got[0])
	require.Len(t, got, len(text))
	require.Empty(t, qmp.Redact(nil))
	secret := []byte(`{"password":"geheim"}`)
	qmp.Redact(secret)
	require.Equal(t, `{"password":"geheim"}`, string(secret))
}

// FuzzRedact checks that JSON remains JSON, and that hidden text remains hidden.
func FuzzRedact(f *testing.F) {
	for _, text := range []string{
		`{"password": "geheim", "a": ["json:{'cookie':\"x\"}", -1.5e3, true, null], "data": {"key": 1}}`,
		`{"a": "http://user:geheim@host/a?b=c exec: password=x json:{\"a\":\"http://b:c@d\"}"}`,
		`{"command-line": "set_password vnc x", "value": "y", "return": "z"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := qmp.Redact(text)
		if json.Valid(text) && !json.Valid(got) {
			t.Fatalf("%s became %s", text, got)
		}
		if again := qmp.Redact(got); json.Valid(text) && string(again) != string(got) {
			t.Fatalf("%s became %s, then %s", text, got, again)
		}
	})
}
