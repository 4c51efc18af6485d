package wire_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

// TestDiscriminatorBehindAnything looks for a discriminator after strings that look like other values.
func TestDiscriminatorBehindAnything(t *testing.T) {
	deep := strings.Repeat(`[{"a": `, 100) + `"}]"` + strings.Repeat("}]", 100)
	for _, value := range []string{
		`null`, `-1.5e-3`, `""`, `"x"`, `[]`, `{}`, `[[], {}]`, `{"a": [], "b": {}}`, deep,
		`"meta-type"`, `"\"meta-type\": "`, `"meta\u002dtype"`, `{"meta-type": "object"}`, `[{"meta-type": 5}]`,
		`"}"`, `"]"`, `"{["`, `["]"]`, `["["]`, `{"}": "{"}`, `["\\"]`, `["\""]`, `["\\\"]"]`, `["]\\", "\\["]`, `{"\"}": "\\\"{\\"}`,
		`"é€😀"`, `["é]", "€[", "😀"]`, `{"é": "}"}`,
		`"0123456"`, `"01234567"`, `"0123456789abcde"`, `["0123456789abcdef]", "[0123456789abcdef"]`,
		"[ \n\t1 , 2 ]", `{ "a" : 1 }`,
	} {
		for _, text := range []string{
			`{"x": ` + value + `, "meta-type": "enum", "values": ["a"]}`,
			`{"values": ["a"], "x": ` + value + `, "y": ` + value + `, "meta-type": "enum"}`,
			`{"x":` + value + `,"values":["a"],"meta-type":"enum"}`,
			"{ \"x\" : " + value + " ,\n\"values\" : [\"a\"] ,\t\"meta-type\" : \"enum\" }",
		} {
			var got schemaInfo
			require.NoError(t, decode(text, &got), text)
			require.Equal(t, schemaInfo{MetaType: "enum", Branch: &schemaEnum{Values: []string{"a"}}}, got, text)
		}
	}
}

// TestDiscriminatorOfAnother takes no discriminator from inside, before or after the object.
func TestDiscriminatorOfAnother(t *testing.T) {
	for _, text := range []string{
		`[{"meta-type": "enum"}, {"x": {"meta-type": "enum"}}, {"meta-type": "enum"}]`,
		`[{"meta-type": "enum"}, {"x": "meta-type"}, {"meta-type": "enum"}]`,
		`[{"meta-type": "enum"}, {"x": [{"meta-type": "enum"}]}, {"meta-type": "enum"}]`,
	} {
		got, err := read([]byte(text), func(d *wire.Decoder) []schemaInfo {
			return list(d, func(v *schemaInfo) { d.Object(v) })
		})
		require.NoError(t, err)
		require.Len(t, got, 3)
		require.Empty(t, got[1].MetaType)
		require.IsType(t, new(rawBranch), got[1].Branch)
	}
}

// wrapping is a union with a member whose type depends on the discriminator.
type wrapping struct {
	kind   string
	id     int64
	status *status
	size   *int64
	branch *rawBranch // for any other kind
	asked  int        // for the branch
}

func (v *wrapping) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "kind":
		v.kind = d.Enum()
		return 1
	case "id":
		v.id = d.Int64()
		return 2
	case "data":
		switch {
		case v.status != nil:
			d.Object(v.status)
			return 3
		case v.size != nil:
			*v.size = d.Int64()
			return 3
		}
	}
	return 0
}

func (v *wrapping) Discriminator() (string, int) { return "kind", 1 }

func (v *wrapping) DecodeBranch() wire.MemberDecoder {
	v.asked++
	switch v.kind {
	case "status":
		v.status = new(status)
	case "size":
		v.size = new(int64)
	default:
		v.branch = new(rawBranch)
		return v.branch
	}
	return nil
}

