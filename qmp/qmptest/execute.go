package qmptest

import (
	"encoding/json"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
)

// execute executes one command.
func (c *conn) execute(text json.RawMessage) {
	r := &Request{Files: c.files.come(), conn: c}
	if wrong := r.read(text, c.oob); wrong != "" {
		r.Refuse(qmp.ErrGeneric, wrong)
		return
	}
	c.serving = r.Command
	r.answer(c.dispatch(r))
}

// read takes a request apart, and returns its error in QEMU's words, "" if nothing is.
func (r *Request) read(text json.RawMessage, oob bool) (wrong string) {
	if text[0] != '{' {
		return "QMP input must be a JSON object"
	}
	execute := ""
	given := members(text)
	for _, m := range given {
		if m.name == "id" {
			r.ID = m.value // what is wrong is answered with it too
		}
	}
	for _, m := range given {
		switch {
		case m.name == "id":
		case m.name == "execute", m.name == "exec-oob" && oob:
			switch {
			case json.Unmarshal(m.value, &r.Command) != nil || m.value[0] != '"':
				return "QMP input member '" + m.name + "' must be a string"
			case execute != "":
				return "QMP input member '" + m.name + "' clashes with '" + execute + "'"
			}
			execute, r.OOB = m.name, m.name == "exec-oob"
		case m.name == "arguments":
			if m.value[0] != '{' {
				return "QMP input member 'arguments' must be an object"
			}
			r.Arguments = m.value
		default:
			return "QMP input member '" + m.name + "' is unexpected"
		}
	}
	if execute == "" {
		return "QMP input lacks member 'execute'"
	}
	return ""
}

// dispatch answers the commands of the session itself, and gives the others to the server.
func (c *conn) dispatch(r *Request) (any, error) {
	switch {
	case c.server.options.Guest:
		return c.dispatchGuest(r)
	case r.Command == "qmp_capabilities":
		return c.negotiate(r)
	case !c.ready:
		return nil, &qmp.Error{
			Class: qmp.ErrCommandNotFound,
			Desc:  "Expecting capabilities negotiation with 'qmp_capabilities'",
		}
	case r.drains():
		return nil, c.drain(r)
	}
	return c.server.answer(r)
}

// A member is one of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// members returns an object's members, in order. That it is JSON is known.
func members(object json.RawMessage) (all []member) {
	d := json.NewDecoder(strings.NewReader(string(object)))
	_, _ = d.Token()
	for d.More() {
		name, _ := d.Token()
		m := member{name: name.(string)}
		_ = d.Decode(&m.value)
		all = append(all, m)
	}
	return all
}

// elements returns an array's elements. That it is JSON is known.
func elements(array json.RawMessage) (all []json.RawMessage) {
	_ = json.Unmarshal(array, &all)
	return all
}
