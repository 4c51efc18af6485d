package wire_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// nest is a union of three levels: the branch of nest 1 is nest 2, and so on. Each level has
// its own discriminator, and members that carry the level in their names. A discriminator that
// never comes is "more".
type nest struct {
	level  int
	kind   string
	value  int64
	child  *nest // an object of its own
	branch *nest
}

const lastNest = 3

func (v *nest) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case fmt.Sprint("kind", v.level):
		v.kind = d.Enum()
		return 1
	case fmt.Sprint("value", v.level):
		v.value = d.Int64()
		return 2
	case fmt.Sprint("child", v.level):
		v.child = &nest{level: 1}
		d.Object(v.child)
		return 3
	}
	return 0
}

func (v *nest) Discriminator() (string, int) { return fmt.Sprint("kind", v.level), 1 }

func (v *nest) DecodeBranch() wire.MemberDecoder {
	if v.kind != "more" && v.kind != "" || v.level == lastNest {
		return nil
	}
	v.branch = &nest{level: v.level + 1}
	return v.branch
}

// inEveryOrder calls f with each order of the members. It uses Heap's algorithm.
func inEveryOrder(members []string, f func(text string)) {
	members = slices.Clone(members)
	var permute func(n int)
	permute = func(n int) {
		if n == 1 {
			f("{" + strings.Join(members, ", ") + "}")
			return
		}
		for i := range n {
			permute(n - 1)
			j := i * (1 - n%2)
			members[j], members[n-1] = members[n-1], members[j]
		}
	}
	permute(len(members))
}

func TestUnionsInUnionsAreReadInAnyOrder(t *testing.T) {
	want := nest{level: 1, kind: "more", value: 1, branch: &nest{level: 2, kind: "more", value: 2,
		branch: &nest{level: 3, kind: "end", value: 3}}}
	members := []string{`"kind1": "more"`, `"kind2": "more"`, `"kind3": "end"`, `"value1": 1`, `"value2": 2`,
		`"value3": 3`, `"unknown": [{}]`}
	inEveryOrder(members, func(text string) {
		got := nest{level: 1}
		require.NoError(t, decode(text, &got), text)
		require.Equal(t, want, got, text)
	})
}

func TestObjectsInBranchesAreReadInAnyOrder(t *testing.T) {
	child := nest{level: 1, kind: "more", branch: &nest{level: 2, kind: "end", value: -2}}
	want := nest{level: 1, kind: "more", value: 1, branch: &nest{level: 2, kind: "end", child: &child}}
	inEveryOrder([]string{`"kind1": "more"`, `"kind2": "end"`, `"value1": 1`, `"unknown": null`,
		`"child2": {"value2": -2, "kind2": "end", "unknown": 1, "kind1": "more"}`}, func(text string) {
		got := nest{level: 1}
		require.NoError(t, decode(text, &got), text)
		require.Equal(t, want, got, text)
	})
}

// The one wrong value is where decoding fails, wherever the discriminators around it are.
func TestFailuresInAnyOrder(t *testing.T) {
	for _, bad := range []string{"value1", "value2", "value3"} {
		t.Run(bad, func(t *testing.T) {
			members := []string{`"kind1": "more"`, `"kind2": "more"`, `"kind3": "end"`, `"value4": 4`}
			inEveryOrder(append(members, `"`+bad+`": "x"`), func(text string) {
				err := decode(text, &nest{level: 1})
				requireError(t, err, bad, strings.Index(text, `"x"`), "expected an integer, found a string")
			})
		})
	}
}

// TestFirstFailureCounts has a discriminator before or after an error.
func TestFirstFailureCounts(t *testing.T) {
	for _, test := range []struct {
		name string
		refusal
	}{
		{"a member of the union itself", refusal{`{"members": [], "name": 5, "meta-type": "object"}`,
			"name", 24, "expected a string, found a number"}},
		{"the discriminator", refusal{`{"members": [], "meta-type": 5}`,
			"meta-type", 29, "expected a string, found a number"}},
		{"an unknown member", refusal{`{"members": [], "later": tru, "meta-type": "object"}`,
			"later", 25, "expected true, found 't'"}},
		{"a member of the branch", refusal{`{"members": [{}, {"name": 5}], "meta-type": "object", "name": 1}`,
			"members[1].name", 26, "expected a string, found a number"}},
		{"in front of a discriminator that is wrong", refusal{`{"members": [], "later": tru, "meta-type": 5}`,
			"later", 25, "expected true, found 't'"}},
		{"in front of a discriminator with a wrong name", refusal{`{"members": [], "later": tru, "meta\u002dtyp\x65": "object"}`,
			"later", 25, "expected true, found 't'"}},
		{"a bracket in front of a discriminator", refusal{`{"members": [}, "meta-type": 5}`,
			"members[0]", 13, "expected a value, found '}'"}},
		{"a name in front of a discriminator", refusal{`{"members": [], 5: 6, "meta-type": 5}`,
			"", 16, "expected a member's name, found a number"}},
		{"no colon in front of a discriminator", refusal{`{"members": [], "later" "meta-type": 5}`,
			"later", 24, "expected a colon, found a string"}},
		{"a string without an end", refusal{`{"members": [], "later": ["], "meta-type": "object"}`,
			"later", 31, "expected a comma or the end of the array, found 'm'"}},
		{"the name after", refusal{`{"members": [], 5}`, "", 16, "expected a member's name, found a number"}},
		{"the end", refusal{`{"members": []`, "", 14, "expected a comma or the end of the object, found the end of the text"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			requireError(t, decode(test.text, new(schemaInfo)), test.path, test.offset, test.reason)
		})
	}
}

func TestMemberFailsBetweenDiscriminators(t *testing.T) {
	err := decode(`{"kind2": "more", "value2": "x", "value3": 3, "kind1": "more"}`, &nest{level: 1})
	requireError(t, err, "value2", 28, "expected an integer, found a string")
}

// A union without its discriminator gets a branch, which is a union with one.
func TestMembersWithoutADiscriminator(t *testing.T) {
	for _, members := range [][]string{
		{`"value1": 1`, `"value2": 2`, `"kind2": "more"`, `"value3": 3`, `"unknown": 4`},
		{`"value1": 1`, `"value2": 2`, `"kind2": ""`, `"value3": 3`, `"kind1": ""`},
	} {
		inEveryOrder(members, func(text string) {
			got := &nest{level: 1}
			require.NoError(t, decode(text, got), text)
			require.Equal(t, int64(1), got.value, text)
			require.Equal(t, int64(2), got.branch.value, text)
			require.Equal(t, int64(3), got.branch.branch.value, text)
			require.Nil(t, got.branch.branch.branch, text)
		})
	}
}

func TestMembersBeforeTheDiscriminatorNestAsDeeplyAsOthers(t *testing.T) {
	const around = 3 // the object, the array of members, the member
	for _, format := range []string{
		`{"meta-type":"object","members":[{"default":%s}]}`,
		`{"members":[{"default":%s}],"meta-type":"object"}`,
	} {
		deep := strings.Repeat("[", wire.MaxDepth-around) + strings.Repeat("]", wire.MaxDepth-around)
		got := new(schemaInfo)
		require.NoError(t, decode(fmt.Sprintf(format, deep), got))
		require.Equal(t, deep, string(got.Branch.(*schemaObject).Members[0].Default))

		text := fmt.Sprintf(format, "["+deep+"]")
		requireError(t, decode(text, new(schemaInfo)), "members[0].default"+strings.Repeat("[0]", wire.MaxDepth-around),
			strings.Index(text, "[]"), "nested too deeply")
	}
}
