package qapi_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/golden"
	"github.com/qmpkit/qmpkit/qapi"
)

// FuzzLoad checks that any two files, of which the first may include the second, make a
// schema that is complete, or diagnostics.
func FuzzLoad(f *testing.F) {
	for _, seed := range [][2]string{
		{"", ""},
		{
			"{ 'include': 'b' }\n{ 'command': 'c', 'data': { '*x': ['Ee'] }, 'returns': 'Ss', 'if': 'X' }",
			"{ 'enum': 'Ee', 'data': [ 'a', { 'name': 'b', 'if': 'Y' } ] } { 'struct': 'Ss', 'data': { 'e': 'Ee' } }",
		},
		{
			"{ 'union': 'Uu', 'base': { 'e': 'Ee' }, 'discriminator': 'e', 'data': { 'a': 'Uu' } }{ 'include': 'b' }",
			"{ 'enum': 'Ee', 'data': [ 'a' ] }{ 'include': 'a' }",
		},
		{"{ 'union': 'Uu', 'data': { 'a': 'int', 'b': ['Uu'] } } { 'alternate': 'Aa', 'data': { 'x': 'UuKind' } }", ""},
		{"##\n# @Ss:\n#\n# @x: y\n#\n# Features:\n# @f: g\n##\n{ 'struct': 'Ss', 'base': 'Ss', 'data': { 'x': 'str' } }", ""},
		{"{ 'pragma': { 'doc-required': true, 'member-name-exceptions': [ 'Ee' ] } }", "{ 'event': 'E' }"},
		{"{ 'command': 'c', 'if': ['defined(A) && !(B || defined C)'], 'features': [ 'f' ] }", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	for _, archive := range golden.Archives(f, "testdata/*/*.txtar") {
		f.Add(string(archive.Files[0].Data), string(archive.Files[1].Data))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		fsys := fstest.MapFS{"a": {Data: []byte(a)}, "b": {Data: []byte(b)}}
		for _, d := range qapi.Dialects() {
			s, err := qapi.LoadFS(fsys, "a", &qapi.Options{Dialect: d})
			if err != nil {
				checkDiagnostics(t, err)
				continue
			}
			checkComplete(t, s)
			u := s.Under(func(name string) bool { return len(name)%2 == 0 })
			checkComplete(t, u)
			require.Zero(t, count(u).conditions)
		}
	})
}

func checkDiagnostics(t *testing.T, err error) {
	t.Helper()
	var diagnostics qapi.Diagnostics
	require.ErrorAs(t, err, &diagnostics)
	for _, d := range diagnostics {
		require.Positive(t, d.Pos.Line)
		require.NotEmpty(t, d.Pos.File)
	}
}

// checkComplete checks that there is a type wherever there must be one.
func checkComplete(t *testing.T, s *qapi.Schema) {
	object := func(o qapi.ObjectType) {
		for _, m := range o.AllMembers() {
			require.NotEmpty(t, m.Type.TypeName())
		}
	}
	for _, d := range s.Definitions {
		require.Same(t, d, s.Lookup(d.Head().Name))
		require.Contains(t, s.Modules, d.Head().Module)
		switch d := d.(type) {
		case *qapi.Struct:
			object(d)
		case *qapi.Union:
			object(d)
			require.Contains(t, d.AllMembers(), d.Discriminator)
			require.LessOrEqual(t, len(d.Branches), len(d.Discriminator.Type.(*qapi.Enum).Values))
			for _, b := range d.Branches {
				if b.Type != nil {
					object(b.Type)
				}
			}
		case *qapi.Alternate:
			require.NotEmpty(t, d.Alternatives)
			for _, a := range d.Alternatives {
				require.NotEmpty(t, a.Type.TypeName())
			}
		case *qapi.Command:
			if d.Arg != nil {
				object(d.Arg)
			}
			if d.Returns != nil {
				require.NotEmpty(t, d.Returns.TypeName())
			}
		case *qapi.Event:
			if d.Arg != nil {
				object(d.Arg)
			}
		}
	}
}
