package qmp

// Options are what a client can be told. nil, and the zero value, mean the defaults. A client
// copies them when it is made.
type Options struct {
	// Logger is told of each command, when it is sent and how it ended, and of what is out of the
	// ordinary; nil for none. It must be fast, or everything waits for it. Secrets are logged as
	// "***", and so are all arguments of a [Raw]; results and events are not logged. See [Logger]
	// and [Redact].
	Logger Logger

	// Trace is called with each message that is sent or received, nil for none. It is called by
	// several goroutines at once, those that execute commands among them: what is received comes
	// in order, what is sent in nearly the order in which it is written. It must be fast, or
	// everything waits for it, and must not call the client. If it panics the connection ends
	// with a [*CallbackError].
	Trace func(TraceMessage)

	// OOB asks for the server's capability "oob", out-of-band execution, where the server
	// offers it ([Client.OOB] tells); [OutOfBand] uses it. At most 8 ordinary commands are
	// then in flight, so that the server has a place for one that is out of band; further ones
	// wait. It is off by default because few need it, and because it makes QEMU less careful
	// with descriptors.
	OOB bool

	// MaxMessage is the length in bytes of the longest message that the server may send;
	// 0 means 64 MiB, QEMU's own limit. A longer one ends the connection.
	MaxMessage int

	// EventQueue is the number of events that a subscription keeps for a consumer that is
	// slow; 0 means 1024. See [EventsLostError] for what happens to further ones.
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
