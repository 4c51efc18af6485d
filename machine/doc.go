// Package machine has operations on a whole machine that take more than one command: a picture of its screen, a dump of its
// memory, its display sessions, the output of a character device, and commands of the human monitor.
//
//	err := machine.Screendump(ctx, client, file, &machine.ScreendumpOptions{Format: qemu.ImageFormatPNG})
//	…
//	err = machine.DumpMemory(ctx, client, core, nil)
//
// Pictures and dumps go into any [io.Writer]: QEMU writes into a descriptor that the operation sends to it, so the two need
// no common folder, and nothing is left behind. For these, the connection must be a UNIX socket. If it is not, the error
// matches [errors.ErrUnsupported].
//
// For what a single command does, use package qemu: [qemu.SetLink], [qemu.SystemPowerdown], [qemu.SendKey] and others.
package machine
