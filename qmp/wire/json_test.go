package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// rule is a union that is neither sent nor received, as generated code has it.
type rule struct {
	Kind   string
	Branch any
}

func (v *rule) MarshalMembers(e *wire.Encoder) {
	e.Discriminator("kind", v.Kind)
	e.MarshalBranch(v.Branch)
}

func (v *rule) UnmarshalMember(d *wire.Decoder, name []byte) int {
	if string(name) == "kind" {
		v.Kind = d.Enum()
		return 1
	}
	return 0
}

func (v *rule) Discriminator() (string, int) { return "kind", 1 }

func (v *rule) UnmarshalBranch() any {
	switch v.Kind {
	case "rule":
		v.Branch = new(rule2)
	case "object": // a type that is received, too
		v.Branch = new(schemaObject)
	case "set":
		v.Branch = new(set)
	}
	return v.Branch
}

// rule2 is a branch that is a union itself.
type rule2 struct{ rule }

func (v *rule2) Discriminator() (string, int) { return "kind2", 1 }

func (v *rule2) MarshalMembers(e *wire.Encoder) {
	e.Discriminator("kind2", v.Kind)
	e.MarshalBranch(v.Branch)
}

func (v *rule2) UnmarshalMember(d *wire.Decoder, name []byte) int {
	if string(name) == "kind2" {
		v.Kind = d.Enum()
		return 1
	}
	return 0
}

// set is a branch that only JSON needs.
type set struct{ N int64 }

func (v *set) MarshalMembers(e *wire.Encoder) { e.Name("n").Int(v.N) }

func (v *set) UnmarshalMember(d *wire.Decoder, name []byte) int {
	if string(name) != "n" {
		return 0
	}
	v.N = d.Int64()
	return 1
}

// TestTypesForJSON reads and writes types that are neither sent nor received.
func TestTypesForJSON(t *testing.T) {
	for text, want := range map[string]rule{
		`{"kind":"set","n":7}`:                 {Kind: "set", Branch: &set{7}},
		`{"kind":"rule","kind2":"set","n":7}`:  {Kind: "rule", Branch: &rule2{rule{"set", &set{7}}}},
		`{"n":7,"kind2":"set","kind":"rule"}`:  {Kind: "rule", Branch: &rule2{rule{"set", &set{7}}}},
		`{"members":[],"kind":"object","x":0}`: {Kind: "object", Branch: &schemaObject{Members: []schemaMember{}}},
		`{"n":7,"kind":"none"}`:                {Kind: "none"},
	} {
		var got rule
		d := wire.NewDecoder([]byte(text))
		require.True(t, d.Generated(&got))
		require.NoError(t, d.End())
		require.Equal(t, want, got, text)
	}
	for want, v := range map[string]any{
		`{"kind":"rule","kind2":"set","n":7}`: &rule{"rule", &rule2{rule{"set", &set{7}}}},
		`{"kind":"none"}`:                     &rule{Kind: "none"},
		`{"n":7}`:                             &set{7},
		`{"a":1}`:                             members(func(e *wire.Encoder) { e.Name("a").Int(1) }),
	} {
		require.Equal(t, want, encoded(t, func(e *wire.Encoder) { require.True(t, e.Generated(v)) }))
	}
	require.False(t, wire.NewDecoder([]byte("{}")).Generated(new(string)))
	require.False(t, wire.NewEncoder(nil).Generated(new(string)))
	d := wire.NewDecoder([]byte(`{"kind":"set","n":7,"n":7}`))
	d.Unmarshal(new(rule))
	require.ErrorContains(t, d.End(), "repeated member")
}
