// Package qmp is a client for QMP, the protocol by which programs control QEMU: its monitor,
// qemu-storage-daemon, and what else speaks it.
//
//	c, err := qmp.Dial(ctx, "/run/vm1/qmp.sock", nil)
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//
//	status, err := qemu.QueryStatus{}.Do(ctx, c)
//
// The commands, events and types are those of a generated package such as generated/qemu; each
// command is a struct with a Do method, which takes anything that can execute it, an
// [Executor]. A command that no generated package has is a [Raw].
//
// # How a command ends
//
// Do returns no error when the server has executed the command. Otherwise there are three
// endings, which are told apart because what to do next differs:
//
//   - [ErrNotSent]: the server has not got the command. It can be sent again.
//   - [*Error]: the server refused it, or failed. Its class is found with errors.Is:
//     [ErrCommandNotFound], [ErrDeviceNotFound] and others.
//   - [ErrOutcomeUnknown]: it was sent, and no reply came before the context or the
//     connection ended. It may have been executed, or still be.
//
// [MayHaveExecuted] tells whether there is something to undo.
//
// A context that ends does not harm the connection. There are no timeouts other than the
// context's.
//
// # Where the server is
//
// [Dial] takes the path of a UNIX socket or an address of TCP or vsock; [DialWait] waits for a socket
// of a server that was just started, [Accept] for a server that dials itself. [NewFileClient] takes
// a descriptor, [NewClient] any connection, [Pipes] makes one of two streams. [DialGuest] is for
// the guest agent. A client does not connect again by itself: [Client.Done] and [Client.Err] tell
// when and why it has ended.
//
// # Functions of the program
//
// The client calls functions that the program gives to it: a [Logger], [Options.Trace], the match
// function of [Client.EventsFunc], and the methods of a connection that is not package net's. It does
// so on its own goroutines and on those of callers, which read for each other. If one of these
// functions panics, or ends its goroutine as t.FailNow does, the connection ends with a
// [*CallbackError]: commands and subscriptions return it, and Close returns. Arguments are encoded
// and results decoded on the goroutine of the command's caller, to whom a panic there goes; the
// connection is as good as before.
//
// # Events
//
// [AwaitEvent] executes a command and waits for an event that the command causes:
//
//	gone, err := qmp.AwaitEvent(ctx, c, func(e qemu.DeviceDeletedEvent) bool {
//		return qmp.Value(e.Device) == "disk1"
//	}, qemu.DeviceDel{ID: "disk1"})
//
// [Subscribe] subscribes to the events of one type, [Client.Events] to events by name, for which
// generated packages have constants, and [Client.EventsFunc] to those events that a function
// selects. A program that waits for what a command causes subscribes before it sends the command.
//
// Events and replies keep their order: an event that the server sent before a reply can be
// had, without waiting, when the command has returned. A consumer that is slow never holds up
// anything; it loses the oldest events, and is told how many.
//
// # Descriptors
//
// [WithFile] sends a file along with a command:
//
//	err = qemu.GetFD{FDName: "tap0"}.Do(ctx, c, qmp.WithFile(tap))
//
// # What it links
//
// Every program that controls QEMU links this package, so it imports few others: not fmt,
// encoding/json, log/slog nor crypto/tls.
package qmp
