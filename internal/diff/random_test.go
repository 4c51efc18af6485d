package diff_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// TestRandomSchemas compares small schemas whose types lead to each other in all ways: the paths
// of the changes distinguish the two schemas, and the other direction gives the reverse changes.
func TestRandomSchemas(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 2))
	for range 1000 {
		compare(t, randomSchema(r), randomSchema(r))
	}
}

// randomSchema has a command and an event, three objects, two enums, and an alternate.
func randomSchema(r *rand.Rand) *introspect.Schema {
	leaf := randomObject(r, "2")
	inner := randomObject(r, "1", leaf)
	outer := randomObject(r, "0", inner, leaf)
	return introspect.New([]introspect.Info{
		&introspect.Command{Header: introspect.Header{Name: "c", Features: some(r, "f", "deprecated")}, ArgType: "0", RetType: "[1]"},
		&introspect.Event{Header: introspect.Header{Name: "E"}, ArgType: "1"},
		&introspect.Builtin{Header: introspect.Header{Name: "str"}, JSONType: "string"},
		&introspect.Builtin{Header: introspect.Header{Name: "any"}, JSONType: "value"},
		&introspect.Array{Header: introspect.Header{Name: "[1]"}, ElementType: "1"},
		&introspect.Array{Header: introspect.Header{Name: "[3]"}, ElementType: "3"},
		outer, inner, leaf, randomEnum(r, "3"), randomEnum(r, "4"),
		&introspect.Alternate{Header: introspect.Header{Name: "5"}, Types: some(r, "1", "3")},
	})
}

func some(r *rand.Rand, all ...string) (names []string) {
	for _, name := range all {
		if r.IntN(2) == 0 {
			names = append(names, name)
		}
	}
	return names
}

func randomEnum(r *rand.Rand, name string) *introspect.Enum {
	e := &introspect.Enum{Header: introspect.Header{Name: name}}
	for _, value := range some(r, "a", "b", "d") {
		e.Members = append(e.Members, introspect.EnumMember{Name: value, Features: some(r, "g")})
	}
	return e
}

// randomObject is a union if it got a discriminator, and there are branches it can have. The member
// y, which all objects can have, is the one that may move.
func randomObject(r *rand.Rand, name string, branches ...*introspect.Object) *introspect.Object {
	types := []string{"0", "1", "2", "3", "4", "5", "[1]", "[3]", "str", "any"}
	o := &introspect.Object{Header: introspect.Header{Name: name, Features: some(r, "f")}}
	for _, member := range some(r, "x"+name, "y", "k"+name) {
		o.Members = append(o.Members, introspect.Member{
			Name: member, Type: types[r.IntN(len(types))], Optional: r.IntN(2) == 0, Features: some(r, "deprecated"),
		})
	}
	tag := o.Member("k" + name)
	if tag == nil || len(branches) == 0 {
		return o
	}
	o.Tag, tag.Type = tag.Name, strconv.Itoa(3+r.IntN(2))
	for _, value := range some(r, "a", "b", "d") {
		branch := branches[r.IntN(len(branches))]
		o.Variants = append(o.Variants, introspect.Variant{Case: value, Type: branch.Name})
		if branch.Member("y") != nil {
			o.Members = slices.DeleteFunc(o.Members, func(m introspect.Member) bool { return m.Name == "y" })
		}
	}
	return o
}
