package qapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

const conditional = `
{ 'enum': 'Kind',
  'data': [ 'file',
            { 'name': 'ring', 'if': 'RING', 'features': [ { 'name': 'fast', 'if': 'FAST' } ] },
            { 'name': 'none', 'if': 'NONE' } ] }
{ 'union': 'Backend',
  'base': { 'kind': 'Kind', '*speed': { 'type': 'int', 'if': 'FAST' } },
  'discriminator': 'kind',
  'data': { 'file': 'File', 'ring': { 'type': 'Ring', 'if': 'RING' } } }
{ 'struct': 'File', 'base': 'Common', 'data': { 'path': 'str' } }
{ 'struct': 'Common', 'data': { 'next': [ 'Backend' ] } }
{ 'struct': 'Ring', 'if': 'RING', 'data': {} }
{ 'alternate': 'Ref', 'data': { 'name': 'str', 'backend': { 'type': 'Backend', 'if': 'FAST' } } }
{ 'command': 'open', 'data': { 'ref': 'Ref' }, 'returns': 'File', 'features': [ { 'name': 'quick', 'if': 'FAST' } ] }
{ 'command': 'spin', 'data': 'Ring', 'if': { 'all': [ 'RING', 'FAST' ] } }
{ 'event': 'OPENED', 'data': { 'kind': 'Kind' } }
`

func under(t *testing.T, names ...string) *qapi.Schema {
	asked := map[string]int{}
	s := load(t, conditional).Under(func(name string) bool {
		asked[name]++
		for _, n := range names {
			if n == name {
				return true
			}
		}
		return false
	})
	for name, times := range asked {
		require.Equal(t, 1, times, name)
	}
	return s
}

func TestUnder(t *testing.T) {
	s := under(t, "RING")

	kind := s.Lookup("Kind").(*qapi.Enum)
	require.Equal(t, []string{"file", "ring"}, valueNames(kind))
	require.Empty(t, kind.Values[1].Features)

	backend := s.Lookup("Backend").(*qapi.Union)
	require.Len(t, backend.AllMembers(), 1)
	require.Same(t, backend.AllMembers()[0], backend.Discriminator)
	require.Same(t, kind, backend.Discriminator.Type)
	require.Len(t, backend.Branches, 2)
	require.Same(t, s.Lookup("File"), backend.Branches[0].Type)
	require.Same(t, s.Lookup("Ring"), backend.Branches[1].Type)
	require.Nil(t, backend.Branches[1].If)

	file := s.Lookup("File").(*qapi.Struct)
	require.Same(t, s.Lookup("Common"), file.Base)
	require.Same(t, backend, file.Base.Members[0].Type.(*qapi.Array).Element)
	require.Len(t, s.Lookup("Ref").(*qapi.Alternate).Alternatives, 1)

	require.Len(t, s.Commands(), 1)
	open := s.Commands()[0]
	require.Same(t, s.Lookup("Ref"), open.Arg.AllMembers()[0].Type)
	require.Same(t, file, open.Returns)
	require.Empty(t, open.Features)
	require.Nil(t, s.Lookup("spin"))
	require.Same(t, kind, s.Events()[0].Arg.AllMembers()[0].Type)

	require.Equal(t, s.Modules[0].Definitions, s.Definitions)
	require.Same(t, s.Modules[0], kind.Module)
}

// A type whose condition does not hold is removed, unless another part needs it.
func TestUnderTypes(t *testing.T) {
	require.Nil(t, under(t).Lookup("Ring"))
	require.NotNil(t, under(t, "RING").Lookup("Ring"))

	s := load(t, `
		{ 'struct': 'Ring', 'if': 'RING', 'data': {} }
		{ 'command': 'spin', 'data': { 'ring': 'Ring' } }
	`).Under(func(string) bool { return false })
	ring := s.Lookup("Ring")
	require.Same(t, ring, s.Commands()[0].Arg.AllMembers()[0].Type)
	require.Nil(t, ring.Head().If)
}

// The schema that was built from stays as it is.
func TestUnderKeeps(t *testing.T) {
	s := load(t, conditional)
	before := count(s)
	s.Under(func(string) bool { return false })
	require.Equal(t, before, count(s))
}

func TestUnderRealSchemas(t *testing.T) {
	for _, main := range schema.Mains {
		s, err := qapi.LoadFS(schema.FS, main, nil)
		require.NoError(t, err)
		all := count(s)
		all.conditions = 0
		if main == "10.2/"+schema.Guest {
			all.values-- // one is of builds without something
		}
		require.Equal(t, all, count(s.Under(func(string) bool { return true })), main)
		none := count(s.Under(func(string) bool { return false }))
		require.Zero(t, none.conditions)
		require.Less(t, none.commands+none.values, all.commands+all.values, main)
	}
}

func valueNames(e *qapi.Enum) []string {
	var names []string
	for _, v := range e.Values {
		names = append(names, v.Name)
	}
	return names
}
