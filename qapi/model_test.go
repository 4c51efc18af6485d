package qapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

func loadQEMU(t testing.TB) *qapi.Schema {
	s, err := qapi.LoadFS(schema.FS, "10.2/"+schema.QEMU, nil)
	require.NoError(t, err)
	return s
}

func TestBuiltins(t *testing.T) {
	s := load(t, `{ 'struct': 'All', 'data': {
		'a': 'str', 'b': 'number', 'c': 'int', 'd': 'int8', 'e': 'int16', 'f': 'int32', 'g': 'int64',
		'h': 'uint8', 'i': 'uint16', 'j': 'uint32', 'k': 'uint64', 'l': 'size', 'm': 'bool',
		'n': 'any', 'o': 'null' } }`)
	type builtin struct {
		name   string
		kind   qapi.JSONKind
		bits   int
		signed bool
	}
	var got []builtin
	for _, m := range s.Structs()[0].Members {
		b := m.Type.(*qapi.Builtin)
		got = append(got, builtin{b.TypeName(), b.JSONKind(), b.Bits(), b.Signed()})
	}
	require.Equal(t, []builtin{
		{"str", qapi.KindString, 0, false},
		{"number", qapi.KindNumber, 0, false},
		{"int", qapi.KindInt, 64, true},
		{"int8", qapi.KindInt, 8, true},
		{"int16", qapi.KindInt, 16, true},
		{"int32", qapi.KindInt, 32, true},
		{"int64", qapi.KindInt, 64, true},
		{"uint8", qapi.KindInt, 8, false},
		{"uint16", qapi.KindInt, 16, false},
		{"uint32", qapi.KindInt, 32, false},
		{"uint64", qapi.KindInt, 64, false},
		{"size", qapi.KindInt, 64, false},
		{"bool", qapi.KindBoolean, 0, false},
		{"any", qapi.KindValue, 0, false},
		{"null", qapi.KindNull, 0, false},
	}, got)
}

func TestTypes(t *testing.T) {
	s := load(t, `
		{ 'enum': 'Kind', 'prefix': 'KIND', 'data': [ 'a', { 'name': '2b', 'features': [ 'deprecated' ] } ] }
		{ 'struct': 'Base', 'data': { 'kind': 'Kind', '*next': 'Sub' } }
		{ 'struct': 'Sub', 'base': 'Base', 'data': { 'list': [ 'Ref' ], 'other': [ 'Ref' ] } }
		{ 'union': 'Either', 'base': 'Base', 'discriminator': 'kind', 'data': { '2b': 'Extra' } }
		{ 'struct': 'Extra', 'data': {} }
		{ 'alternate': 'Ref', 'data': { 'sub': 'Sub', 'kind': 'Kind', 'none': 'null', 'all': [ 'int' ] } }
	`)
	kinds := map[string]qapi.JSONKind{}
	for _, d := range s.Definitions {
		kinds[d.(qapi.Type).TypeName()] = d.(qapi.Type).JSONKind()
	}
	require.Equal(t, map[string]qapi.JSONKind{
		"Kind": qapi.KindString, "Base": qapi.KindObject, "Sub": qapi.KindObject,
		"Either": qapi.KindObject, "Extra": qapi.KindObject, "Ref": qapi.KindValue,
	}, kinds)

	kind := s.Lookup("Kind").(*qapi.Enum)
	require.Equal(t, "KIND", kind.Prefix)
	require.True(t, qapi.HasFeature(kind.Values[1].Features, qapi.Deprecated))
	require.False(t, qapi.HasFeature(kind.Values[1].Features, qapi.Unstable))
	require.Equal(t, "schema.json:2:52", kind.Values[1].Pos.String())

	sub := s.Lookup("Sub").(*qapi.Struct)
	require.Equal(t, []string{"kind", "next", "list", "other"}, memberNames(sub.AllMembers()))
	require.Len(t, sub.Members, 2)
	list := sub.Members[0].Type.(*qapi.Array)
	require.Equal(t, "['Ref']", list.TypeName())
	require.Equal(t, qapi.KindArray, list.JSONKind())
	require.Same(t, list, sub.Members[1].Type)
	require.True(t, sub.Base.Members[1].Optional)
	require.Same(t, sub, sub.Base.Members[1].Type)

	either := s.Unions()[0]
	require.Equal(t, []string{"kind", "next"}, memberNames(either.AllMembers()))
	require.Same(t, either.Base.Members[0], either.Discriminator)
	require.Len(t, either.Branches, 2)
	require.Equal(t, "2b", either.Branches[0].Value)
	require.Same(t, s.Lookup("Extra"), either.Branches[0].Type)
	require.Equal(t, "a", either.Branches[1].Value)
	require.Nil(t, either.Branches[1].Type)

	require.Len(t, s.Alternates()[0].Alternatives, 4)
	require.Equal(t, "all", s.Alternates()[0].Alternatives[3].Name)
}

