package migration

import "github.com/qmpkit/qmpkit/qmp/generated/qemu"

// Capabilities is the request that turns capabilities on, or off, all of them or none:
//
//	err := migration.Capabilities(true, qemu.MigrationCapabilityPostcopyRAM).Do(ctx, client)
//
// They are set before a migration begins, most of them on both sides. What [Start] and
// [StartIncoming] turn on by themselves is "events". QEMU refuses one that it does not have.
func Capabilities(on bool, capabilities ...qemu.MigrationCapability) qemu.MigrateSetCapabilities {
	set := qemu.MigrateSetCapabilities{}
	for _, c := range capabilities {
		set.Capabilities = append(set.Capabilities, qemu.MigrationCapabilityStatus{Capability: c, State: on})
	}
	return set
}
