package qapi

// Command is a request that a QEMU answers.
type Command struct {
	Header
	// Arg is the type of the arguments: nil without any, an implicit [*Struct] if the
	// schema gives them inline.
	Arg ObjectType
	// Returns is the type of the answer, nil if it carries nothing.
	Returns Type

	Boxed          bool // the C function takes Arg as a whole
	NoGen          bool // 'gen': false; the command takes further, undeclared arguments
	NoReply        bool // 'success-response': false
	AllowOOB       bool
	AllowPreconfig bool
	Coroutine      bool
}

// Event is a message that a QEMU sends on its own.
type Event struct {
	Header
	Arg   ObjectType // the type of the event's data, nil without any
	Boxed bool
}