func TestCommands(t *testing.T) {
	s := load(t, `
		{ 'struct': 'Point', 'data': { 'x': 'int' } }
		{ 'command': 'stop' }
		{ 'command': 'empty', 'data': {} }
		{ 'command': 'plot', 'data': { 'at': 'Point' }, 'allow-oob': true, 'allow-preconfig': true }
		{ 'command': 'move', 'data': 'Point', 'boxed': true, 'returns': [ 'Point' ], 'coroutine': true }
		{ 'command': 'raw', 'data': 'Point', 'gen': false, 'success-response': false }
		{ 'event': 'MOVED', 'data': 'Point', 'boxed': true }
		{ 'event': 'STOPPED' }
	`)
	stop := s.Lookup("stop").(*qapi.Command)
	require.Nil(t, stop.Arg)
	require.Nil(t, stop.Returns)
	require.Nil(t, s.Lookup("empty").(*qapi.Command).Arg)

	plot := s.Lookup("plot").(*qapi.Command)
	require.True(t, plot.Arg.Head().Implicit)
	require.Equal(t, "q_obj_plot-arg", plot.Arg.TypeName())
	require.Equal(t, plot.Pos, plot.Arg.Head().Pos)
	require.True(t, plot.AllowOOB)
	require.True(t, plot.AllowPreconfig)
	require.False(t, plot.Boxed || plot.NoGen || plot.NoReply || plot.Coroutine)
	require.Nil(t, s.Lookup("q_obj_plot-arg"))

	move := s.Lookup("move").(*qapi.Command)
	require.Same(t, s.Lookup("Point"), move.Arg)
	require.True(t, move.Boxed)
	require.True(t, move.Coroutine)
	require.Equal(t, "['Point']", move.Returns.TypeName())

	raw := s.Lookup("raw").(*qapi.Command)
	require.True(t, raw.NoGen)
	require.True(t, raw.NoReply)

	require.Equal(t, "MOVED", s.Events()[0].Name)
	require.True(t, s.Events()[0].Boxed)
	require.Nil(t, s.Events()[1].Arg)
}

// A union of QEMU 5.2 without a discriminator gets one.
func TestSimpleUnion(t *testing.T) {
	s := load(t, `
		{ 'struct': 'File', 'data': {} }
		{ 'union': 'Backend', 'if': 'defined(X)',
		  'data': { 'file': 'File', 'names': [ 'str' ], 'pty': { 'type': 'File', 'if': 'defined(PTY)' } } }
		{ 'union': 'Other', 'data': { 'file': 'File' } }
	`)
	require.Len(t, s.Definitions, 3)
	u := s.Unions()[0]
	require.True(t, u.Base.Implicit)
	require.Equal(t, []string{"type"}, memberNames(u.AllMembers()))
	kind := u.Discriminator.Type.(*qapi.Enum)
	require.Equal(t, "BackendKind", kind.Name)
	require.True(t, kind.Implicit)
	require.Equal(t, qapi.CondName("X"), kind.If)
	require.Equal(t, []string{"file", "names", "pty"}, valueNames(kind))
	require.Equal(t, qapi.CondName("PTY"), kind.Values[2].If)
	require.Equal(t, qapi.CondName("PTY"), u.Branches[2].If)

	file := u.Branches[0].Type
	require.Equal(t, "q_obj_File-wrapper", file.TypeName())
	require.Equal(t, []string{"data"}, memberNames(file.AllMembers()))
	require.Same(t, file, u.Branches[2].Type)
	require.Same(t, file, s.Unions()[1].Branches[0].Type)
	require.Equal(t, "['str']", u.Branches[1].Type.AllMembers()[0].Type.TypeName())

	// A wrapper has the condition of what it wraps.
	s = load(t, `
		{ 'union': 'Backend', 'if': 'X', 'data': { 'a': 'File', 'b': [ 'File' ], 'c': 'str' } }
		{ 'struct': 'File', 'if': 'Y', 'data': {} }
	`)
	u = s.Unions()[0]
	require.Equal(t, qapi.CondName("Y"), u.Branches[0].Type.Head().If)
	require.Equal(t, qapi.CondName("Y"), u.Branches[1].Type.Head().If)
	require.Nil(t, u.Branches[2].Type.Head().If)
}

