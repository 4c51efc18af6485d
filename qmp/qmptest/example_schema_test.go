package qmptest_test

import (
	"context"
	"fmt"
	"log"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// program takes the place of a test.
type program struct{ cleanups []func() }

func (*program) Helper()                           {}
func (*program) Context() context.Context          { return context.Background() }
func (p *program) Cleanup(f func())                { p.cleanups = append(p.cleanups, f) }
func (*program) Error(args ...any)                 { fmt.Println(args...) }
func (*program) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (*program) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }

func (p *program) end() {
	for _, f := range p.cleanups {
		defer f()
	}
}

// The server accepts only the commands of its schema, which has a single command here. The schema
// can also be a QEMU's, from query-qmp-schema.
func ExampleOptions_schema() {
	schema, err := introspect.Read([]byte(`[
		{"name": "stop", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
		{"name": "0", "meta-type": "object", "members": []}]`))
	if err != nil {
		log.Fatal(err)
	}
	t := new(program)
	defer t.end()
	s := qmptest.NewServer(t, &qmptest.Options{Schema: schema})
	s.Expect("stop")

	c := s.Dial()
	_, err = qmp.Raw{Command: "pause"}.Do(t.Context(), c)
	fmt.Println(err)
	_, err = qmp.Raw{Command: "stop", Args: qmp.Args{"now": true}}.Do(t.Context(), c)
	fmt.Println(err)

	// Output:
	// qmp: pause: The command pause has not been found (CommandNotFound)
	// qmp: stop: Parameter 'now' is unexpected
	// qmptest: missing commands: stop; unexpected commands: pause (refused: The command pause has not been found), stop (refused: Parameter 'now' is unexpected)
}
