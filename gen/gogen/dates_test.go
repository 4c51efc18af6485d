package gogen_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/gen/gogen"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// TestDates looks at what comments say of the QEMUs that have a thing. Without facts they say nothing of members.
func TestDates(t *testing.T) {
	s, err := qapi.LoadFS(schema.FS, schema.NewestQEMU, nil)
	require.NoError(t, err)
	code := func(table *facts.Table) string {
		files, err := gogen.Generate(s, gogen.Options{Package: "qemu", Facts: table})
		require.NoError(t, err)
		var all strings.Builder
		for _, text := range files {
			all.Write(text)
		}
		return all.String()
	}
	with, without := code(facts.QEMU()), code(nil)
	for _, text := range []string{
		"\t// Since QEMU 6.1.\n\tImageInfoSpecificKindRBD ",                                                         // a value
		"\t// Since QEMU 9.2.\n\tReconnectMs ",                                                                      // a member
		"\t// Deprecated: QEMU will remove the member. It is deprecated since QEMU 3.1. Use base-node.\n\tBase ",    // of a command
		"\t// Removed after QEMU 10.2, by 11.1.\n\t",                                                                // a value of the newest schema
		"// Deprecated: QEMU will remove the command. It is deprecated since QEMU 5.2. Use\n// block-export-add.\n", // a command
	} {
		require.Contains(t, with, text)
		require.NotContains(t, without, text)
	}
	// What is as old as the oldest QEMU, or as its owner, has no date.
	require.Contains(t, with, "\tFilename              string         `json:\"filename\"`\n")
	require.NotContains(t, with, "Since QEMU 2.9.\n\t")
}
