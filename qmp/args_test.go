package qmp_test

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/wire"
)

// login is like a generated type that can be sent.
type login struct{ User, Password string }

func (l *login) EncodeMembers(e *wire.Encoder) {
	e.Name("user").String(l.User)
	e.Name("password").Secret(l.Password)
}

func (l login) MarshalJSON() ([]byte, error) { return qmp.Marshal(&l) }
func (l login) String() string               { return qmp.Format(&l) }

// ref is like a generated alternate.
type ref struct{ Name *string }

func (r *ref) EncodeValue(e *wire.Encoder) {
	if r.Name == nil {
		e.OneOf(0, "Name")
		return
	}
	e.String(*r.Name)
}

func (r ref) MarshalJSON() ([]byte, error) { return qmp.MarshalValue(&r) }
func (r ref) String() string               { return qmp.FormatValue(&r) }

// angry is not a type that can be sent, though it looks like one.
type angry struct{}

func (angry) MarshalJSON() ([]byte, error) { return nil, errors.New("no") }
func (angry) String() string               { return "no" }

type state string

func TestArgsOfEveryKind(t *testing.T) {
	for _, c := range []struct {
		name  string
		value any
		want  string
	}{
		{"nil", nil, `null`},
		{"string", "a\"b", `"a\"b"`},
		{"string kind", state("running"), `"running"`},
		{"bool", true, `true`},
		{"int", -1, `-1`},
		{"least int", int64(math.MinInt64), `-9223372036854775808`},
		{"uint8", uint8(255), `255`},
		{"greatest uint", uint64(math.MaxUint64), `18446744073709551615`},
		{"float", 0.5, `0.5`},
		{"float32", float32(0.25), `0.25`},
		{"pointer to a scalar", new(7), `7`},
		{"nil pointer to a scalar", (*int)(nil), `null`},
		{"args", qmp.Args{"b": 2, "a": 1}, `{"a":1,"b":2}`},
		{"map", map[string]any{"k": []any{1, "x", nil}}, `{"k":[1,"x",null]}`},
		{"no elements", []string{}, `[]`},
		{"strings", []string{"a", "b"}, `["a","b"]`},
		{"string kinds", []state{"on"}, `["on"]`},
		{"array of ints", [2]int{1, 2}, `[1,2]`},
		{"args in a slice", []qmp.Args{{"q": 1}, nil}, `[{"q":1},{}]`},
		{"maps in a slice", []map[string]any{{"q": 1}}, `[{"q":1}]`},
		{"raw JSON", qmp.RawJSON(`{ "a" : [1] }`), `{"a":[1]}`},
		{"no raw JSON", qmp.RawJSON(nil), `null`},
		{"generated", login{"me", "geheim"}, `{"user":"me","password":"geheim"}`},
		{"pointer to generated", &login{"me", "geheim"}, `{"user":"me","password":"geheim"}`},
		{"alternate", ref{new("n")}, `"n"`},
		{"pointer to an alternate", &ref{new("n")}, `"n"`},
		{"generated in a slice", []any{login{}, &ref{new("n")}}, `[{"user":"","password":""},"n"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := qmp.Args{"v": c.value}.MarshalJSON()
			require.NoError(t, err)
			require.Equal(t, `{"v":`+c.want+`}`, string(got))
		})
	}
}

func TestArgsThatCannotBeSent(t *testing.T) {
	for _, c := range []struct {
		name         string
		value        any
		path, reason string
	}{
		{"function", func() {}, "v", "a func cannot be sent"},
		{"struct", struct{}{}, "v", "a struct cannot be sent"},
		{"complex", complex(1, 0), "v", "a complex128 cannot be sent"},
		{"map of another type", map[string]int{}, "v", "a map cannot be sent"},
		{"chan in a slice", []any{1, make(chan int)}, "v[1]", "a chan cannot be sent"},
		{"NaN", math.NaN(), "v", "NaN and infinite numbers cannot be sent"},
		{"not UTF-8", "\xff", "v", "string is not valid UTF-8"},
		{"name not UTF-8", qmp.Args{"\xff": 1}, "v", "member name is not valid UTF-8"},
		{"raw JSON that is none", qmp.RawJSON(`{`), "v", "raw value is not valid JSON: expected a member's name, found the end of the text (at byte 1)"},
		{"nil generated", (*login)(nil), "v", "value is a nil pointer"},
		{"nil alternate", (*ref)(nil), "v", "value is a nil pointer"},
		{"generated with a fault inside", login{User: "\xff"}, "v", "user: string is not valid UTF-8"},
		{"alternate of nothing", ref{}, "v", "exactly one of Name must be set, not 0"},
		{"marshaler that fails", angry{}, "v", "no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := qmp.Args{"v": c.value}.MarshalJSON()
			var encode *qmp.EncodeError
			require.ErrorAs(t, err, &encode)
			require.ErrorIs(t, err, qmp.ErrNotSent)
			require.Equal(t, c.path, encode.Path)
			require.Equal(t, c.reason, encode.Reason)
		})
	}
}

// TestArgsLeadingToThemselves ends at the depth that QEMU reads.
func TestArgsLeadingToThemselves(t *testing.T) {
	loop := qmp.Args{}
	loop["again"] = loop
	_, err := loop.MarshalJSON()
	require.ErrorIs(t, err, qmp.ErrNotSent)
	require.ErrorContains(t, err, "nested too deeply")
}

func TestArgsHideSecretsOfGeneratedTypes(t *testing.T) {
	args := qmp.Args{"by value": login{"me", "geheim"}, "by pointer": &login{"me", "geheim"}}
	require.Equal(t, `{"by pointer":{"user":"me","password":"***"},"by value":{"user":"me","password":"***"}}`, args.String())
	require.Equal(t, "(not valid: v: a func cannot be sent)", qmp.Args{"v": func() {}}.String())
}

func TestRawJSON(t *testing.T) {
	require.Equal(t, "null", qmp.RawJSON(nil).String())
	require.Equal(t, "[1]", qmp.RawJSON("[1]").String())
	got, err := qmp.RawJSON(nil).MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, "null", string(got))

	text := []byte(`{"a":1}`)
	var r qmp.RawJSON
	require.NoError(t, r.UnmarshalJSON(text))
	text[0] = 'x'
	require.Equal(t, `{"a":1}`, r.String(), "it is a copy")
}

func TestValue(t *testing.T) {
	require.Equal(t, 7, qmp.Value(new(7)))
	require.Zero(t, qmp.Value[string](nil))
}
