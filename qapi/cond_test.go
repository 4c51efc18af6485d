package qapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi"
)

func TestCond(t *testing.T) {
	const a, b, c = qapi.CondName("A"), qapi.CondName("B"), qapi.CondName("C")
	for _, test := range []struct {
		name string
		text string // the value of an 'if' key
		want qapi.Cond
		c    string
	}{
		{"name", `'A'`, a, "A"},
		{"not", `{ 'not': 'A' }`, qapi.CondNot{a}, "!A"},
		{"all", `{ 'all': [ 'A', 'B' ] }`, qapi.CondAll{a, b}, "A && B"},
		{"any", `{ 'any': [ 'A', 'B' ] }`, qapi.CondAny{a, b}, "A || B"},
		{"one", `{ 'all': [ { 'any': [ 'A' ] } ] }`, qapi.CondAll{qapi.CondAny{a}}, "A"},
		{"not any", `{ 'not': { 'any': [ 'A', 'B' ] } }`, qapi.CondNot{qapi.CondAny{a, b}}, "!(A || B)"},
		{"not one", `{ 'not': { 'any': [ 'A' ] } }`, qapi.CondNot{qapi.CondAny{a}}, "!A"},
		{"not not", `{ 'not': { 'not': 'A' } }`, qapi.CondNot{qapi.CondNot{a}}, "!!A"},
		{
			"mixed", `{ 'any': [ 'A', { 'all': [ 'B', { 'not': 'C' } ] } ] }`,
			qapi.CondAny{a, qapi.CondAll{b, qapi.CondNot{c}}}, "A || (B && !C)",
		},
		{"C name", `'defined(A)'`, a, "A"},
		{"C name without parentheses", `'defined A'`, a, "A"},
		{"C not", `'!defined(A)'`, qapi.CondNot{a}, "!A"},
		{"C or", `'defined(A) || defined(B)||defined(C)'`, qapi.CondAny{a, b, c}, "A || B || C"},
		{"C and", `'defined(A) && B'`, qapi.CondAll{a, b}, "A && B"},
		{
			"C precedence", `'defined(A) || defined(B) && defined(C)'`,
			qapi.CondAny{a, qapi.CondAll{b, c}}, "A || (B && C)",
		},
		{
			"C parentheses", `'( defined( A ) || defined(B) ) && ! (C)'`,
			qapi.CondAll{qapi.CondAny{a, b}, qapi.CondNot{c}}, "(A || B) && !C",
		},
		{"C lower case", `'defined(__linux__)'`, qapi.CondName("__linux__"), "__linux__"},
		{"list", `[ 'defined(A)', 'defined(B) || C' ]`, qapi.CondAll{a, qapi.CondAny{b, c}}, "A && (B || C)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := load(t, "{ 'command': 'stop', 'if': "+test.text+" }")
			got := s.Commands()[0].If
			require.Equal(t, test.want, got)
			require.Equal(t, test.c, got.String())
		})
	}
}

func TestEval(t *testing.T) {
	const a, b = qapi.CondName("A"), qapi.CondName("B")
	for _, test := range []struct {
		cond qapi.Cond
		want [4]bool // with neither, A, B, both
	}{
		{nil, [4]bool{true, true, true, true}},
		{a, [4]bool{false, true, false, true}},
		{qapi.CondNot{a}, [4]bool{true, false, true, false}},
		{qapi.CondAll{a, b}, [4]bool{false, false, false, true}},
		{qapi.CondAny{a, b}, [4]bool{false, true, true, true}},
		{qapi.CondNot{qapi.CondAny{a, b}}, [4]bool{true, false, false, false}},
	} {
		for i, want := range test.want {
			config := func(name string) bool { return name == "A" && i&1 != 0 || name == "B" && i&2 != 0 }
			require.Equal(t, want, qapi.Eval(test.cond, config), "%v with %d", test.cond, i)
		}
	}
}