// TestUnionReadsMemberOfItsBranch decodes a member that the union knows when it has its branch.
func TestUnionReadsMemberOfItsBranch(t *testing.T) {
	for _, test := range []struct {
		members []string
		want    wrapping
	}{
		{[]string{`"kind": "status"`, `"data": {"status": "a", "kind": "size"}`, `"id": 1`, `"x": 0`},
			wrapping{kind: "status", id: 1, status: &status{Status: "a"}, asked: 1}},
		{[]string{`"kind": "size"`, `"data": 7`, `"id": 1`},
			wrapping{kind: "size", id: 1, size: new(int64(7)), asked: 1}},
		{[]string{`"kind": "new"`, `"data": 7`, `"id": 1`},
			wrapping{kind: "new", id: 1, branch: &rawBranch{map[string]string{"data": "7"}}, asked: 1}},
		{[]string{`"data": 7`, `"id": 1`}, wrapping{id: 1, branch: &rawBranch{map[string]string{"data": "7"}}, asked: 1}},
		{[]string{`"kind": "size"`, `"id": 1`}, wrapping{kind: "size", id: 1, size: new(int64), asked: 1}},
	} {
		inEveryOrder(test.members, func(text string) {
			var got wrapping
			require.NoError(t, decode(text, &got), text)
			require.Equal(t, test.want, got, text)
		})
	}

	err := decode(`{"data": 7, "id": 1, "data": 8, "kind": "size"}`, new(wrapping))
	requireError(t, err, "data", 21, "repeated member")
	err = decode(`{"data": "7", "kind": "size"}`, new(wrapping))
	requireError(t, err, "data", 9, "expected an integer, found a string")
	got := new(wrapping)
	require.NoError(t, decode(`{}`, got))
	require.Equal(t, &wrapping{branch: new(rawBranch), asked: 1}, got)
}

// unnumbered is a union whose members have no numbers.
type unnumbered struct{ wrapping }

func (v *unnumbered) DecodeMember(d *wire.Decoder, name []byte) int {
	if v.wrapping.DecodeMember(d, name) == 0 {
		return 0
	}
	return wire.Unnumbered
}

func (v *unnumbered) Discriminator() (string, int) { return "kind", wire.Unnumbered }

func TestUnionWithoutNumbers(t *testing.T) {
	want := wrapping{kind: "size", id: 1, size: new(int64(7)), asked: 1}
	members := []string{`"kind": "size"`, `"data": 7`, `"id": 1`, `"x": 0`}
	inEveryOrder(members, func(text string) {
		var got unnumbered
		require.NoError(t, decode(text, &got), text)
		require.Equal(t, want, got.wrapping, text)
	})
	inEveryOrder(append(members, `"kind": "size"`), func(text string) {
		require.ErrorContains(t, decode(text, new(unnumbered)), "repeated member", text)
	})
}

// kindFirst and kindAnywhere read the member "kind" as a string and all others as they are. The first
// is a plain object, the second a union.
type kindFirst struct {
	kind   string
	others rawBranch
}

func (v *kindFirst) DecodeMember(d *wire.Decoder, name []byte) int {
	if string(name) == "kind" {
		v.kind = d.Enum()
		return 1
	}
	return v.others.DecodeMember(d, name)
}

type kindAnywhere struct {
	kind, decided string
	others        rawBranch
}

func (v *kindAnywhere) DecodeMember(d *wire.Decoder, name []byte) int {
	if string(name) == "kind" {
		v.kind = d.Enum()
		return 1
	}
	return 0
}

func (v *kindAnywhere) Discriminator() (string, int) { return "kind", 1 }

func (v *kindAnywhere) DecodeBranch() wire.MemberDecoder {
	v.decided = v.kind
	return &v.others
}

// FuzzUnion compares a union with an object that has the same members: to look for the discriminator
// changes neither what is accepted nor the error. The branch is decided by the discriminator.
func FuzzUnion(f *testing.F) {
	addSeeds(f)
	for _, text := range []string{
		`{"a": [{"kind": "]"}, "\"", "\\"], "b": {"}": {}}, "kind": "x"}`, `{"a": "kind", "kind": "x", "kind": "y"}`,
		`{"a": 1, "k\u0069nd": "x"}`, `{"a":[],"kind":5}`, `{"a": [}, "kind": "x"}`, `{"a": 1}, {"kind": "x"}`,
		`{"a" : tru, "kind" : "x" }`, `{"a": [[[["kind"], "kind"], {"kind": 1}]], "c": "é", "kind": "", "d": 0}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var plain kindFirst
		var union kindAnywhere
		err, unionErr := decode(string(text), &plain), decode(string(text), &union)
		require.Equal(t, err, unionErr, "%q", text)
		var e *wire.Error
		if errors.As(err, &e) {
			return
		}
		require.Equal(t, plain.kind, union.kind, "%q", text)
		require.Equal(t, plain.kind, union.decided, "%q", text)
		require.Equal(t, plain.others, union.others, "%q", text)
	})
}
