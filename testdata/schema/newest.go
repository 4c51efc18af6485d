package schema

// Newest is the version of QEMU that the committed packages are up to.
const Newest = "11.1"

// The main files, in FS, of the schemas that the committed packages are generated from. make update
// writes these lines.
const (
	NewestQEMU    = "11.1/" + QEMU
	NewestStorage = "11.1/" + Storage
	NewestGuest   = "10.2/" + Guest
)
