package schema

import "embed"

// FS holds the folders of all versions. In each the files have the names that they have in
// QEMU's source tree.
//
//go:embed all:10.2
var FS embed.FS

// The main files of a version's three schemas, as paths in its folder.
const (
	QEMU    = "qapi/qapi-schema.json"                // of QEMU's monitor
	Storage = "storage-daemon/qapi/qapi-schema.json" // of qemu-storage-daemon
	Guest   = "qga/qapi-schema.json"                 // of the guest agent
)

// Mains holds the paths in FS of all schemas' main files.
var Mains = []string{
	"10.2/" + QEMU,
	"10.2/" + Storage,
	"10.2/" + Guest,
}
