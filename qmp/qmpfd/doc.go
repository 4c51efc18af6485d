// Package qmpfd gives a QEMU open files, so that it can use what it may not open itself: sets of
// descriptors for the block layer (add-fd), and descriptors by name for everything else (getfd).
// Whatever goes wrong, none is left in QEMU, or the error is an [*UndoError] and says so.
//
//	use := qmpfd.Use{Direct: true}
//	files, err := use.Open("/srv/data1.img")
//	…
//	defer files.Close() // QEMU has its own by then
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
// QEMU takes from a set the file that is open as it would have opened it, and refuses to open when
// there is none. It asks for O_RDONLY when a node is read-only, for O_RDWR when it is not, and with
// auto-read-only first for O_RDONLY and, whenever something begins to write, for O_RDWR. What the
// versions do with the other flags, measured:
//
//	                                        5.2, 7.2             10.0, 11.1
//	O_DIRECT and cache.direct differ        taken, and changed   refused
//	O_APPEND, O_NOATIME                     taken, and cleared   taken, and cleared
//	O_NONBLOCK                              cleared by add-fd    cleared by add-fd
//	O_SYNC, O_DSYNC                         refused              refused
//	O_PATH                                  ends QEMU 5.2        ends QEMU 11.1
//
// QEMU and the sender share the open file. What is changed or cleared is so for both.
//
// [Use.Check] takes what all of these versions take, and tells otherwise which flag is wrong. So
// O_DIRECT has to be there exactly when cache.direct is on.
//
// A file with O_PATH makes an assertion of QEMU fail, and the machine is gone: it is never sent.
//
// # Locks
//
// QEMU locks the files of file and host_device nodes, so that no other QEMU writes to them. A lock
// belongs to an open file and stays as long as a descriptor of it is in a set. A node with
// auto-read-only changes between two open files, and QEMU then meets its own locks on the other one:
// after a migration cont fails, a snapshot and a resize are refused, and after a failed migration
// the machine hangs or ends. This was measured on 5.2, 7.2, 10.0 and 11.1.
//
// So give a node one open file and no auto-read-only: O_RDWR with read-only off, if anything is ever
// to write to it. A node with auto-read-only and two files must have "locking" off; then nothing
// keeps another QEMU from writing to the file.
//
// # Concurrency
//
// All functions and methods can be called by several goroutines. Commands with files wait for each
// other, on one connection; see [qmp.WithFile].
package qmpfd
