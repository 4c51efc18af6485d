package schema

import "embed"

// FS holds the folders of all versions. In each the files have the names that they have in
// QEMU's source tree.
//
//go:embed all:[0-9]*
var FS embed.FS

// Captured holds what servers answered, in a folder for each version: see the package comment.
//
//go:embed captured
var Captured embed.FS

// The main files of a version's three schemas, as paths in its folder.
const (
	QEMU    = "qapi/qapi-schema.json"                // of QEMU's monitor
	Storage = "storage-daemon/qapi/qapi-schema.json" // of qemu-storage-daemon
	Guest   = "qga/qapi-schema.json"                 // of the guest agent
)

// Mains holds the paths in FS of the main files of the schemas that come from QEMU's source.
var Mains = []string{
	"10.2/" + QEMU,
	"10.2/" + Storage,
	"10.2/" + Guest,
}
