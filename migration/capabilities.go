package migration

import "github.com/qmpkit/qmpkit/qmp/generated/qemu"

// Enable returns the request that turns capabilities on (migrate-set-capabilities):
//
//	err := migration.Enable(qemu.MigrationCapabilityPostcopyRAM).Do(ctx, client)
//
// Set capabilities before a migration begins, and most of them on both sides. [Start] and [StartIncoming]
// turn on the capability "events" themselves. If QEMU does not have one of the capabilities, it refuses the
// request and changes none.
func Enable(capabilities ...qemu.MigrationCapability) qemu.MigrateSetCapabilities {
	return setCapabilities(true, capabilities)
}

// Disable returns the request that turns capabilities off; see [Enable].
func Disable(capabilities ...qemu.MigrationCapability) qemu.MigrateSetCapabilities {
	return setCapabilities(false, capabilities)
}

func setCapabilities(on bool, capabilities []qemu.MigrationCapability) (set qemu.MigrateSetCapabilities) {
	for _, c := range capabilities {
		set.Capabilities = append(set.Capabilities, qemu.MigrationCapabilityStatus{Capability: c, State: on})
	}
	return set
}
