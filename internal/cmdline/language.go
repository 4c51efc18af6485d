package cmdline

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A Language reads commands for one server. Several goroutines can use it.
type Language struct {
	// Schema is the schema of the server.
	Schema *introspect.Schema
	// Facts says what other versions have, and since when. It may be nil.
	Facts *facts.Table
	// Others are commands that the program has beside those of the server. Errors suggest them, too.
	Others []string
	// Values returns the values of a kind that the server has now: its nodes, its devices. It may be nil. A
	// Language does not show its errors: it then offers no values.
	Values func(ctx context.Context, kind Kind) ([]Value, error)
}

// A Value is a value that a server has, such as the name of a node.
type Value struct {
	Text string
	Help string
	// Type is the type of a property, as QEMU names it: "bool", "uint32", "str", "link<iothread>".
	Type string
}

// A Command is a command that has been read.
type Command struct {
	Name string
	// Args are the arguments, nil if there are none.
	Args qmp.Args
	// OOB reports that the line is a request for execution out of band.
	OOB bool
	// Warnings are about deprecated parts.
	Warnings []Warning
}

// Raw returns the command for an Executor.
func (c *Command) Raw() qmp.Raw { return qmp.Raw{Command: c.Name, Args: c.Args} }

// Arguments returns the arguments as a JSON object.
func (c *Command) Arguments() []byte {
	text, err := c.Args.MarshalJSON()
	if err != nil {
		panic(err) // Parse makes only values that can be sent
	}
	return text
}

// Parse reads a line. The error is an [*Error]: the first mistake or, if there is none, what is missing. Nothing is
// sent, except that Parse asks Values for the properties of a device or an object, to know their types. It
// continues without them if ctx ends first.
func (l *Language) Parse(ctx context.Context, line string) (*Command, error) {
	c := &checker{Language: l, ctx: ctx, end: len(line), cursor: -1}
	r := &reader{line: line}
	q := r.request()
	c.errs = r.errs
	if !utf8.ValidString(line) || strings.IndexByte(line, 0) >= 0 {
		return nil, &Error{To: len(line), Reason: "the line is not text in UTF-8"}
	}
	if q.name == nil && len(c.errs) == 0 {
		c.errs = []*Error{{Reason: "the line is empty", Want: "a command", Incomplete: true}}
	}
	if q.json {
		c.end = q.envelope.to
	}
	args := c.command(q)
	if err := first(c.errs); err != nil {
		return nil, err
	}
	if len(args) == 0 {
		args = nil
	}
	return &Command{Name: q.name.text, Args: args, OOB: q.oob, Warnings: c.warnings}, nil
}

// command checks a request.
func (c *checker) command(q request) qmp.Args {
	if q.name == nil {
		return nil
	}
	name := q.name.text
	command, ok := c.Schema.Lookup(name).(*introspect.Command)
	if !ok {
		c.noCommand(q.name)
		return nil
	}
	if q.oob && !command.AllowOOB {
		c.fail(q.name.from, q.name.to, name+" cannot be executed out of band", `"execute" in place of "exec-oob"`)
	}
	c.warn(name, command.Features, q.name.from, q.name.to, name)
	t, ok := c.Schema.Lookup(command.ArgType).(*introspect.Object)
	if !ok {
		return nil
	}
	p := place{command: name, path: name + "/arg-type"}
	var all []entry
	for _, e := range entries(q.members, false) {
		if !e.deep {
			all = append(all, entries(e.value.members, true)...)
			continue
		}
		all = append(all, e)
	}
	args, _ := c.object(p, t, all).(qmp.Args)
	return args
}
