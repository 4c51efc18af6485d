package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// TestRepeatedMembers decodes objects with two members of one name, in every order of their
// members. The decoder refuses all of them.
func TestRepeatedMembers(t *testing.T) {
	union := func() wire.MemberDecoder { return &nest{level: 1} }
	unnumbered := func() wire.MemberDecoder { return object{} }
	wide := func() wire.MemberDecoder { return new(wideObject) }
	for name, test := range map[string]struct {
		value   func() wire.MemberDecoder
		members []string // the first two have one name
	}{
		"a common member":                      {union, []string{`"value1": 1`, `"value1": 1`, `"kind1": "more"`, `"x": 0`}},
		"with escapes":                         {union, []string{`"value1": 1`, `"value\u0031": 2`, `"kind1": "more"`, `"x": 0`}},
		"a discriminator":                      {union, []string{`"kind1": "more"`, `"kind1": "end"`, `"value1": 1`, `"value2": 2`, `"x": 0`}},
		"an empty discriminator":               {union, []string{`"kind1": "more"`, `"kind1": ""`, `"value2": 2`, `"x": 0`}},
		"a discriminator, and nothing else":    {union, []string{`"kind1": "0"`, `"kind1": ""`}},
		"a member of the branch":               {union, []string{`"value2": 1`, `"value2": 2`, `"kind1": "more"`, `"value1": 1`, `"x": 0`}},
		"a member of a branch's branch":        {union, []string{`"value3": 1`, `"value3": 2`, `"kind1": "more"`, `"kind2": "more"`}},
		"the discriminator of the branch":      {union, []string{`"kind2": "more"`, `"kind2": "end"`, `"kind1": "more"`, `"value3": 3`}},
		"an object":                            {union, []string{`"child2": {"value1": 1}`, `"child2": {}`, `"kind1": "more"`, `"x": 0`}},
		"without a discriminator":              {union, []string{`"value2": 1`, `"value2": 2`, `"value1": 1`, `"x": 0`}},
		"nobody's":                             {union, []string{`"x": 1`, `"x": 2`, `"kind1": "more"`, `"value2": 2`, `"y": 0`}},
		"nobody's, with escapes":               {union, []string{`"x": 1`, `"\u0078": 2`, `"kind1": "end"`, `"y": 0`}},
		"with an empty name":                   {union, []string{`"": 1`, `"": 2`, `"kind1": "end"`, `"x": 0`}},
		"without numbers":                      {unnumbered, []string{`"a": 1`, `"a": [1]`, `"b": 2`, `"": 0`}},
		"without numbers, with escapes":        {unnumbered, []string{`"\u0061": 1`, `"a": {}`, `"b": 2`, `"c": 0`}},
		"with more numbers than a word's bits": {wide, []string{`"m64": 1`, `"m64": 2`, `"m63": 1`, `"m1": 1`, `"m128": 1`}},
		"with the last that is a word's":       {wide, []string{`"m63": 1`, `"m63": 2`, `"m64": 1`, `"m127": 1`}},
	} {
		t.Run(name, func(t *testing.T) {
			inEveryOrder(test.members, func(text string) {
				err := decode(text, test.value())
				var e *wire.Error
				require.ErrorAs(t, err, &e, text)
				require.Equal(t, "repeated member", e.Reason, text)
				require.True(t, strings.HasPrefix(text[e.Offset:], test.members[0]) || strings.HasPrefix(text[e.Offset:], test.members[1]), text)
			})
			inEveryOrder(test.members[1:], func(text string) {
				require.NoError(t, decode(text, test.value()), text)
			})
		})
	}
}

// wideObject has members m1, m2 and so on, with their numbers.
type wideObject struct{}

func (*wideObject) DecodeMember(d *wire.Decoder, name []byte) (number int) {
	if _, err := fmt.Sscanf(string(name), "m%d", &number); err != nil {
		return 0
	}
	d.Skip()
	return number
}

// TestManyNames decodes an object with more names than a word has bits: only a name that is there
// twice is refused.
func TestManyNames(t *testing.T) {
	var members []string
	for i := range 500 {
		members = append(members, fmt.Sprintf(`"name-%d": {"name-%d": 0}`, i, i))
	}
	require.NoError(t, decode("{"+strings.Join(members, ", ")+"}", object{}))
	members = append(members, `"name-250": 0`)
	err := decode("{"+strings.Join(members, ", ")+"}", object{})
	requireError(t, err, "name-250", strings.LastIndex("{"+strings.Join(members, ", "), `"name-250"`), "repeated member")
}

// TestRepeatedMembersOfInnerObjects says where they are, and leaves those alone that are in
// different objects.
func TestRepeatedMembersOfInnerObjects(t *testing.T) {
	text := `[{"name": "a", "members": [{"name": "b"}, {"type": "c", "name": "d", "type": "e"}], "meta-type": "object"}]`
	_, err := read([]byte(text), func(d *wire.Decoder) []schemaInfo {
		return list(d, func(v *schemaInfo) { d.Object(v) })
	})
	requireError(t, err, "[0].members[1].type", strings.LastIndex(text, `"type"`), "repeated member")

	// The first failure is the one that counts.
	err = decode(`{"name": "a", "name": 5}`, new(schemaInfo))
	requireError(t, err, "name", 22, "expected a string, found a number")

	// What is skipped, or kept as text, is for whoever reads it.
	require.NoError(t, decode(`{"name": "a", "x": {"y": 1, "y": 2}, "meta-type": "object", "members": [{"default": {"z": 1, "z": 2}}]}`,
		new(schemaInfo)))
}

// TestNamesAreForgotten decodes again after a failure in an object with names.
func TestNamesAreForgotten(t *testing.T) {
	d := wire.NewDecoder([]byte(`{"a": 1, "b": nul}`))
	d.Object(object{})
	require.Error(t, d.End())
	d.Reset([]byte(`{"a": 1, "b": null}`))
	d.Object(object{})
	require.NoError(t, d.End())
}

// BenchmarkManyNames decodes an object with names that a server made up.
func BenchmarkManyNames(b *testing.B) {
	var members []string
	for i := range 10_000 {
		members = append(members, fmt.Sprintf(`"%d": 0`, i))
	}
	text := []byte("{" + strings.Join(members, ", ") + "}")
	d := new(wire.Decoder)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		d.Reset(text)
		d.Object(new(status))
		if err := d.End(); err != nil {
			b.Fatal(err)
		}
	}
}
