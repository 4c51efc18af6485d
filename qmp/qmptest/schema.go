package qmptest

import (
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// check returns the error of a request by the server's schema, in QEMU's words.
func (s *Server) check(r *Request) *qmp.Error {
	schema := s.options.Schema
	switch {
	case schema != nil:
	case s.options.Unchecked:
		return nil
	case s.options.Guest:
		schema = schemaOfGuest()
	default:
		schema = schemaOfQEMU()
	}
	command, ok := schema.Lookup(r.Command).(*introspect.Command)
	switch {
	case !ok && s.options.Schema == nil:
		return nil // it may be of another server
	case !ok:
		return notFound(r.Command)
	case r.OOB && !command.AllowOOB:
		return refuse("The command " + r.Command + " does not support OOB")
	}
	return checkArguments(schema, s.options.Version, r)
}

// checkSession is check for commands that the server executes itself.
func (s *Server) checkSession(r *Request) *qmp.Error {
	return checkArguments(s.session, s.options.Version, r)
}

// checkArguments checks the arguments of a command that the schema has.
func checkArguments(schema *introspect.Schema, v qmp.Version, r *Request) *qmp.Error {
	command := schema.Lookup(r.Command).(*introspect.Command)
	arguments, ok := schema.Lookup(command.ArgType).(*introspect.Object)
	if !ok {
		return nil // no schema of a QEMU
	}
	var given []member
	if len(r.Arguments) > 0 {
		given = members(r.Arguments)
	}
	if read := ownReader(r.Command, arguments, v); read != nil {
		return read(arguments, given)
	}
	visit := visitor{schema: schema, version: v}
	return visit.object("", arguments, given)
}

// ownReader returns the function that checks the arguments of a command with 'gen': false in its
// schema. Such a command takes members that the schema does not have, such as the properties of a
// device. It returns nil for all other commands. If the arguments are a union, the schema has all
// members.
func ownReader(command string, arguments *introspect.Object, v qmp.Version) func(*introspect.Object, []member) *qmp.Error {
	switch {
	case arguments.Tag != "":
	case command == "device_add" && !before(v, 9, 2):
		return readStrings
	case command == "device_add", command == "netdev_add": // the latter up to 4.2
		return readOptions
	case command == "object-add" && !before(v, 5, 0): // up to 5.2
		return readObject
	case command == "query-qmp-schema" && before(v, 6, 0):
		return func(*introspect.Object, []member) *qmp.Error { return nil }
	}
	return nil
}

func before(v qmp.Version, major, minor int) bool {
	return v.Compare(qmp.Version{Major: major, Minor: minor}) < 0
}

// readStrings looks for the mandatory members, which count if they are strings, and takes any others.
func readStrings(o *introspect.Object, given []member) *qmp.Error {
	return missing(o, given, func(m member) bool { return kind(m.value) == "string" })
}

// readOptions reads arguments as command-line options: a scalar becomes a string, and QEMU ignores
// other values. Only the id must be a string to count.
func readOptions(o *introspect.Object, given []member) *qmp.Error {
	if i := find(given, "id"); i >= 0 && kind(given[i].value) == "string" && !isIdentifier(text(given[i].value)) {
		return refuse("Parameter 'id' expects an identifier")
	}
	return missing(o, given, func(m member) bool {
		switch kind(m.value) {
		case "string":
			return true
		case "number", "boolean":
			return m.name != "id"
		}
		return false
	})
}

// readObject is readStrings for members that may also be in the object props.
func readObject(o *introspect.Object, given []member) *qmp.Error {
	if i := find(given, "props"); i >= 0 {
		if kind(given[i].value) != "object" {
			return wrongType("props", "dict")
		}
		for _, m := range members(given[i].value) {
			if m.name != "props" && find(given, m.name) >= 0 {
				return refuse("Option in 'props' conflicts with top level")
			}
			given = append(given, m)
		}
	}
	return readStrings(o, given)
}

// missing returns an error if a mandatory member is not given, or does not count.
func missing(o *introspect.Object, given []member, counts func(member) bool) *qmp.Error {
	for _, m := range o.Members {
		if i := find(given, m.Name); !m.Optional && (i < 0 || !counts(given[i])) {
			return refuse("Parameter '" + m.Name + "' is missing")
		}
	}
	return nil
}

// isIdentifier reports whether QEMU takes a text for an ID: a letter, then letters, digits, '-', '.'
// and '_'.
func isIdentifier(id string) bool {
	for i, c := range id {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || strings.ContainsRune("-._", c))) {
			return false
		}
	}
	return id != ""
}

func refuse(desc string) *qmp.Error { return &qmp.Error{Class: qmp.ErrGeneric, Desc: desc} }

func find(given []member, name string) int {
	return slices.IndexFunc(given, func(m member) bool { return m.name == name })
}

// Check returns the error with which a QEMU with this schema and version refuses a request before it executes the
// command, nil if it does not. The request is a message of the protocol: {"execute": …}. Check is what a server with
// [Options.Schema] does with each request; see the package comment for what it cannot check.
func Check(schema *introspect.Schema, version qmp.Version, request []byte) *qmp.Error {
	var p parser
	var messages []message
	for _, b := range append(request[:len(request):len(request)], '\n') {
		messages = append(messages, p.feed(b)...)
	}
	if len(messages) != 1 {
		return refuse("JSON parse error, not one value")
	}
	if m := messages[0]; m.err != "" {
		return refuse(m.err)
	}
	r := &Request{}
	if wrong := r.read(messages[0].text, true); wrong != "" {
		return refuse(wrong)
	}
	s := &Server{options: Options{Schema: schema, Version: version}}
	return s.check(r)
}
