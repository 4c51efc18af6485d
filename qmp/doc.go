// Package qmp is a client for QMP, the protocol that controls QEMU. QMP servers are QEMU's monitor,
// qemu-storage-daemon and the guest agent.
//
//	c, err := qmp.Dial(ctx, "/run/vm1/qmp.sock", nil)
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//
//	status, err := qemu.QueryStatus{}.Do(ctx, c)
//
// The commands, events and types are in generated packages such as generated/qemu. A command is a
// struct with a Do method, which takes an [Executor] such as a [Client]. Use [Raw] for a command that no
// generated package has.
//
// # How a command ends
//
// Do returns nil if the command succeeded. Otherwise it returns an error that matches one of these:
//
//   - [ErrNotSent]: the server did not receive the command. It can be sent again.
//   - [*Error]: the server refused the command, or failed to execute it. errors.Is finds its class:
//     [ErrCommandNotFound], [ErrDeviceNotFound] and others.
//   - [ErrOutcomeUnknown]: the command was sent, and the context or the connection ended before the
//     reply came. The server may have executed it, or may still do so.
//   - [*DecodeError]: the command succeeded, but its result cannot be decoded.
//
// [MayHaveExecuted] reports whether there may be something to undo.
//
// If a context ends, the connection stays usable. The error then matches the context's error and its
// cause ([context.Cause]). The client has no timeouts; [WithTimeout] adds them.
//
// # Where the server is
//
// [Dial] takes the path of a UNIX socket, or an address of TCP or vsock. [DialWait] also waits for the socket
// of a server that was just started. [Accept] waits for a server that connects to the program.
// [NewFileClient] takes a descriptor, and [NewClient] any connection. [Pipes] makes a connection from two
// streams. [DialGuest] is for the guest agent. A client does not reconnect: [Client.Done] and [Client.Err]
// report when and why the connection ended.
//
// # Callbacks
//
// The client calls these functions of the program: a [Logger], [Options.Trace], the match function of
// [Client.EventsFunc], and the methods of a [net.Conn] that is not from package net. It calls them on its
// own goroutines and on the goroutines of commands that wait for a reply. If such a function panics, or
// ends its goroutine as t.FailNow does, the connection ends with a [*CallbackError]: commands and
// subscriptions return it, and Close returns. The client encodes arguments and decodes results on the
// goroutine of the command's caller. A panic there reaches the caller, and the connection stays usable.
//
// # Events
//
// [AwaitEvent] executes a command and waits for an event that the command causes:
//
//	gone, err := qmp.AwaitEvent(ctx, c, func(e qemu.DeviceDeletedEvent) bool {
//		return qmp.Value(e.Device) == "disk1"
//	}, qemu.DeviceDel{ID: "disk1"})
//
// [Subscribe] returns the events of one type. [Client.Events] returns the events with the given names;
// generated packages have constants for these. [Client.EventsFunc] returns the events that a function
// selects. Subscribe before you send the command whose events you wait for.
//
// Events and replies keep their order: when a command returns, every event that the server sent before its
// reply is already in the queue. A slow consumer does not block the client. The client drops its oldest
// events, and [EventsLostError] reports how many.
//
// # Printing values
//
// Print values with [Redacted]. It hides secrets, and shows values instead of pointers:
//
//	fmt.Println(qmp.Redacted(status))
//
// # Descriptors
//
// [WithFile] sends a file along with a command:
//
//	err = qemu.GetFD{FDName: "tap0"}.Do(ctx, c, qmp.WithFile(tap))
//
// # Transports of your own
//
// A transport that carries whole QMP messages, for example through another daemon, needs two methods:
// Execute of [Executor] and Events of [EventSource]. [Call.AppendRequest] makes the request, and
// [Call.DecodeReply] reads the reply. [NotSent] and [OutcomeUnknown] make the errors of commands without a
// reply. [EventHub] gives events to subscribers. A method Server with a [Server] lets other packages keep
// what they have learned about the QEMU. The example "Transport" shows all of this, and package qmplibvirt
// is such a transport.
//
// # Imports
//
// Every program that controls QEMU links this package, so it imports few packages. It does not
// import fmt, encoding/json, log/slog or crypto/tls.
package qmp
