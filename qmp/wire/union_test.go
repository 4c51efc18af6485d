package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

func TestUnionsAreReadWhereverTheDiscriminatorIs(t *testing.T) {
	members := []schemaMember{{Name: "id", Type: "str"}, {Name: "n", Default: []byte("null")}}
	want := &schemaInfo{Name: "7", MetaType: "object", Features: []string{"unstable"}, Branch: &schemaObject{Members: members}}
	for name, text := range map[string]string{
		"first": `{"meta-type": "object", "members": [{"name": "id", "type": "str"}, {"name": "n", "default": null}], ` +
			`"name": "7", "new": [0], "features": ["unstable"]}`,
		"in the middle": `{"name": "7", "members": [{"name": "id", "type": "str"}, {"name": "n", "default": null}], ` +
			`"new": [0], "meta-type": "object", "features": ["unstable"]}`,
		"last": `{"name": "7", "members": [{"name": "id", "type": "str"}, {"name": "n", "default": null}], ` +
			`"new": [0], "features": ["unstable"], "meta-type": "object"}`,
	} {
		t.Run(name, func(t *testing.T) {
			got := new(schemaInfo)
			require.NoError(t, decode(text, got))
			require.Equal(t, want, got)
		})
	}
}

func TestUnionBranches(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want schemaInfo
	}{
		"no members of the branch": {`{"name": "a", "meta-type": "enum"}`,
			schemaInfo{Name: "a", MetaType: "enum", Branch: new(schemaEnum)}},
		"nothing but the discriminator": {`{"meta-type": "command"}`,
			schemaInfo{MetaType: "command", Branch: new(schemaCommand)}},
		"members of another branch": {`{"values": ["a"], "meta-type": "command", "members": [], "ret-type": "r"}`,
			schemaInfo{MetaType: "command", Branch: &schemaCommand{RetType: "r"}}},
		"an unknown discriminator, first": {`{"meta-type": "new", "values": ["a"], "name": "n", "x": {}}`,
			schemaInfo{Name: "n", MetaType: "new"}},
		"an unknown discriminator, last": {`{"values": ["a"], "x": {}, "name": "n", "meta-type": "new"}`,
			schemaInfo{Name: "n", MetaType: "new"}},
		"no discriminator": {`{"values": ["a"], "name": "n", "x": {}}`,
			schemaInfo{Name: "n", Branch: &rawBranch{map[string]string{"values": `["a"]`, "x": `{}`}}}},
		"an empty discriminator": {`{"meta-type": "", "values": ["a"], "name": "n"}`,
			schemaInfo{Name: "n", Branch: &rawBranch{map[string]string{"values": `["a"]`}}}},
		"an empty discriminator, last": {`{"values": ["a"], "name": "n", "meta-type": ""}`,
			schemaInfo{Name: "n", Branch: &rawBranch{map[string]string{"values": `["a"]`}}}},
		"nothing": {`{}`, schemaInfo{Branch: new(rawBranch)}},
		"escapes in the names of late members": {`{"valu\u0065s" : ["a"], "meta\u002dtype" : "enum"}`,
			schemaInfo{MetaType: "enum", Branch: &schemaEnum{Values: []string{"a"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got schemaInfo
			require.NoError(t, decode(test.text, &got))
			require.Equal(t, test.want, got)
		})
	}
}

func TestSchemaReply(t *testing.T) {
	infos, err := read([]byte(schemaReply(2)), func(d *wire.Decoder) []schemaInfo {
		return list(d, func(v *schemaInfo) { d.Object(v) })
	})
	require.NoError(t, err)
	require.Len(t, infos, 8)
	require.Equal(t, &schemaCommand{ArgType: "0", RetType: "1"}, infos[4].Branch)
	require.Equal(t, schemaMember{Name: "size", Type: "int", Default: []byte("null")},
		infos[5].Branch.(*schemaObject).Members[1])
	require.Equal(t, schemaInfo{Name: "[1]", MetaType: "array"}, infos[6])
	require.Equal(t, []string{"absolute-paths", "existing", "keep", "discard-data", "another-1"},
		infos[7].Branch.(*schemaEnum).Values)
}

func TestUnionRefusals(t *testing.T) {
	checkRefusals(t, func(d *wire.Decoder) { d.Object(new(schemaInfo)) }, []refusal{
		{`[]`, "", 0, "expected an object, found an array"},
		{`{"meta-type": 1}`, "meta-type", 14, "expected a string, found a number"},
		{`{"meta-type": "enum", "values": [1]}`, "values[0]", 33, "expected a string, found a number"},
		{`{"meta-type": "object", "members": [{}, {"name": 1}]}`, "members[1].name", 49, "expected a string, found a number"},
		{`{"meta-type": "object", "values": [01]}`, "values[0]", 35, "number with a leading zero"},
		{`{"meta-type": "new", "values": [01]}`, "values[0]", 32, "number with a leading zero"},
		{`{"values": [01]}`, "values[0]", 12, "number with a leading zero"},
		{`{"values": ["a", 1], "name": "b", "meta-type": "enum"}`, "values[1]", 17, "expected a string, found a number"},
		{`{"values": ["a"], "meta-type": "enum"`, "", 37, "expected a comma or the end of the object, found the end of the text"},
	})
}

func TestTag(t *testing.T) {
	for name, test := range map[string]struct {
		tag    string
		isNil  bool
		values []string
		want   string
		reason string
	}{
		"set, and served":         {tag: "tcp", values: []string{"unix", "tcp"}, want: "tcp"},
		"set, served alone":       {tag: "tcp", values: []string{"tcp"}, want: "tcp"},
		"set, any is served":      {tag: "new", want: "new"},
		"not set, one is served":  {values: []string{"tcp"}, want: "tcp"},
		"not set, two are served": {values: []string{"a", "b"}, reason: `discriminator is empty; the branch is for "a" or "b"`},
		"not set, three are served": {values: []string{"a", "b", "c"},
			reason: `discriminator is empty; the branch is for "a", "b" or "c"`},
		"not set, any is served": {reason: "discriminator is empty"},
		"set, another is served": {tag: "fd", values: []string{"tcp"},
			reason: `discriminator "fd" disagrees with the branch, which is for "tcp"`},
		"set, others are served": {tag: "a\nb", values: []string{"tcp", "unix"},
			reason: `discriminator "a\nb" disagrees with the branch, which is for "tcp" or "unix"`},
		"nil":                      {tag: "tcp", isNil: true, values: []string{"tcp"}, reason: "Branch holds a nil pointer"},
		"nil, not set":             {isNil: true, values: []string{"tcp"}, reason: "Branch holds a nil pointer"},
		"nil, any would be served": {tag: "new", isNil: true, reason: "Branch holds a nil pointer"},
	} {
		t.Run(name, func(t *testing.T) {
			e := wire.NewEncoder(nil)
			require.Equal(t, test.want, e.Tag(test.tag, test.isNil, test.values...))
			if test.reason == "" {
				require.NoError(t, e.Err())
			} else {
				requireError(t, e.Err(), "", -1, test.reason)
			}
			require.Empty(t, e.Bytes())
		})
	}
}

func TestTagFailsAtTheUnion(t *testing.T) {
	requireError(t, encodeError(func(e *wire.Encoder) {
		e.Object(members(func(e *wire.Encoder) {
			e.Name("id").String("a")
			e.Name("addr").Object(members(func(e *wire.Encoder) { e.Tag("", false) }))
		}))
	}), "addr", -1, "discriminator is empty")
}

func TestDiscriminator(t *testing.T) {
	require.Equal(t, `{"type":"tcp","id":"a"}`, encoded(t, func(e *wire.Encoder) {
		e.BeginObject()
		e.Discriminator("type", "tcp")
		e.Name("id").String("a")
		e.EndObject()
	}))
	requireError(t, encodeError(func(e *wire.Encoder) {
		e.BeginObject()
		e.Name("addr").BeginObject()
		e.Discriminator("type", "")
	}), "addr.type", -1, "discriminator is empty")
	requireError(t, encodeError(func(e *wire.Encoder) {
		e.BeginObject()
		e.Discriminator("type", "\xff")
	}), "type", -1, "string is not valid UTF-8")
}

// TestTagIfAny writes unions that a server sent without their discriminators.
func TestTagIfAny(t *testing.T) {
	write := func(tag string, isNil bool) func(*wire.Encoder) {
		return func(e *wire.Encoder) {
			e.Object(members(func(e *wire.Encoder) {
				e.Discriminator("type", e.TagIfAny(tag, isNil))
				e.Name("a").Int(1)
			}))
		}
	}
	require.Equal(t, `{"a":1}`, encoded(t, write("", false)))
	require.Equal(t, `{"type":"new","a":1}`, encoded(t, write("new", false)))
	requireError(t, encodeError(write("", true)), "", -1, "Branch holds a nil pointer")
}
