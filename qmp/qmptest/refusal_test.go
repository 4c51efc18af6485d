package qmptest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// TestRefusedCommandsAreReported: a refused command alone does not fail the test. It is among the
// requests, is not a step of the script, and no handler sees it.
func TestRefusedCommandsAreReported(t *testing.T) {
	fake := newFakeTest(t)
	s := qmptest.NewServer(fake, &qmptest.Options{Schema: snapshot(t, schema.QEMU)})
	c := s.Dial()
	s.Handle("stop", func(*qmptest.Request) (any, error) { t.Error("not checked"); return nil, nil })
	s.Expect("query-name").Reply(map[string]string{"name": "vm"})
	s.Expect("device_del").With(map[string]string{"id": "x"})
	_, err := run(t, c, "stop", qmp.Args{"x": 1})
	require.ErrorIs(t, err, qmp.ErrGeneric)
	_, err = run(t, c, "query-name", nil)
	require.NoError(t, err)
	_, err = run(t, c, "device_del", nil)
	require.EqualError(t, err, "qmp: device_del: Parameter 'id' is missing")
	require.Len(t, s.Requests(), 3)
	require.Equal(t, []string{"qmptest: missing commands: device_del; unexpected commands: " +
		"stop (refused: Parameter 'x' is unexpected), device_del (refused: Parameter 'id' is missing)"}, fake.end())

	fake = newFakeTest(t)
	s = qmptest.NewServer(fake, &qmptest.Options{Schema: snapshot(t, schema.QEMU)})
	_, err = run(t, s.Dial(), "nope", nil)
	require.ErrorIs(t, err, qmp.ErrCommandNotFound)
	require.Empty(t, fake.end(), "nothing was expected")
}

func TestOutOfBandRefused(t *testing.T) {
	s := qmptest.NewServer(t, &qmptest.Options{Schema: snapshot(t, schema.QEMU)})
	s.Handle("query-yank", qmptest.Return([]int{}))
	conn := dialers(t)["socket"](s)
	readLine(t, conn)
	exchange(t, conn, `{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}`)
	require.Equal(t, `{"return":[]}`, exchange(t, conn, `{"exec-oob":"query-yank"}`))
	require.Equal(t, `{"error":{"class":"GenericError","desc":"The command stop does not support OOB"}}`,
		exchange(t, conn, `{"exec-oob":"stop"}`))
	require.Equal(t, `{"error":{"class":"CommandNotFound","desc":"The command nope has not been found"}}`,
		exchange(t, conn, `{"exec-oob":"nope"}`))
	require.Equal(t, `{"error":{"class":"GenericError","desc":"QMP input member 'execute' clashes with 'exec-oob'"}}`,
		exchange(t, conn, `{"exec-oob":"query-yank","execute":"stop"}`))

	s = qmptest.NewServer(t, &qmptest.Options{Capabilities: []string{"ours"}})
	conn = dialers(t)["socket"](s)
	readLine(t, conn)
	require.Equal(t, `{"error":{"class":"GenericError","desc":"Capability oob not available"}}`,
		exchange(t, conn, `{"execute":"qmp_capabilities","arguments":{"enable":["ours","oob"]}}`))
	require.Equal(t, `{"return":{}}`, exchange(t, conn, `{"execute":"qmp_capabilities","arguments":{"enable":["ours"]}}`))
}

// TestDrainOfStorageDaemon: it has no getfd, which the client sends by itself after files.
func TestDrainOfStorageDaemon(t *testing.T) {
	s := qmptest.NewServer(t, &qmptest.Options{Schema: snapshot(t, schema.Storage)})
	_, err := run(t, s.Dial(), "getfd", qmp.Args{"fdname": "0"})
	require.ErrorIs(t, err, qmp.ErrCommandNotFound)
	require.Empty(t, s.Requests())
}

// TestOtherSchemas: of a future QEMU, of no QEMU, and with the names of types.
func TestOtherSchemas(t *testing.T) {
	s, err := introspect.Read([]byte(`[
		{"name": "do", "meta-type": "command", "arg-type": "1", "ret-type": "0"},
		{"name": "strange", "meta-type": "command", "arg-type": "no object", "ret-type": "0"},
		{"name": "0", "meta-type": "object", "members": []},
		{"name": "1", "meta-type": "object", "members": [
			{"name": "either", "type": "2", "default": null},
			{"name": "named", "type": "Named", "default": null},
			{"name": "new", "type": "3", "default": null},
			{"name": "lost", "type": "lost", "default": null},
			{"name": "any", "type": "any", "default": null},
			{"name": "ratio", "type": "number", "default": null},
			{"name": "open", "type": "4", "default": null},
			{"name": "u", "type": "5", "default": null}]},
		{"name": "2", "meta-type": "alternate", "members": [{"type": "int"}, {"type": "bool"}, {"type": "[int]"}]},
		{"name": "Named", "meta-type": "alternate", "members": [{"type": "int"}]},
		{"name": "3", "meta-type": "new kind"},
		{"name": "4", "meta-type": "alternate", "members": [{"type": "int"}, {"type": "3"}]},
		{"name": "5", "meta-type": "object", "members": [{"name": "t", "type": "6"}], "tag": "t",
			"variants": [{"case": "a", "type": "lost"}]},
		{"name": "6", "meta-type": "enum", "members": [{"name": "a"}, {"name": "b"}], "values": ["a", "b"]},
		{"name": "[int]", "meta-type": "array", "element-type": "int"},
		{"name": "int", "meta-type": "builtin", "json-type": "int"},
		{"name": "bool", "meta-type": "builtin", "json-type": "boolean"},
		{"name": "number", "meta-type": "builtin", "json-type": "number"},
		{"name": "any", "meta-type": "builtin", "json-type": "value"}]`))
	require.NoError(t, err)
	c := checked(t, s, qmp.Version{})
	for _, test := range [][3]string{
		{"do", `{"either":1}`, ""},
		{"do", `{"either":false}`, ""},
		{"do", `{"either":1.5}`, "Invalid parameter type for 'either', expected: integer"},
		{"do", `{"either":["x"]}`, "Invalid parameter type for 'either[0]', expected: integer"},
		{"do", `{"either":"x"}`, "Invalid parameter type for 'either', expected: array or boolean or number"},
		{"do", `{"named":"x"}`, "Invalid parameter type for 'named', expected: Named"},
		{"do", `{"new":"x","lost":1,"any":{"x":[]},"ratio":1,"open":"x"}`, ""},
		{"do", `{"ratio":2.5e3}`, ""},
		{"do", `{"ratio":"1"}`, "Invalid parameter type for 'ratio', expected: number"},
		{"do", `{"u":{"t":"a"}}`, ""},
		{"do", `{"u":{"t":"b"}}`, ""},
		{"do", `{"u":{"t":"b","x":1}}`, "Parameter 'u.x' is unexpected"},
		{"strange", `{"x":1}`, ""},
	} {
		_, desc := send(t, c, test[0], test[1])
		require.Equal(t, test[2], desc, test[1])
	}
}
