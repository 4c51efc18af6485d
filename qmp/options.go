package qmp

// Options configures a Client. nil and the zero value mean the defaults. A client copies its options.
type Options struct {
	// Logger gets a message when a command is sent, when it ends, and when anything unusual happens. nil
	// means no logging. The Logger must be fast, because the client waits for it. Secrets, and all arguments
	// of a [Raw], are logged as "***". Results and events are not logged. See [Logger] and [Redact].
	Logger Logger

	// The client calls Trace with each message that it sends or receives. nil means no trace. Received
	// messages come in order. Sent messages come in almost the order in which the client writes them.
	// Several goroutines call Trace at once, including those that execute commands. It must be fast, since
	// the client waits for it, and must not call the client. If it panics, the connection ends with a
	// [*CallbackError].
	Trace func(TraceMessage)

	// OOB asks for the server's capability "oob", out-of-band execution, if the server offers it
	// ([Client.OOB] reports whether it does). [OutOfBand] uses it. The client then sends at most 8 ordinary
	// commands at a time, so that the server has room for an out-of-band command. Further commands wait.
	// OOB is off by default, because few programs need it.
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
