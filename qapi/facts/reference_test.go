package facts_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qapi/facts"
)

// TestReference looks at the addresses of several kinds, and at what has none.
func TestReference(t *testing.T) {
	const manual = "https://www.qemu.org/docs/master/interop/"
	qemu, storage, guest := facts.QEMU(), facts.Storage(), facts.Guest()
	for want, got := range map[string]string{
		"qemu-qmp-ref.html#command-QMP-block-core.eject":                             qemu.Reference("eject"), // of module block
		"qemu-qmp-ref.html#event-QMP-run-state.STOP":                                 qemu.Reference("STOP"),
		"qemu-qmp-ref.html#enum-QMP-run-state.RunState":                              qemu.Reference("RunState"),
		"qemu-qmp-ref.html#object-QMP-block-core.BlockdevOptions":                    qemu.Reference("BlockdevOptions"),
		"qemu-qmp-ref.html#alternate-QMP-block-core.BlockdevRef":                     qemu.Reference("BlockdevRef"),
		"qemu-storage-daemon-qmp-ref.html#object-QSD-block-core.BlockdevOptionsFile": storage.Reference("BlockdevOptionsFile"),
		"qemu-ga-ref.html#command-QGA-qapi-schema.guest-exec":                        guest.Reference("guest-exec"),
	} {
		require.Equal(t, manual+want, got)
	}
	for _, name := range []string{
		"x-of-a-build-of-our-own",
		"query-cpus",                     // gone
		"q_obj_block-commit-arg",         // without a name in the schema
		"BlockExportOptionsIothread",     // known by an answer only
		"MigrateSetParameters", "String", // other names in 11.1
	} {
		require.Empty(t, qemu.Reference(name), name)
	}
}
