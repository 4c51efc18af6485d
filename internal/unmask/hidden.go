package unmask

import "github.com/qmpkit/qmpkit/qapi"

// Facts about commands that a server does not send, and that the schema with names may not have
// either: the command is not in it, or was another one in its version.
var hidden = map[string]struct {
	noGen   bool // it takes members that no schema has
	noReply bool
	reason  string
}{
	"device_add":           {noGen: true, reason: "each device has properties of its own"},
	"object-add":           {noGen: true, reason: "until QEMU 5.2 each object has properties of its own"},
	"guest-shutdown":       {noReply: true, reason: "the agent ends with the guest"},
	"guest-suspend-disk":   {noReply: true, reason: "the agent sleeps with the guest"},
	"guest-suspend-ram":    {noReply: true, reason: "the agent sleeps with the guest"},
	"guest-suspend-hybrid": {noReply: true, reason: "the agent sleeps with the guest"},
}

// flagsOf returns the flags of a command from the names' schema, or else from the table. A union
// has a branch for all that a command takes, so that nothing is left undeclared.
func flagsOf(name string, was *qapi.Command, union bool) flags {
	f := flags{noGen: hidden[name].noGen, noReply: hidden[name].noReply}
	if was != nil {
		f.noGen = f.noGen || was.NoGen && was.Arg != nil
		f.noReply = f.noReply || was.NoReply
		f.boxed, f.allowPreconfig, f.coroutine = was.Boxed, was.AllowPreconfig, was.Coroutine
	}
	f.noGen = f.noGen && !union
	return f
}
