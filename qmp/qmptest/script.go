package qmptest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
)

// Handle makes h answer a command whenever it comes, unless the command is the next step of the
// script. h replaces the handler that was set before.
//
// A handler for qmp_capabilities runs before the negotiation. If it returns nil and no error, the
// server negotiates as usual. Otherwise the server sends the handler's answer instead.
func (s *Server) Handle(command string, h Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[command] = h
}

// An Expectation is a step of the server's script: a command that must come, and its answer. The default
// answer is the empty object.
type Expectation struct {
	server  *Server
	command string
	args    any
	checked bool // compare args
	handler Handler
}

// Expect adds a step to the end of the script: the client must send this command. Call Expect
// before the command comes.
func (s *Server) Expect(command string) *Expectation {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &Expectation{server: s, command: command}
	s.script = append(s.script, e)
	return e
}

// With sets the arguments that the command must have: anything that [Expectation.Reply] takes. If a command
// comes with other arguments, the test fails, and the server answers with a GenericError. By default a command
// can have any arguments.
func (e *Expectation) With(args any) *Expectation {
	return e.change(func() { e.args, e.checked = args, true })
}

// Reply sets the command's result: anything that encoding/json can marshal, such as values of generated
// packages. A value that cannot be marshalled fails the test: for example a union whose discriminator is empty
// or disagrees with its branch, or an alternate without a value.
func (e *Expectation) Reply(value any) *Expectation {
	return e.Handle(Return(value))
}

// Refuse makes the server answer with an error of this class.
func (e *Expectation) Refuse(class qmp.ErrorClass, desc string) *Expectation {
	return e.Handle(Refuse(class, desc))
}

// Handle sets the handler that answers the command.
func (e *Expectation) Handle(h Handler) *Expectation {
	return e.change(func() { e.handler = h })
}

func (e *Expectation) change(f func()) *Expectation {
	e.server.mu.Lock()
	defer e.server.mu.Unlock()
	f()
	return e
}

// handler returns the handler for a command, or nil if there is none.
func (s *Server) handler(command string) Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handlers[command]
}

// isAnswered reports whether the script, as its next step, or a handler answers a command.
func (s *Server) isAnswered(command string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handlers[command] != nil || len(s.script) > 0 && s.script[0].command == command
}

// answer finds the answer to a request: the schema's, the script's, a handler's, or
// CommandNotFound.
func (s *Server) answer(r *Request) (any, error) {
	wrong := s.check(r)
	s.mu.Lock()
	s.requests = append(s.requests, r)
	h := s.handlers[r.Command]
	var step *Expectation
	switch {
	case wrong != nil:
		s.unexpected = append(s.unexpected, r.Command+" (refused: "+wrong.Desc+")")
	case len(s.script) > 0 && s.script[0].command == r.Command:
		step = s.script[0]
		s.script = s.script[1:]
		h = step.handler
	case h == nil:
		s.unexpected = append(s.unexpected, r.Command)
		wrong = notFound(r.Command)
	}
	if wrong == nil && takesFiles(r.Command) {
		r.Files = r.conn.files.take()
	}
	s.mu.Unlock()

	if wrong != nil {
		return nil, wrong
	}
	if step != nil && step.checked {
		if err := sameArguments(r.Arguments, step.args); err != nil {
			s.t.Errorf("qmptest: %s: %v", r.Command, err)
			return nil, err
		}
	}
	if h == nil {
		return nil, nil
	}
	return h(r)
}

// notFound is QEMU's answer to an unknown command.
func notFound(command string) *qmp.Error {
	return &qmp.Error{
		Class: qmp.ErrCommandNotFound,
		Desc:  "The command " + command + " has not been found",
	}
}

// reportUnmet fails the test for the steps that are left.
func (s *Server) reportUnmet() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.script) == 0 {
		return
	}
	var commands []string
	for _, e := range s.script {
		commands = append(commands, e.command)
	}
	message := "qmptest: missing commands: " + strings.Join(commands, ", ")
	if len(s.unexpected) > 0 {
		message += "; unexpected commands: " + strings.Join(s.unexpected, ", ")
	}
	s.t.Error(message)
}

// sameArguments compares the arguments that came with the expected ones, as JSON values.
func sameArguments(got json.RawMessage, want any) error {
	expected, err := marshal(want)
	if err != nil {
		return fmt.Errorf("the expected arguments: %w", err)
	}
	if len(got) == 0 {
		got = json.RawMessage("{}")
	}
	if string(expected) == "null" {
		expected = []byte("{}")
	}
	g, err := decodeExactly(got)
	if err != nil {
		return err
	}
	w, err := decodeExactly(expected)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(g, w) {
		return fmt.Errorf("the arguments are %s, want %s", got, expected)
	}
	return nil
}

// decodeExactly decodes a JSON value with its numbers as text, so that large ones differ.
func decodeExactly(b []byte) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}
