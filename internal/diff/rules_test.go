package diff_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/diff"
)

// A change that a rule expects, below the member that has the type T.
type expected struct {
	change         string // kind, what, and the path behind that member
	sent, received bool   // whether it breaks a client that sends such values, or receives them
}

// TestRules compares two types T, which are sent, or received, or both.
func TestRules(t *testing.T) {
	const letters = "{ 'enum': 'Ee', 'data': ['a', 'b'] } "
	for name, c := range map[string]struct {
		old, new string
		want     []expected
	}{
		"nothing": {
			"{ 'struct': 'Tt', 'data': { 'x': 'int8', 'y': ['str'] } }",
			"{ 'struct': 'Tt', 'data': { 'y': ['str'], 'x': 'size' } }",
			nil,
		},
		"member removed": {
			"{ 'struct': 'Tt', 'data': { 'x': 'int', '*y': 'int' } }",
			"{ 'struct': 'Tt', 'data': { } }",
			[]expected{{"removed member /x", true, true}, {"removed member /y", true, true}},
		},
		"member added": {
			"{ 'struct': 'Tt', 'data': { } }",
			"{ 'struct': 'Tt', 'data': { 'x': 'int', '*y': 'int' } }",
			[]expected{{"added member /x", true, false}, {"added member /y", false, false}},
		},
		"member optional": {
			"{ 'struct': 'Tt', 'data': { 'x': 'int' } }",
			"{ 'struct': 'Tt', 'data': { '*x': 'int' } }",
			[]expected{{"optional member /*x", false, true}},
		},
		"member mandatory": {
			"{ 'struct': 'Tt', 'data': { '*x': 'int' } }",
			"{ 'struct': 'Tt', 'data': { 'x': 'int' } }",
			[]expected{{"mandatory member /*x", true, false}},
		},
		"member both retyped and optional": {
			"{ 'struct': 'Tt', 'data': { 'x': 'int' } }",
			"{ 'struct': 'Tt', 'data': { '*x': 'bool' } }",
			[]expected{{"optional member /*x", false, true}, {"retyped member /x", true, true}},
		},
		"values": {
			"{ 'enum': 'Tt', 'data': ['a', 'b'] }",
			"{ 'enum': 'Tt', 'data': ['a', 'c'] }",
			[]expected{{"removed value /^b", true, false}, {"added value /^c", false, false}},
		},
		"features of types": {
			"{ 'struct': 'Tt', 'data': { }, 'features': ['f', 'g'] }",
			"{ 'struct': 'Tt', 'data': { }, 'features': ['g', 'h'] }",
			[]expected{{"removed feature /$f", true, true}, {"added feature /$h", false, false}},
		},
		"features of members": {
			"{ 'struct': 'Tt', 'data': { 'x': { 'type': 'int', 'features': ['f', 'unstable'] } } }",
			"{ 'struct': 'Tt', 'data': { 'x': { 'type': 'int', 'features': ['g', 'deprecated'] } } }",
			[]expected{
				{"deprecated member /x", false, false}, {"added feature /x/$$g", false, false},
				{"removed feature /x/$$f", true, true}, {"removed feature /x/$$unstable", false, false},
			},
		},
		"deprecated no more": {
			"{ 'struct': 'Tt', 'data': { 'x': { 'type': 'int', 'features': ['deprecated'] } } }",
			"{ 'struct': 'Tt', 'data': { 'x': { 'type': 'int', 'features': ['unstable'] } } }",
			[]expected{{"removed feature /x/$$deprecated", false, false}, {"added feature /x/$$unstable", false, false}},
		},
		"features of values": {
			"{ 'enum': 'Tt', 'data': ['a', { 'name': 'b', 'features': ['f'] }] }",
			"{ 'enum': 'Tt', 'data': ['a', { 'name': 'b', 'features': ['deprecated'] }] }",
			[]expected{{"deprecated value /^b", false, false}, {"removed feature /^b/$f", true, true}},
		},
		"string to enum": {
			"{ 'struct': 'Tt', 'data': { 'x': 'str' } }",
			letters + "{ 'struct': 'Tt', 'data': { 'x': 'Ee' } }",
			[]expected{{"retyped member /x", true, false}},
		},
		"enum to string": {
			letters + "{ 'struct': 'Tt', 'data': { 'x': 'Ee' } }",
			"{ 'struct': 'Tt', 'data': { 'x': 'str' } }",
			[]expected{{"retyped member /x", false, false}},
		},
		"int to number": {
			"{ 'struct': 'Tt', 'data': { 'x': 'int' } }",
			"{ 'struct': 'Tt', 'data': { 'x': 'number' } }",
			[]expected{{"retyped member /x", false, true}},
		},
		"number to int": {
			"{ 'struct': 'Tt', 'data': { 'x': 'number' } }",
			"{ 'struct': 'Tt', 'data': { 'x': 'int' } }",
			[]expected{{"retyped member /x", true, false}},
		},
		"array": {
			"{ 'struct': 'Tt', 'data': { 'x': 'int', 'y': ['int'] } }",
			"{ 'struct': 'Tt', 'data': { 'x': ['int'], 'y': ['str'] } }",
			[]expected{{"retyped member /x", true, true}, {"retyped member /y", true, true}},
		},
		"any": {
			"{ 'struct': 'Tt', 'data': { 'x': 'any', 'y': 'str' } }",
			"{ 'struct': 'Tt', 'data': { 'x': 'str', 'y': 'any' } }",
			[]expected{{"retyped member /x", true, false}, {"retyped member /y", false, true}},
		},
		"string to alternate": {
			"{ 'struct': 'Tt', 'data': { 'x': 'str' } }",
			"{ 'alternate': 'Aa', 'data': { 's': 'str', 'n': 'null' } } { 'struct': 'Tt', 'data': { 'x': 'Aa' } }",
			[]expected{{"retyped member /x", false, true}},
		},
		"alternate of one": {
			"{ 'struct': 'Tt', 'data': { 'x': 'str' } }",
			"{ 'alternate': 'Aa', 'data': { 's': 'str' } } { 'struct': 'Tt', 'data': { 'x': 'Aa' } }",
			nil,
		},
		"alternative removed": {
			"{ 'alternate': 'Tt', 'data': { 's': 'str', 'n': 'null' } }",
			"{ 'alternate': 'Tt', 'data': { 's': 'str' } }",
			[]expected{{"retyped type ", true, false}},
		},
		"in an alternate": {
			"{ 'struct': 'Ss', 'data': { 'x': 'int' } } { 'alternate': 'Tt', 'data': { 's': 'str', 'o': 'Ss' } }",
			"{ 'struct': 'Ss', 'data': { } } { 'alternate': 'Tt', 'data': { 's': 'str', 'o': 'Ss' } }",
			[]expected{{"removed member /x", true, true}},
		},
		"struct to alternate of it": {
			"{ 'struct': 'Tt', 'data': { 'x': 'int' } }",
			"{ 'struct': 'Ss', 'data': { '*x': 'int' } } { 'alternate': 'Tt', 'data': { 's': 'str', 'o': 'Ss' } }",
			[]expected{{"retyped member ", false, true}, {"optional member /*x", false, true}},
		},
	} {
		t.Run(name, func(t *testing.T) { checkRule(t, c.old, c.new, c.want) })
	}
}

