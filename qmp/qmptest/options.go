package qmptest

import (
	"context"

	"github.com/qmpkit/qmpkit/qapi/introspect"
	"github.com/qmpkit/qmpkit/qmp"
)

// Options tell what kind of server it is. nil, and the zero value, mean the defaults.
type Options struct {
	// Version is what the greeting says; the zero Version means 10.2.0.
	Version qmp.Version

	// Capabilities are what the greeting offers; nil means "oob", as QEMU does on a socket,
	// and an empty slice none. With "oob" enabled the server takes commands out of band
	// ([Request.OOB]), but still executes one after the other.
	Capabilities []string

	// Schema is the schema that the server checks each request against, before the script and the
	// handlers see it. The server refuses a wrong request as QEMU does. The schema may come from a
	// recorded query-qmp-schema ([introspect.Read]) or from a schema's sources (package qapi).
	//
	// nil means the schema of generated/qemu, or of generated/guest for a guest agent. A command
	// that this schema does not have is not checked: it may be of another server.
	Schema *introspect.Schema

	// Unchecked turns the checks by the default schema off.
	Unchecked bool

	// Guest makes a guest agent instead of a QEMU, see the package comment. Then Version,
	// Capabilities and NoGreeting mean nothing.
	Guest bool

	// Pretty spreads each message over many lines, as a monitor with pretty=on does.
	Pretty bool

	// Faults are those of each connection, the first one first; see [Server.SetFaults].
	Faults []Fault

	// NoGreeting makes a server that says nothing when a client connects, as one whose
	// monitor is held by another client. [Server.Greet] can greet later, and [Server.Write]
	// in any form.
	NoGreeting bool
}

// T is what a server needs of the test that it serves: a [testing.TB], or what stands in its
// place in a program that is no test.
type T interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}