// Accidents of the language are supported, too.
func TestNamesOfImplicitTypes(t *testing.T) {
	s := load(t, `
		{ 'command': 'a', 'data': { 'x': 'strList', 'tag': 'QType' } }
		{ 'command': 'b', 'data': 'q_obj_a-arg', 'returns': [ 'q_empty' ] }
		{ 'struct': 'Foo', 'base': 'q_empty', 'data': { 'if': 'FooList', 'foos': [ 'Foo' ] } }
	`)
	a, b := s.Commands()[0], s.Commands()[1]
	require.Same(t, a.Arg, b.Arg)
	require.Equal(t, "['str']", a.Arg.AllMembers()[0].Type.TypeName())
	require.Len(t, a.Arg.AllMembers()[1].Type.(*qapi.Enum).Values, 7)
	foo := s.Structs()[0]
	require.Empty(t, foo.Base.Members)
	require.Same(t, foo.Members[0].Type, foo.Members[1].Type)
	require.Equal(t, "if", foo.Members[0].Name)
	require.Nil(t, foo.Members[0].If)

	// They are copied like the others.
	u := s.Under(func(string) bool { return true })
	require.Empty(t, u.Structs()[0].Base.Members)
}

// The modules of the storage daemon are those of QEMU, seen from its own folder.
func TestModules(t *testing.T) {
	s, err := qapi.LoadFS(schema.FS, "10.2/"+schema.Storage, nil)
	require.NoError(t, err)
	require.Equal(t, "qapi-schema.json", s.Modules[0].Name)
	require.Equal(t, "10.2/storage-daemon/qapi/qapi-schema.json", s.Modules[0].Path)
	require.Equal(t, "../../qapi/pragma.json", s.Modules[1].Name)
	require.Equal(t, "10.2/storage-daemon/qapi/../../qapi/pragma.json", s.Modules[1].Path)

	var definitions []qapi.Definition
	for _, m := range s.Modules {
		for _, d := range m.Definitions {
			require.Same(t, m, d.Head().Module)
			require.Equal(t, m.Path, d.Head().Pos.File)
			definitions = append(definitions, d)
		}
	}
	require.ElementsMatch(t, s.Definitions, definitions)
}

// Included definitions come where the directive is.
func TestOrder(t *testing.T) {
	s := loadQEMU(t)
	first := s.Definitions[0].Head()
	require.Equal(t, "QapiErrorClass", first.Name)
	require.Equal(t, "error.json", first.Module.Name)
	require.Equal(t, []string{"qapi-schema.json", "pragma.json", "error.json", "common.json"},
		[]string{s.Modules[0].Name, s.Modules[1].Name, s.Modules[2].Name, s.Modules[3].Name})
}

func TestRealUnion(t *testing.T) {
	s := loadQEMU(t)
	opts := s.Lookup("BlockdevOptions").(*qapi.Union)
	require.Equal(t, "driver", opts.Discriminator.Name)
	require.Same(t, opts, s.Lookup("blockdev-add").(*qapi.Command).Arg)
	require.Equal(t, "0.14", s.Lookup("device_del").Head().Doc.Since)
	require.True(t, s.Lookup("device_add").(*qapi.Command).NoGen)

	can := s.Lookup("CanHostSocketcanProperties").(*qapi.Struct)
	require.Equal(t, []string{"if", "canbus"}, memberNames(can.AllMembers()))
}

func memberNames(members []*qapi.Member) []string {
	var names []string
	for _, m := range members {
		names = append(names, m.Name)
	}
	return names
}
