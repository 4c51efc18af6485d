package diff_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUnions compares unions, and structs that become unions, as arguments and as results.
func TestUnions(t *testing.T) {
	const (
		kind = "{ 'enum': 'Kind', 'data': ['a', 'b'] } "
		more = "{ 'enum': 'Kind', 'data': ['a', 'b', 'c'] } "
		x    = "{ 'struct': 'Xx', 'data': { 'x': 'int' } } "
		xOpt = "{ 'struct': 'Xx', 'data': { '*x': 'int' } } "
		y    = "{ 'struct': 'Yy', 'data': { '*y': 'int' } } "

		bare   = "{ 'union': 'Tt', 'base': { 'kind': 'Kind' }, 'discriminator': 'kind', 'data': { } }"
		withX  = "{ 'union': 'Tt', 'base': { 'kind': 'Kind' }, 'discriminator': 'kind', 'data': { 'a': 'Xx' } }"
		twoX   = "{ 'union': 'Tt', 'base': { 'kind': 'Kind' }, 'discriminator': 'kind', 'data': { 'a': 'Xx', 'b': 'Xx' } }"
		withXY = "{ 'union': 'Tt', 'base': { 'kind': 'Kind' }, 'discriminator': 'kind', 'data': { 'a': 'Xx', 'b': 'Yy' } }"
		based  = "{ 'union': 'Tt', 'base': { 'kind': 'Kind', 'x': 'int' }, 'discriminator': 'kind', 'data': { } }"
		threeC = "{ 'union': 'Tt', 'base': { 'kind': 'Kind' }, 'discriminator': 'kind', 'data': { 'a': 'Xx', 'b': 'Xx', 'c': 'Xx' } }"
	)
	for name, c := range map[string]struct {
		old, new       string
		sent, received []string
	}{
		"branch's member": {
			kind + x + withX, kind + xOpt + withX,
			[]string{"optional member c/arg-type/m/+a/*x"}, []string{"! optional member c/ret-type/m/+a/*x"},
		},
		"branch gets members": {
			kind + x + y + bare, kind + x + y + withXY,
			[]string{"! added member c/arg-type/m/+a/x", "added member c/arg-type/m/+b/y"},
			[]string{"added member c/ret-type/m/+a/x", "added member c/ret-type/m/+b/y"},
		},
		"value with its branch": {
			kind + x + twoX, more + x + threeC,
			[]string{"added value c/arg-type/m/kind/^c"}, []string{"added value c/ret-type/m/kind/^c"},
		},
		"value with its branch lost": {
			more + x + threeC, kind + x + twoX,
			[]string{"! removed value c/arg-type/m/kind/^c"}, []string{"removed value c/ret-type/m/kind/^c"},
		},
		"member moves into all branches": {kind + based, kind + x + twoX, nil, nil},
		"member moves out of all branches": {
			more + x + threeC, more + "{ 'union': 'Tt', 'base': { 'kind': 'Kind', '*x': 'int' }, 'discriminator': 'kind', 'data': { } }",
			[]string{"optional member c/arg-type/m/*x"}, []string{"! optional member c/ret-type/m/*x"},
		},
		"member moves into one branch": {
			kind + based, kind + x + withX,
			[]string{"! removed member c/arg-type/m/x"}, []string{"! removed member c/ret-type/m/x"},
		},
		"member moves out of one branch": {
			kind + x + withX, kind + based,
			[]string{"! added member c/arg-type/m/x"}, []string{"added member c/ret-type/m/x"},
		},
		"struct becomes union": {
			"{ 'struct': 'Tt', 'data': { 'kind': 'str', 'x': 'int' } }", kind + x + y + withXY,
			[]string{
				"! removed member c/arg-type/m/x", "! retyped member c/arg-type/m/kind",
				"added branch c/arg-type/m/+a", "added branch c/arg-type/m/+b",
			},
			[]string{
				"! removed member c/ret-type/m/x", "retyped member c/ret-type/m/kind",
				"added branch c/ret-type/m/+a", "added branch c/ret-type/m/+b",
			},
		},
		"struct with the enum becomes union": {
			kind + "{ 'struct': 'Tt', 'data': { 'kind': 'Kind', '*y': 'int' } }", more + x + y + "{ 'union': 'Tt', " +
				"'base': { 'kind': 'Kind', '*y': 'int' }, 'discriminator': 'kind', 'data': { 'a': 'Xx', 'c': 'Xx' } }",
			[]string{"added value c/arg-type/m/kind/^c", "! added branch c/arg-type/m/+a", "added branch c/arg-type/m/+b"},
			[]string{"added value c/ret-type/m/kind/^c", "added branch c/ret-type/m/+a", "added branch c/ret-type/m/+b"},
		},
		"union becomes struct": {
			kind + x + y + withXY, "{ 'struct': 'Tt', 'data': { 'kind': 'str', '*y': 'int' } }",
			[]string{
				"retyped member c/arg-type/m/kind", "added member c/arg-type/m/y",
				"! removed branch c/arg-type/m/+a", "removed branch c/arg-type/m/+b",
			},
			[]string{
				"retyped member c/ret-type/m/kind", "added member c/ret-type/m/y",
				"! removed branch c/ret-type/m/+a", "removed branch c/ret-type/m/+b",
			},
		},
		"union gets another discriminator": {
			kind + x + twoX, "{ 'enum': 'Kind', 'data': ['a', 'b'] } " + x +
				"{ 'union': 'Tt', 'base': { 'sort': 'Kind' }, 'discriminator': 'sort', 'data': { 'a': 'Xx', 'b': 'Xx' } }",
			[]string{"! removed member c/arg-type/m/kind", "! added member c/arg-type/m/sort"},
			[]string{"! removed member c/ret-type/m/kind", "added member c/ret-type/m/sort"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			const box = " { 'struct': 'Box', 'data': { 'm': 'Tt' } } { 'command': 'c', "
			const sent, received = box + "'data': 'Box' }", box + "'returns': 'Box' }"
			require.ElementsMatch(t, c.sent, lines(compare(t, view(t, c.old+sent), view(t, c.new+sent))))
			require.ElementsMatch(t, c.received, lines(compare(t, view(t, c.old+received), view(t, c.new+received))))
		})
	}
}

// TestMovedMembers looks at how the change of a member that moves is described, and at what is
// below it.
func TestMovedMembers(t *testing.T) {
	const command = "{ 'command': 'c', 'data': 'Tt', 'boxed': true }"
	changes := compare(t,
		view(t, "{ 'struct': 'Ss', 'data': { 'gone': 'int' } } { 'enum': 'Kind', 'data': ['a', 'b', 'c'] }"+
			"{ 'struct': 'Tt', 'data': { 'kind': 'Kind', '*x': 'Ss' } }"+command),
		view(t, "{ 'struct': 'Ss', 'data': { 'come': 'int' } } { 'enum': 'Kind', 'data': ['a', 'b', 'c'] }"+
			"{ 'struct': 'Xx', 'data': { '*x': 'Ss' } }"+
			"{ 'union': 'Tt', 'base': { 'kind': 'Kind' }, 'discriminator': 'kind', 'data': { 'a': 'Xx', 'b': 'Xx' } }"+command))
	require.Equal(t, []string{
		"added branch c/arg-type/+a", "! added member c/arg-type/+a/x/come",
		"added branch c/arg-type/+b", "added branch c/arg-type/+c",
		"! removed member c/arg-type/x", "! removed member c/arg-type/x/gone",
	}, lines(changes))
	require.Equal(t, "optional object", changes[4].Old)
	require.Equal(t, "only in +a, +b", changes[4].New)
}
