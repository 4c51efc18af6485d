package qapi

// Command is a command of QMP.
type Command struct {
	Header
	// Arg is the type of the arguments: nil if there are none, an implicit [*Struct] if the
	// schema writes them inline.
	Arg ObjectType
	// Returns is the type of the result, or nil if there is none.
	Returns Type

	Boxed          bool // the C function takes Arg as a whole
	NoGen          bool // 'gen': false; the command takes further, undeclared arguments
	NoReply        bool // 'success-response': false
	AllowOOB       bool
	AllowPreconfig bool
	Coroutine      bool
}

// Event is a message that QEMU sends without a request.
type Event struct {
	Header
	Arg   ObjectType // the type of the event's data, or nil if there is none
	Boxed bool
}
