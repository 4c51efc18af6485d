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

	// Schema is what the server has: each request is checked against it, before the script and
	// the handlers, and what is wrong is refused as QEMU refuses it. It may come from a
	// query-qmp-schema that was recorded ([introspect.Read]), or from a schema's sources
	// (package qapi). Without it any request is right. See the package comment.
	Schema *introspect.Schema

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
