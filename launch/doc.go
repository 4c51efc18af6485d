// Package launch starts QEMU, watches it and ends it.
//
//	p, err := launch.Start(ctx, launch.Config{
//		Binary: "qemu-system-x86_64",
//		Args: launch.Args{
//			"-M", "q35", "-m", "1G", "-nodefaults", "-display", "none",
//			hotplug.Disk{ID: "root", Backend: hotplug.File{Path: "/srv/root.img"}},
//			hotplug.NIC{ID: "net0", Backend: hotplug.Tap{Queues: taps}},
//		},
//	})
//	if err != nil {
//		return err // a *StartError with QEMU's reason
//	}
//	defer p.Kill()
//	status, err := qemu.QueryStatus{}.Do(ctx, p.Client())
//	…
//	exit, err := p.Shutdown(ctx, nil) // power button, quit, SIGTERM, SIGKILL
//
// # The start
//
// Start has succeeded when QEMU has answered qmp_capabilities: the machine exists then. QEMU sends its greeting earlier, so a
// greeting proves nothing.
//
// The monitor of [Process.Client] is one end of a socketpair that QEMU inherits. It has no path, and nobody else can connect.
// Config.Monitor adds a monitor with a path, for other programs and for [Attach]. Its socket listens before QEMU starts.
//
// If Start fails, the error has the status of the process, its standard error, and the part of that with the reason,
// see [StartError.Reason].
//
// # The command line
//
// [Args] contains strings and options. An option knows the form that this QEMU takes, JSON or keyval, and doubles commas.
// The functions take types of package qemu:
//
//	Blockdev, Device, Object, Netdev, Chardev,   the options of these names
//	Display, Audiodev, NUMA, Incoming
//	Secret                                       -object secret; the secret is not on the command line
//	JSON, Keyval                                 other options
//	*Socket                                      a character device that the program has the other end of
//	hotplug.Disk, hotplug.NIC, hotplug.Memory    devices as hotplug adds them later
//
// A program writes its own option with [Line.Add], [Line.FD] and [Line.FDSet]. An option that depends on the version runs
// "binary -version", once for each file.
//
// # Descriptors
//
// QEMU gets copies of the files that options open or get. Start closes these copies, whether it succeeds or not. The files of a
// caller stay the caller's.
//
// QEMU locks the images that it uses. The lock belongs to the open file, not to the process: while the caller keeps a
// descriptor that it gave to QEMU, no other QEMU can start with the image, even after this QEMU was killed.
//
// The descriptors of a tap with several queues are good for one QEMU. It detaches the queues that its guest does not use, and
// the next QEMU terminates when it detaches one again. hotplug.Tap attaches them first.
//
// # The end
//
// [Process.Wait] and [Process.Exit] report why QEMU has ended.
//
// QEMU ends with this program: on Linux it gets SIGTERM when this process dies, for whatever reason. There are two
// exceptions. A QEMU that hangs or is stopped (SIGSTOP) does not end. A QEMU that changes its user ("-runas", "-run-with
// user=") does not get the signal: to change the user, set SysProcAttr.Credential in Config.Prepare. On other systems QEMU
// continues, unless it has the arguments "-run-with", "exit-with-parent=on" (QEMU 11.1). With Config.Outlive, QEMU
// continues in any case, and [Attach] takes it up.
//
// A Process reads what QEMU writes to its standard error, because a full pipe would stop QEMU. QEMU does not get signals of
// the terminal, such as SIGINT from Ctrl-C.
package launch
