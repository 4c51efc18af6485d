package archtest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The checks themselves, on tables and packages made up.

func TestTableFaults(t *testing.T) {
	require.Equal(t, []string{
		"a is to import b, which is not above it",
		"b has no reason",
		"a has two rows",
	}, tableFaults([]room{
		{path: "a", rooms: []string{"b"}, why: "first"},
		{path: "b", rooms: []string{"a"}},
		{path: "a", rooms: []string{"b"}, why: "again"},
	}))
}

func madeUp() map[string]*pkg {
	packages := map[string]*pkg{}
	for _, p := range []*pkg{
		{ImportPath: module + "/a", Imports: []string{"io", "net"}, Deps: []string{"fmt", "io", "net"}},
		{ImportPath: module + "/b", Imports: []string{module + "/a", "example.org/x/y", "C"}},
		{ImportPath: "example.org/x/y", Module: &struct{ Path string }{"example.org/x"}},
		{ImportPath: "io", Standard: true},
		{ImportPath: "net", Standard: true, Imports: []string{"io", "fmt"}, Deps: []string{"fmt", "io"}},
		{ImportPath: "fmt", Standard: true},
	} {
		packages[p.ImportPath] = p
	}
	return packages
}

func TestImportFaults(t *testing.T) {
	require.Equal(t, []string{
		"a is new: give it a row in the table of rooms",
		"b (second) may not import " + module + "/a",
		"b (second) may not import example.org/x/y",
		"b (second) may not import C",
	}, importFaults([]room{{path: "b", why: "second"}}, madeUp()))

	require.Equal(t, []string{"b (second) may not import C"}, importFaults([]room{
		{path: "a", why: "first"},
		{path: "b", rooms: []string{"a"}, modules: []string{"example.org/x"}, why: "second"},
	}, madeUp()))
}

func TestWeightFaults(t *testing.T) {
	lean := []room{{path: "a", lean: true}, {path: "elsewhere", lean: true}}
	require.Equal(t, []string{"a may not link fmt: " + module + "/a -> net -> fmt"}, weightFaults(lean, madeUp()))
	require.Empty(t, weightFaults([]room{{path: "a"}}, madeUp()))
}
