package qmptest

import (
	"context"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// Options configures a server. nil and the zero value mean the defaults.
type Options struct {
	// Version is the version in the greeting; the zero Version means the QEMU version of
	// generated/qemu.
	Version qmp.Version

	// Capabilities are the capabilities that the greeting offers. nil means "oob", as QEMU offers on a
	// socket; an empty slice means none. If "oob" is enabled, the server takes commands out of band
	// ([Request.OOB]), but still executes one after the other.
	Capabilities []string

	// Schema is the schema that the server checks each request against, before the script and the
	// handlers see it. The server refuses a wrong request as QEMU does. The schema may come from a
	// recorded query-qmp-schema ([introspect.Read]) or from a schema's sources (package qapi).
	//
	// nil means the schema of generated/qemu, or of generated/guest for a guest agent. A command
	// that this schema does not have is not checked: it may be of another server.
	Schema *introspect.Schema

	// Unchecked turns off the checks against the default schema.
	Unchecked bool

	// Guest makes a guest agent instead of a QEMU; see the package comment. The server then ignores Version,
	// Capabilities and NoGreeting.
	Guest bool

	// Pretty spreads each message over many lines, as a monitor with pretty=on does.
	Pretty bool

	// Faults are the faults of each connection, in this order; see [Server.SetFaults].
	Faults []Fault

	// NoGreeting makes a server that does not greet a client, like one whose monitor another client holds.
	// [Server.Greet] can greet later, and [Server.Write] can write anything.
	NoGreeting bool
}

// T is the part of testing.TB that a server uses. A program that is not a test can implement T
// itself.
type T interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}
