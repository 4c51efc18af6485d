package gogen_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/gogen"
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
		"\t// Since QEMU 6.1.\n\tImageInfoSpecificKindRBD ", // a value
		"\t// Since QEMU 9.2.\n\tReconnectMs ",              // a member
		"\t// Deprecated: QEMU will remove the member. It has been deprecated since QEMU 3.1. Use\n\t// [BlockCommit.BaseNode] (base-node).\n\tBase ", // of a command
		"\t// Removed between QEMU 10.2 and 11.1.\n\t",                                                                    // a value of the newest schema
		"// Deprecated: QEMU will remove the command. It has been deprecated since QEMU 5.2. Use\n// [BlockExportAdd].\n", // a command
	} {
		require.Contains(t, with, text)
		require.NotContains(t, without, text)
	}
	for _, text := range []string{
		"\n// QueryKVM executes [query-kvm] and returns [KVMInfo]. See accelerator.json.\n", // a command that is old
		"// StatsType is an enum of [stats.json]. Since QEMU 7.1.\n",                        // a type
		"\t// Since QEMU 9.1.\n\tEventGuestPVShutdown ",                                     // an event's constant
		" = \"RESET\"\n\tEventStop ",                                                        // an old one
		"\t// Since QEMU 7.0.\n\tFeatureDeviceAddJSONCLIHotplug ",                           // a feature
		"//   - [*ChardevHub]: hub (since QEMU 10.0)\n",
		"//   - [*ObjectOptionsMonitorQMP]: monitor-qmp (new between QEMU 10.2 and 11.1)\n",
		"//   - [*ChardevRingbuf]: ringbuf, memory (deprecated since QEMU 9.0)\n",
		"preallocate (since QEMU 6.0), ", // a branch without members
		"Use\n// [JobPause].\n",
		"New between QEMU 10.2 and 11.1.", // not exact
		"// Deprecated: QEMU will remove the command. It became deprecated between QEMU 10.2 and 11.1.\n",
	} {
		require.Contains(t, with, text)
	}
	// The names that the schema has are links to QEMU's reference.
	for _, text := range []string{
		"// JobPause executes [job-pause]. See job.json.\n",
		"\n// [job-pause]: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#command-QMP-job.job-pause\ntype ",
		"is the event [STOP] of run-state.json.\n",
		"// [KvmInfo]: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#object-QMP-accelerator.KvmInfo\n//\n//qapi:type KvmInfo\ntype KVMInfo ",
		"// [stats.json]: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#enum-QMP-stats.StatsType\ntype StatsType ",
	} {
		require.Contains(t, with, text)
		require.NotContains(t, without, text)
	}
	require.NotRegexp(t, `Since QEMU ([0-4]\.|5\.[0-2])`, with)
	// A type that has got a new name is as old as what uses it.
	require.Contains(t, with, "// SGXInfo is the struct [SgxInfo] of misc-i386.json. [QuerySGX] and [QuerySGXCapabilities]\n// return it. Since QEMU 6.2.\n//\n")
	// What is as old as the oldest QEMU, or as its owner, has no date.
	require.Contains(t, with, "\tFilename              string         `json:\"filename\"`\n")
	require.NotContains(t, with, "Since QEMU 2.9.\n\t")
	// A package without what to use has its name in the schema.
	files, err := gogen.Generate(s, gogen.Options{Package: "qemu", Facts: facts.QEMU(), Selection: gogen.Selection{Only: []string{"job-pause", "nbd-server-add"}}})
	require.NoError(t, err)
	require.Contains(t, string(files["block_export_gen.go"]), "Use\n// block-export-add.\n")
}
