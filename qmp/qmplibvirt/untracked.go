package qmplibvirt

// untracked has the commands that change what libvirt records about a machine, or must find again to save, restore,
// migrate or start it, and whose effect libvirt does not notice. After them, libvirt's record differs from the machine:
// a saved machine cannot be restored, a migration fails, or the next start uses an old image.
//
// The list leaves out commands whose effect libvirt notices (stop, cont, quit, balloon), and commands that leave the machine
// as it was: queries, properties of QOM, backups, exports, bitmaps, descriptors. It also leaves out human-monitor-command,
// since most of its uses are queries. If a program changes a machine with it, nothing warns the program.
var untracked = map[string]bool{
	// Devices and what they use: QEMU has them, and the command line of a restored or migrated machine does not.
	"device_add": true, "device_del": true,
	"blockdev-add": true, "blockdev-del": true, "blockdev-reopen": true, "x-blockdev-change": true,
	"netdev_add": true, "netdev_del": true,
	"object-add": true, "object-del": true,
	"chardev-add": true, "chardev-remove": true, "chardev-change": true,

	// The layers of disks: libvirt would start the machine from images that are no longer the disk.
	"blockdev-snapshot": true, "blockdev-snapshot-sync": true, "blockdev-mirror": true, "drive-mirror": true,
	"block-commit": true, "block-stream": true, "change-backing-file": true, "transaction": true,

	// Media: the restored machine would have the old ones.
	"blockdev-change-medium": true, "blockdev-insert-medium": true, "blockdev-remove-medium": true, "eject": true,

	// Where the machine runs, and with which state.
	"migrate": true, "migrate-incoming": true, "snapshot-load": true,
}
