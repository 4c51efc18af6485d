// Package qmpfd gives open files to a QEMU that has no permission to open them: sets of
// descriptors for the block layer (add-fd), and descriptors with names for everything else
// (getfd). If a function fails, it removes its descriptors from QEMU. If that fails too, the
// error is an [*UndoError].
//
//	use := qmpfd.Use{Direct: true}
//	files, err := use.Open("/srv/data1.img")
//	…
//	defer files.Close() // QEMU has its own descriptors by then
//	set, err := use.AddSet(ctx, client, "qmpkit:data1", files...)
//	…
//	// blockdev-add with the file name set.Path(); and when the node is gone:
//	err = set.Remove(ctx)
//
//	err = qmpfd.Send(ctx, client, "tap0", tap)
//	// netdev_add with the fd "tap0"
//
// # Which file of a set QEMU takes
//
// QEMU looks in the set for a file that is open with the flags that the node needs. If there is no such
// file, QEMU refuses to open the node. It asks for O_RDONLY if the node is read-only and for O_RDWR if
// it is not. With auto-read-only it asks for O_RDONLY first, and for O_RDWR when a user of the node
// begins to write. The other flags have these effects (measured):
//
//	                                        5.2, 7.2             10.0, 11.1
//	O_DIRECT and cache.direct differ        taken, and changed   refused
//	O_APPEND, O_NOATIME                     taken, and cleared   taken, and cleared
//	O_NONBLOCK                              cleared by add-fd    cleared by add-fd
//	O_SYNC, O_DSYNC                         refused              refused
//	O_PATH                                  crashes QEMU 5.2     crashes QEMU 11.1
//
// QEMU and the sender share the open file, so a flag that QEMU changes or clears changes for both.
//
// [Use.Check] accepts a file only if all of these versions accept it. Otherwise its error names the wrong
// flag. So the file must have O_DIRECT if cache.direct is on, and must not have it otherwise.
//
// A file with O_PATH crashes QEMU by a failed assertion. This package never sends one.
//
// # Locks
//
// QEMU locks the files of file and host_device nodes, so that no other QEMU writes to them. A lock
// belongs to an open file and stays as long as a descriptor of it is in a set. A node with
// auto-read-only changes between two open files. QEMU's locks on one file then conflict with its
// locks on the other. As a result, cont fails after a migration, QEMU refuses a snapshot or a
// resize, and the machine hangs or ends after a failed migration. This was measured on 5.2, 7.2,
// 10.0 and 11.1.
//
// So give a node one open file and no auto-read-only. If anything will ever write to the node, open
// the file with O_RDWR and leave read-only off. A node with auto-read-only and two files must have
// "locking" off. Another QEMU can then write to the file at the same time.
//
// # Concurrency
//
// Several goroutines can call all functions and methods. On one connection, commands with files wait for
// each other; see [qmp.WithFile].
package qmpfd
