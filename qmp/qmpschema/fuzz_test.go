package qmpschema

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// loops has types that lead to themselves, and to types that are not there.
const loops = `[
	{"name": "c", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
	{"name": "0", "meta-type": "object", "members": [{"name": "t", "type": "1"}, {"name": "a", "type": "2"}, {"name": "l", "type": "3"}, {"name": "n", "type": "9"}],
		"tag": "t", "variants": [{"case": "self", "type": "0"}, {"case": "other", "type": "4"}, {"case": "gone", "type": "9"}, {"case": "enum", "type": "1"}]},
	{"name": "1", "meta-type": "enum", "members": [{"name": "self"}, {"name": "other"}, {"name": "gone"}, {"name": "enum"}, {"name": "none"}], "values": []},
	{"name": "2", "meta-type": "alternate", "members": [{"type": "2"}, {"type": "9"}]},
	{"name": "3", "meta-type": "array", "element-type": "3"},
	{"name": "4", "meta-type": "object", "members": [], "tag": "t", "variants": [{"case": "other", "type": "0"}, {"case": "self", "type": "4"}]}
]`

// TestSchemasThatNoServerHas come to an end.
func TestSchemasThatNoServerHas(t *testing.T) {
	s, err := introspect.Read([]byte(loops))
	require.NoError(t, err)
	for _, test := range []struct {
		arguments qmp.Args
		missing   []string
	}{
		{qmp.Args{"t": "self", "x": 1}, nil},
		{qmp.Args{"t": "other", "x": 1}, nil},
		{qmp.Args{"t": "gone", "x": 1}, nil},
		{qmp.Args{"t": "enum", "x": 1}, nil},
		{qmp.Args{"t": "none", "x": 1}, nil},
		{qmp.Args{"t": 1, "x": 1}, []string{"c/arg-type/t/!int"}},
		{qmp.Args{"x": 1}, nil},
		{qmp.Args{"a": qmp.Args{}, "n": nil}, nil},
		{qmp.Args{"l": []any{[]any{}, []any{1}}}, []string{"c/arg-type/l/!int"}},
	} {
		missing, err := MissingIn(s, qmp.Raw{Command: "c", Args: test.arguments})
		require.NoError(t, err)
		require.Equal(t, test.missing, missing, "%v", test.arguments)
	}
}

// FuzzMissing looks for arguments in any schema; a name such as "5.2" stands for the one of that QEMU.
func FuzzMissing(f *testing.F) {
	servers := map[string]*introspect.Schema{}
	for _, version := range versions {
		servers[version] = captured(f, version)
		f.Add(version, "blockdev-add", `{"driver":"qcow2","file":{"driver":"file","filename":"x","aio":"none"},"backing":null,"new":[1]}`)
		f.Add(version, "transaction", `{"actions":[{"type":"block-dirty-bitmap-merge","data":{"node":"x","target":"y","bitmaps":["z",7,{"new":1}]}}]}`)
	}
	f.Add(loops, "c", `{"t":"other","a":[1],"l":[[[]]],"x":{}}`)
	f.Fuzz(func(t *testing.T, from, command, text string) {
		s, err := servers[from], error(nil)
		if s == nil {
			if s, err = introspect.Read([]byte(from)); err != nil {
				return
			}
		}
		var arguments qmp.Args
		if arguments.UnmarshalJSON([]byte(text)) != nil || command == "" {
			return
		}
		missing, err := MissingIn(s, qmp.Raw{Command: command, Args: arguments})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range missing {
			if !strings.HasPrefix(path, command) {
				t.Error(path)
			}
		}
	})
}
