package qmp

// Options configures a Client. nil and the zero value mean the defaults. A client copies its options.
type Options struct {
	// Logger is told when a command is sent and how it ended, and of anything unusual; nil for none. It must
	// be fast: the client waits for it. Secrets, and all arguments of a [Raw], are logged as "***". Results
	// and events are not logged. See [Logger] and [Redact].
	Logger Logger

	// Trace is called with each message that is sent or received; nil for none. Received messages come in
	// order, sent messages in nearly the order in which they are written. Several goroutines call Trace at
	// once, including those that execute commands. It must be fast, since the client waits for it, and must
	// not call the client. If it panics, the connection ends with a [*CallbackError].
	Trace func(TraceMessage)

	// OOB asks for the server's capability "oob", out-of-band execution, if the server offers it
	// ([Client.OOB] reports whether it does). [OutOfBand] uses it. At most 8 ordinary commands are then in
	// flight, and further ones wait, so that the server has room for one that is out of band. OOB is off by
	// default: few programs need it, and it makes QEMU less careful with descriptors.
	OOB bool

	// MaxMessage is the length in bytes of the longest message that the server may send. A longer one ends
	// the connection. 0 means 64 MiB, QEMU's own limit.
	MaxMessage int

	// EventQueue is the number of events that a subscription keeps for a slow consumer; 0 means 1024. See
	// [EventsLostError].
	EventQueue int
}

const (
	defaultMaxMessage = 64 << 20
	defaultEventQueue = 1024
)

// withDefaults returns a copy of the options, complete.
func (o *Options) withDefaults() Options {
	var all Options
	if o != nil {
		all = *o
	}
	if all.MaxMessage <= 0 {
		all.MaxMessage = defaultMaxMessage
	}
	if all.EventQueue <= 0 {
		all.EventQueue = defaultEventQueue
	}
	return all
}
