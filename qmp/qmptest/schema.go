package qmptest

import (
	"slices"

	"github.com/qmpkit/qmpkit/qapi/introspect"
	"github.com/qmpkit/qmpkit/qmp"
)

// openCommands take members that no schema tells, since QEMU reads their arguments itself
// ('gen': false). A schema in which such a command's arguments are a union is newer, and tells
// all.
var openCommands = []string{
	"device_add", // the device's properties
	"netdev_add", // up to 4.2
	"object-add", // up to 5.2
}

// check tells what the server's schema has against a request, in QEMU's words.
func (s *Server) check(r *Request) *qmp.Error {
	schema := s.options.Schema
	if schema == nil {
		return nil
	}
	command, ok := schema.Lookup(r.Command).(*introspect.Command)
	switch {
	case !ok:
		return notFound(r.Command)
	case r.OOB && !command.AllowOOB:
		return refuse("The command " + r.Command + " does not support OOB")
	}
	return checkArguments(schema, s.options.Version, r)
}

// checkSession is check for what the server executes itself.
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
	if slices.Contains(openCommands, r.Command) && arguments.Tag == "" {
		return missing(arguments, given)
	}
	visit := visitor{schema: schema, oldEnums: v.Major < 6}
	return visit.object("", arguments, given)
}

// missing looks for the mandatory members only. The types of the others count neither: up to
// 9.1 a string does for any.
func missing(o *introspect.Object, given []member) *qmp.Error {
	for _, m := range o.Members {
		if find(given, m.Name) < 0 && !m.Optional {
			return refuse("Parameter '" + m.Name + "' is missing")
		}
	}
	return nil
}

func refuse(desc string) *qmp.Error { return &qmp.Error{Class: qmp.ErrGeneric, Desc: desc} }

func find(given []member, name string) int {
	return slices.IndexFunc(given, func(m member) bool { return m.name == name })
}