func checkRule(t *testing.T, old, new string, want []expected) {
	const box = " { 'struct': 'Box', 'data': { 'm': 'Tt' } } "
	for _, use := range []struct {
		definition, path string
		direction        diff.Direction
		users            []string
	}{
		{"{ 'command': 'c', 'data': 'Box' }", "c/arg-type/m", diff.Sent, []string{"c"}},
		{"{ 'event': 'E1', 'data': 'Box' }", "E1/arg-type/m", diff.Received, []string{"E1"}},
		{"{ 'command': 'q', 'returns': ['Box'] }", "q/ret-type/m", diff.Received, []string{"q"}},
		{"{ 'command': 'z', 'returns': 'Box' } { 'command': 'b', 'data': 'Box' }", "b/arg-type/m", diff.Both, []string{"b", "z"}},
	} {
		changes := compare(t, view(t, old+box+use.definition), view(t, new+box+use.definition))
		var expect []string
		for _, e := range want {
			breaking := e.sent && use.direction != diff.Received || e.received && use.direction != diff.Sent
			kind, path, _ := strings.Cut(e.change, "/")
			line := strings.TrimSpace(kind) + " " + strings.TrimSuffix(use.path+"/"+path, "/")
			if breaking {
				line = "! " + line
			}
			expect = append(expect, line)
		}
		require.ElementsMatch(t, expect, lines(changes), use.definition)
		for _, c := range changes {
			require.Equal(t, use.direction, c.Direction)
			require.Equal(t, use.users, c.Users)
		}
	}
}

// TestEntries compares commands and events themselves.
func TestEntries(t *testing.T) {
	const structs = "{ 'struct': 'Ss', 'data': { 'x': 'int' } } "
	for name, c := range map[string]struct {
		old, new string
		want     []string
	}{
		"command": {"{ 'command': 'c' }", "{ 'command': 'd', 'data': { 'x': 'int' } }", []string{"! removed command c", "added command d"}},
		"event":   {"{ 'event': 'C' }", "{ 'event': 'D' }", []string{"! removed event C", "added event D"}},
		"features": {
			"{ 'command': 'c', 'features': ['f'] } { 'event': 'C', 'features': ['unstable'] }",
			"{ 'command': 'c', 'features': ['deprecated'] } { 'event': 'C', 'features': ['g'] }",
			[]string{"removed feature C/$unstable", "added feature C/$g", "deprecated command c", "! removed feature c/$f"},
		},
		"out-of-band": {
			"{ 'command': 'c', 'allow-oob': true } { 'command': 'd' }",
			"{ 'command': 'c' } { 'command': 'd', 'allow-oob': true }",
			[]string{"! removed out-of-band c", "added out-of-band d"},
		},
		"arguments appear": {
			"{ 'command': 'c' }", "{ 'command': 'c', 'data': { 'x': 'int', '*y': 'int' } }",
			[]string{"! added member c/arg-type/x", "added member c/arg-type/y"},
		},
		"arguments vanish": {
			"{ 'command': 'c', 'data': { '*y': 'int' } }", "{ 'command': 'c' }",
			[]string{"! removed member c/arg-type/y"},
		},
		"result appears": {
			structs + "{ 'command': 'c' } { 'command': 'd' }",
			structs + "{ 'command': 'c', 'returns': 'Ss' } { 'command': 'd', 'returns': ['Ss'] }",
			[]string{"added member c/ret-type/x", "! retyped result d/ret-type"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.ElementsMatch(t, c.want, lines(compare(t, view(t, c.old), view(t, c.new))))
		})
	}
}
