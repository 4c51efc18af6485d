package qapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
)

// TestLoosen loosens a schema for a server that lacks members, or has them optional, in results and
// events of every shape.
func TestLoosen(t *testing.T) {
	s := load(t, `
{ 'enum': 'Kind', 'data': [ 'a', 'b', 'c', 'd' ] }
{ 'struct': 'Base', 'data': { 'kind': 'Kind', 'kept': 'int', 'lost': 'int' } }
{ 'struct': 'Ay', 'data': { 'kept-a': 'int', 'lost-a': 'int', 'loose-a': 'int' } }
{ 'struct': 'Be', 'data': { 'kept-b': 'int' } }
{ 'union': 'Multi', 'base': 'Base', 'discriminator': 'kind', 'data': { 'a': 'Ay', 'b': 'Be' } }
{ 'struct': 'Mirror', 'data': { 'synced': 'bool', 'speed': 'int' } }
{ 'union': 'Job', 'base': { 'type': 'Kind', 'id': 'str' }, 'discriminator': 'type', 'data': { 'a': 'Mirror' } }
{ 'struct': 'Sev', 'data': { 'policy': 'int' } }
{ 'union': 'Guest', 'base': { 'mode': 'Kind' }, 'discriminator': 'mode', 'data': { 'a': 'Sev' } }
{ 'struct': 'Thing', 'base': 'Deep', 'data': { 'x': 'int', 'next': [ 'Thing' ], 'if-x': { 'type': 'int', 'if': 'X' } } }
{ 'struct': 'Deep', 'data': { 'deep': 'str' } }
{ 'alternate': 'Either', 'data': { 's': 'str', 't': 'Thing' } }
{ 'struct': 'Sent', 'data': { 'mandatory': 'int' } }
{ 'command': 'multi', 'returns': [ 'Multi' ] }
{ 'command': 'job', 'returns': 'Job' }
{ 'command': 'guest', 'returns': 'Guest' }
{ 'struct': 'Holder', 'data': { 'e': [ 'Either' ] } }
{ 'command': 'either', 'returns': 'Holder', 'data': { 'sent': 'Sent', 'y': 'int' } }
{ 'struct': 'Plain', 'data': { 'p': 'Deep' } }
{ 'command': 'plain', 'returns': 'Plain' }
{ 'command': 'new', 'returns': 'Sent' }
{ 'event': 'HAPPENED', 'data': { 'when': 'int', 'where': 'str', 'deep': 'Deep' } }
`)
	theirs := load(t, `
{ 'enum': 'Kind', 'data': [ 'a', 'c' ] }
{ 'struct': 'Ay', 'data': { 'kept-a': 'int', '*loose-a': 'int' } }
{ 'union': 'Multi', 'base': { 'kind': 'Kind', 'kept': 'int' }, 'discriminator': 'kind', 'data': { 'a': 'Ay' } }
{ 'struct': 'Job', 'data': { 'type': 'str', 'speed': 'int', 'more': 'int' } }
{ 'struct': 'Guest', 'data': { 'policy': 'int' } }
{ 'struct': 'Thing', 'data': { 'x': 'int', '*deep': 'str', 'next': [ 'Thing' ] } }
{ 'struct': 'Sent', 'data': { '*mandatory': 'int' } }
{ 'alternate': 'IntOrEmpty', 'data': { 'i': 'int', 'o': 'Empty' } }
{ 'struct': 'Empty', 'data': { } }
{ 'struct': 'Plain', 'data': { 'p': 'IntOrEmpty' } }
{ 'command': 'multi', 'returns': [ 'Multi' ] }
{ 'command': 'job', 'returns': 'Job' }
{ 'command': 'guest', 'returns': 'Guest' }
{ 'struct': 'Holder', 'data': { 'e': [ 'Thing' ] } }
{ 'command': 'either', 'returns': 'Holder', 'data': { 'sent': 'Sent', '*y': 'int' } }
{ 'command': 'plain', 'returns': 'Plain' }
{ 'command': 'old', 'returns': 'Thing' }
{ 'event': 'HAPPENED', 'data': { '*when': 'int', 'where': 'str' } }
`)
	before := len(s.Definitions)
	server := theirs.Introspect(qapi.IntrospectOptions{})
	for range 2 {
		s.Loosen(server)
		require.Equal(t, map[string][]string{
			"Base": {"lost"}, "Ay": {"lost-a", "loose-a"}, "Be": nil, "Mirror": {"synced"}, "Sev": nil, "Holder": nil, "Plain": nil, "Sent": nil,
			"Thing": {"if-x"}, "Deep": {"deep"}, "Multi": {"lost"}, "Job": {"id"}, "Guest": nil,
			"HAPPENED": {"when", "deep"}, "either": nil,
		}, optionals(s))
		require.Len(t, s.Definitions, before)
	}
}

// optionals returns the optional members of all definitions that have members.
func optionals(s *qapi.Schema) map[string][]string {
	all := map[string][]string{}
	add := func(name string, members []*qapi.Member) {
		all[name] = nil
		for _, m := range members {
			if m.Optional {
				all[name] = append(all[name], m.Name)
			}
		}
	}
	for _, d := range s.Definitions {
		switch d := d.(type) {
		case *qapi.Struct:
			add(d.Name, d.Members)
		case *qapi.Union:
			add(d.Name, d.AllMembers())
		case *qapi.Command:
			if d.Arg != nil {
				add(d.Name, d.Arg.AllMembers())
			}
		case *qapi.Event:
			add(d.Name, d.Arg.AllMembers())
		}
	}
	return all
}
